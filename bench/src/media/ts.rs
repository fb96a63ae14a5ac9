//! An MPEG transport stream of H.264, as bytes.

/// Bytes of a packet.
const PACKET: usize = 188;
/// Packets of a datagram, as common senders have it.
pub(super) const DATAGRAM: usize = 7 * PACKET;
/// Pictures between two tables, and ticks of 90 kHz between two pictures: a table and 25 pictures a second.
const TABLE_INTERVAL: u64 = 25;
const PICTURE_TICKS: u64 = 3600;

/// Tables of one program with H.264 on PID 256 (ISO/IEC 13818-1, 2.4.4), with their CRC.
const PROGRAMS: &[u8] = &[0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
const STREAMS: &[u8] = &[
    0, 2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x15, 0xbd, 0x4d,
    0x56,
];
/// Parameter sets of 320 x 180 pixels (ITU-T H.264, annex B).
const PARAMETERS: &[u8] = b"\0\0\0\x01\x67\x42\xc0\x0b\xda\x05\x06\x7e\x7c\x04\x40\0\0\x03\0\x40\0\0\x05\x03\xc5\x0a\xa8\0\0\0\x01\x68\xce\x3c\x80";
/// The begin of a key frame.
const KEY_FRAME: &[u8] = b"\0\0\0\x01\x65\x88";

/// Packets of one PID, with counters that follow each other.
struct Pid {
    number: u16,
    counter: u8,
}

impl Pid {
    /// Appends a packet; what its payload does not fill is an adaptation field.
    fn packet(&mut self, out: &mut Vec<u8>, is_start: bool, payload: &[u8]) {
        let [high, low] = self.number.to_be_bytes();
        let end = out.len() + PACKET;
        let stuffing = PACKET - 4 - payload.len();
        let adaptation = if stuffing > 0 { 0x30 } else { 0x10 };
        out.extend([0x47, high | if is_start { 0x40 } else { 0 }, low, adaptation | self.counter]);
        self.counter = (self.counter + 1) & 15;
        if stuffing > 0 {
            out.push((stuffing - 1) as u8);
            out.resize(end - payload.len(), 0xff);
            if let Some(flags) = out.get_mut(end + 5 - PACKET).filter(|_| stuffing > 1) {
                *flags = 0;
            }
        }
        out.extend(payload);
    }
}

/// A stream of pictures without an end.
pub(super) struct Stream {
    tables: [(Pid, &'static [u8]); 2],
    video: Pid,
    pictures: u64,
    picture: Vec<u8>,
}

impl Stream {
    /// Pictures of this number of bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let pid = |number| Pid { number, counter: 0 };
        let mut picture = [PARAMETERS, KEY_FRAME].concat();
        // No start code is in it.
        picture.extend((picture.len()..bytes).map(|at| (at * 7 + 130) as u8 | 1));
        Self {
            tables: [(pid(0), PROGRAMS), (pid(4096), STREAMS)],
            video: pid(256),
            pictures: 0,
            picture,
        }
    }

    /// Appends the packets of the next picture.
    pub(super) fn picture(&mut self, out: &mut Vec<u8>) {
        if self.pictures.is_multiple_of(TABLE_INTERVAL) {
            for (pid, table) in &mut self.tables {
                pid.packet(out, true, table);
            }
        }
        let bytes = [&header(self.pictures * PICTURE_TICKS), &self.picture[..]].concat();
        for (number, part) in bytes.chunks(PACKET - 4).enumerate() {
            self.video.packet(out, number == 0, part);
        }
        self.pictures += 1;
    }
}

/// The header of a packet of an elementary stream with a time (ISO/IEC 13818-1, 2.4.3.6).
fn header(ticks: u64) -> [u8; 14] {
    let bits = |shift: u32, mask: u64| (ticks >> shift & mask) as u8;
    [
        0,
        0,
        1,
        0xe0,
        0,
        0,
        0x80,
        0x80,
        5,
        0x21 | bits(30, 7) << 1,
        bits(22, 0xff),
        1 | bits(15, 0x7f) << 1,
        bits(7, 0xff),
        1 | bits(0, 0x7f) << 1,
    ]
}

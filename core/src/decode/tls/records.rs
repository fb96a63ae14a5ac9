//! The records of one side (RFC 8446 section 5): their types, and the bytes of those in clear.

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CHANGE_CIPHER_SPEC: u8 = 20;
const APPLICATION_DATA: u8 = 23;
const HEADER: usize = 5;
/// Longest record, bytes: 2^14 and what the cipher adds (RFC 5246 section 6.2.3).
const MAX_RECORD: u16 = (1 << 14) + 2048;

/// The records of one side.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER],
    /// How many bytes of the header there are.
    header_length: usize,
    /// Bytes of the record that follow.
    left: usize,
    /// Whether records are encrypted from now on.
    is_encrypted: bool,
}

/// A part of a record.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// Bytes of handshake messages.
    Handshake(&'a [u8]),
    /// The number of an alert.
    Alert(u8),
    /// A record that is encrypted begins.
    Encrypted,
    /// These are no records.
    Malformed,
}

impl Records {
    /// Bytes of the record that follow.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes bytes up to the next part; `None` once there is none in them.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left == 0 {
                if let Some(byte) = self.header.get_mut(self.header_length) {
                    *byte = first;
                }
                self.header_length += 1;
                *bytes = rest;
                if self.header_length < HEADER {
                    continue;
                }
                self.header_length = 0;
                let [kind, major, _, high, low] = self.header;
                let length = u16::from_be_bytes([high, low]);
                let is_known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind);
                if !is_known || major != 3 || length > MAX_RECORD {
                    return Some(Part::Malformed);
                }
                self.left = length.into();
                if self.is_encrypted && kind == HANDSHAKE || kind == APPLICATION_DATA {
                    return Some(Part::Encrypted);
                }
                self.is_encrypted |= kind == CHANGE_CIPHER_SPEC;
                continue;
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            *bytes = rest;
            self.left -= part.len();
            match self.header[0] {
                HANDSHAKE if !self.is_encrypted => return Some(Part::Handshake(part)),
                // Its level comes first.
                ALERT if !self.is_encrypted && self.left == 0 => {
                    return part.last().copied().map(Part::Alert);
                }
                _ => {}
            }
        }
        None
    }
}

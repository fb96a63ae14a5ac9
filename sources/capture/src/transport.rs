//! The headers of TCP (RFC 9293) and UDP (RFC 768).

/// `FIN`, `SYN`, `RST`, `ACK`, `ECE` and `CWR` of the flags of TCP.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// The numbers of the protocols in IP.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpSegment<'a> {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    /// As sent: not scaled.
    pub(crate) window: u16,
    pub(crate) checksum: u16,
    pub(crate) options: TcpOptions,
    pub(crate) payload: &'a [u8],
    /// Bytes of the payload that were not captured.
    pub(crate) cut: u32,
}

/// The options that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TcpOptions {
    /// Largest segment that the sender takes, without options (RFC 9293).
    pub(crate) mss: Option<u16>,
    /// Shift of its windows (RFC 7323).
    pub(crate) window_scale: Option<u8>,
    /// Whether it takes selective acknowledgements (RFC 2018).
    pub(crate) sack_permitted: bool,
    /// Whether it has a time stamp (RFC 7323), and that.
    pub(crate) timestamp: Option<u32>,
}

impl<'a> TcpSegment<'a> {
    /// Reads the payload of an IP packet, of which `cut` bytes were not captured; `None` if the header breaks
    /// the format or is cut before its options.
    pub(crate) fn read(bytes: &'a [u8], cut: u32) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        let header_bytes = usize::from(header[12] >> 4) * 4;
        let options_bytes = header_bytes.checked_sub(20)?;
        let behind = bytes.get(20..)?;
        let (options, payload) = behind.split_at(options_bytes.min(behind.len()));
        // Of a header that is cut, the missing options are no payload.
        let cut_options = u32::try_from(options_bytes - options.len()).ok()?;
        let short = |at: usize| Some(u16::from_be_bytes(*header.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
        Some(Self {
            source_port: short(0)?,
            destination_port: short(2)?,
            sequence: long(4)?,
            acknowledgement: long(8)?,
            flags: header[13],
            window: short(14)?,
            checksum: short(16)?,
            options: TcpOptions::read(options),
            payload,
            cut: cut.checked_sub(cut_options)?,
        })
    }

    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of payload on the wire.
    pub(crate) fn payload_bytes(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).saturating_add(self.cut)
    }
}

impl TcpOptions {
    fn read(mut rest: &[u8]) -> Self {
        let mut options = Self::default();
        loop {
            let (kind, value) = match rest {
                [] | [0, ..] => return options,
                [1, after @ ..] => {
                    rest = after;
                    continue;
                }
                [kind, length, ..] => {
                    let length = usize::from(*length);
                    let Some(value) = rest.get(2..length) else { return options };
                    rest = rest.get(length..).unwrap_or_default();
                    (*kind, value)
                }
                [_] => return options,
            };
            match (kind, value) {
                (2, [high, low]) => options.mss = Some(u16::from_be_bytes([*high, *low])),
                (3, [shift]) => options.window_scale = Some((*shift).min(14)),
                (4, []) => options.sack_permitted = true,
                (8, [a, b, c, d, ..]) => {
                    options.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d]));
                }
                _ => {}
            }
        }
    }
}

/// A UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// As far as it was captured.
    pub(crate) payload: &'a [u8],
    /// Bytes of payload on the wire.
    pub(crate) payload_bytes: u32,
}

impl<'a> Datagram<'a> {
    /// Reads the payload of an IP packet, of which `cut` bytes were not captured.
    pub(crate) fn read(bytes: &'a [u8], cut: u32) -> Option<Self> {
        let header: &[u8; 8] = bytes.first_chunk()?;
        let [a, b, c, d, e, f, ..] = *header;
        let whole = u32::try_from(bytes.len()).ok()?.checked_add(cut)?;
        let length = match u32::from(u16::from_be_bytes([e, f])) {
            // Datagrams that the network device cuts later, or of a jumbogram.
            0 => whole,
            length => length,
        };
        let payload_bytes = length.min(whole).checked_sub(8)?;
        let payload = bytes.get(8..)?;
        let captured = payload.len().min(usize::try_from(payload_bytes).ok()?);
        Some(Self {
            source_port: u16::from_be_bytes([a, b]),
            destination_port: u16::from_be_bytes([c, d]),
            payload: payload.get(..captured)?,
            payload_bytes,
        })
    }
}

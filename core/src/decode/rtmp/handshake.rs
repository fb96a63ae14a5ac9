//! The handshake of a side (RTMP 1.0, section 5.2): a version, 1536 bytes, and 1536 bytes in answer to those of
//! the peer.

/// The version and the first 1536 bytes.
pub(super) const HELLO_BYTES: usize = 1 + 1536;
/// All bytes of a side.
const ALL_BYTES: u64 = HELLO_BYTES as u64 + 1536;

/// What the first byte announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Plain,
    /// RTMPE: all behind the handshake is encrypted.
    Encrypted,
}

impl Version {
    pub(super) fn of(byte: u8) -> Option<Self> {
        match byte {
            3 => Some(Self::Plain),
            6 | 8 | 9 => Some(Self::Encrypted),
            _ => None,
        }
    }
}

/// The handshake of one side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Handshake {
    received: u64,
    version: Option<u8>,
    /// The bytes 5 to 8: zeros, or the version of software that adds a digest.
    software: [u8; 4],
}

impl Handshake {
    /// Reads what belongs to it; returns the rest.
    pub(super) fn data<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (byte, at) in bytes.iter().zip(self.received..9) {
            match at {
                0 => self.version = Some(*byte),
                5..9 => {
                    if let Some(kept) = self.software.get_mut(at as usize - 5) {
                        *kept = *byte;
                    }
                }
                _ => {}
            }
        }
        let taken = (ALL_BYTES - self.received).min(bytes.len() as u64);
        self.received += taken;
        bytes.get(taken as usize..).unwrap_or_default()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.received == ALL_BYTES
    }

    pub(super) fn version(&self) -> Option<Version> {
        Version::of(self.version?)
    }

    /// Whether its software announces a digest: its version is not 0.
    pub(super) fn has_digest(&self) -> bool {
        self.received >= 9 && self.software != [0; 4]
    }
}

//! A handshake packet (section 3.2.1), and its extensions (sections 3.2.1.1 to 3.2.1.3).

use crate::decode::text::text;

/// Bytes of the header of each packet.
const HEADER: usize = 16;
/// Control packet of type 0.
const HANDSHAKE: [u8; 4] = [0x80, 0, 0, 0];
/// Bytes of a handshake before its extensions.
const FIXED: usize = 48;
/// In the extension field of a listener's answer.
const MAGIC: u16 = 0x4a17;
/// Longest stream id, bytes.
const MAX_STREAM_ID: usize = 512;

/// Where a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Induction,
    /// Both ends call each other.
    WaveAHand,
    Conclusion,
    Agreement,
    /// With the reason.
    Rejection(u32),
}

/// A handshake packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handshake {
    version: u32,
    /// Bytes of the key in units of 8; 0 is none, or not stated.
    pub(super) key: u16,
    extension: u16,
    pub(super) phase: Phase,
    /// Of the extensions.
    pub(super) request: Option<Settings>,
    /// The same in an answer.
    pub(super) response: Option<Settings>,
    pub(super) has_key: bool,
    pub(super) stream_id: Option<String>,
}

/// What an end states of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// Major, minor, patch.
    pub(super) version: (u8, u8, u8),
    /// Milliseconds for which what is received waits for what is sent again; what the peer is to wait.
    pub(super) receiver_ms: u16,
    pub(super) sender_ms: u16,
}

impl Handshake {
    /// Reads a datagram; `None` if it is no handshake.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&HANDSHAKE) {
            return None;
        }
        let (fixed, mut rest) = bytes.get(HEADER..)?.split_first_chunk::<FIXED>()?;
        let word = |at: usize| {
            let bytes = fixed.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        let phase = match word(20) {
            0 => Phase::WaveAHand,
            1 => Phase::Induction,
            u32::MAX => Phase::Conclusion,
            0xffff_fffe => Phase::Agreement,
            reason @ 1000..4000 => Phase::Rejection(reason),
            _ => return None,
        };
        let [key, extension] = [word(4) >> 16, word(4) & 0xffff].map(|half| half as u16);
        let mut handshake = Self {
            version: word(0),
            key,
            extension,
            phase,
            request: None,
            response: None,
            has_key: false,
            stream_id: None,
        };
        if !matches!(handshake.version, 4 | 5) {
            return None;
        }
        while handshake.version == 5
            && phase == Phase::Conclusion
            && let Some(([k0, k1, l0, l1], behind)) = rest.split_first_chunk()
        {
            let length = 4 * usize::from(u16::from_be_bytes([*l0, *l1]));
            let Some((content, behind)) = behind.split_at_checked(length) else { break };
            handshake.extension(u16::from_be_bytes([*k0, *k1]), content);
            rest = behind;
        }
        Some(handshake)
    }

    fn extension(&mut self, kind: u16, content: &[u8]) {
        match kind {
            1 => self.request = Settings::read(content),
            2 => self.response = Settings::read(content),
            3 | 4 => self.has_key = true,
            5 => {
                // Each word is the other way around.
                let content = content.get(..MAX_STREAM_ID).unwrap_or(content);
                let (words, _) = content.as_chunks::<4>();
                let bytes: Vec<_> =
                    words.iter().flat_map(|[a, b, c, d]| [*d, *c, *b, *a]).collect();
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                self.stream_id = Some(text(bytes.get(..end).unwrap_or_default()));
            }
            _ => {}
        }
    }

    /// Whether no other protocol has it.
    pub(super) fn is_of_srt(&self) -> bool {
        self.version == 5
            && match self.phase {
                Phase::Induction => self.extension == MAGIC,
                Phase::Conclusion => true,
                Phase::WaveAHand | Phase::Agreement | Phase::Rejection(_) => false,
            }
    }
}

impl Settings {
    fn read(content: &[u8]) -> Option<Self> {
        let [_, major, minor, patch, _, _, _, _, r0, r1, s0, s1, ..] = *content else {
            return None;
        };
        let version = (major, minor, patch);
        let receiver_ms = u16::from_be_bytes([r0, r1]);
        Some(Self { version, receiver_ms, sender_ms: u16::from_be_bytes([s0, s1]) })
    }
}

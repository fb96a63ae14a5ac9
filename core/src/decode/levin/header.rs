//! The header of a message, and how long bodies may be (`levin_base.h`, `cryptonote_config.h`).

/// Begins each header.
pub const SIGNATURE: [u8; 8] = [0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01];
/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 33;

const REQUEST: u32 = 1;
const RESPONSE: u32 = 2;
const BEGIN: u32 = 4;
const END: u32 = 8;

/// `LEVIN_PROTOCOL_VER_1`, the only one.
const VERSION: u32 = 1;
/// Longest body before the handshake, bytes (`LEVIN_INITIAL_MAX_PACKET_SIZE`).
const MAX_FIRST_BODY: u64 = 256 * 1024;
/// Longest body after it, bytes (`LEVIN_DEFAULT_MAX_PACKET_SIZE`); commands without a limit of their own.
const MAX_BODY: u64 = 100_000_000;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// Longest body, bytes.
    max_body: u64,
}

const fn command(number: u32, name: &'static str, max_body: u64) -> Command {
    Command { number, name, max_body }
}

pub(super) const HANDSHAKE: u32 = 1001;
pub(super) const TIMED_SYNC: u32 = 1002;
pub(super) const PING: u32 = 1003;
pub(super) const SUPPORT_FLAGS: u32 = 1007;
pub(super) const NEW_BLOCK: u32 = 2001;
pub(super) const REQUEST_OBJECTS: u32 = 2003;
pub(super) const OBJECTS: u32 = 2004;
pub(super) const REQUEST_CHAIN: u32 = 2006;
pub(super) const CHAIN: u32 = 2007;
pub(super) const NEW_FLUFFY_BLOCK: u32 = 2008;

/// The commands of a node, with the limits it has for their bodies.
pub(super) const COMMANDS: [Command; 13] = [
    command(HANDSHAKE, "handshake", 65_536),
    command(TIMED_SYNC, "timed_sync", 65_536),
    command(PING, "ping", 4096),
    command(SUPPORT_FLAGS, "support_flags", 4096),
    command(NEW_BLOCK, "new_block", 128 << 20),
    command(2002, "new_transactions", 128 << 20),
    command(REQUEST_OBJECTS, "request_objects", 2 << 20),
    command(OBJECTS, "objects", 128 << 20),
    command(REQUEST_CHAIN, "request_chain", 512 << 10),
    command(CHAIN, "chain", 4 << 20),
    command(NEW_FLUFFY_BLOCK, "new_fluffy_block", 4 << 20),
    command(2009, "request_missing_transactions", 1 << 20),
    command(2010, "pool_complement", 4 << 20),
];

/// A header without its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the body.
    pub(super) length: u64,
    pub(super) command: u32,
    pub(super) return_code: i32,
    flags: u32,
    version: u32,
}

impl Header {
    /// Reads a header; `None` if it does not begin with the signature.
    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let rest = bytes.strip_prefix(&SIGNATURE)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (_expects_response, rest) = rest.split_first()?;
        let (command, rest) = rest.split_first_chunk()?;
        let (return_code, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        Some(Self {
            length: u64::from_le_bytes(*length),
            command: u32::from_le_bytes(*command),
            return_code: i32::from_le_bytes(*return_code),
            flags: u32::from_le_bytes(*flags),
            version: u32::from_le_bytes(*rest.first_chunk()?),
        })
    }

    /// Whether a node accepts it: `is_first` is before the handshake.
    pub(super) fn is_valid(&self, is_first: bool) -> bool {
        let known = COMMANDS.iter().find(|command| command.number == self.command);
        let max = match known {
            _ if is_first => MAX_FIRST_BODY,
            Some(command) if !self.is_fragment() => command.max_body,
            _ => MAX_BODY,
        };
        self.version == VERSION && self.flags & !15 == 0 && self.flags != 0 && self.length <= max
    }

    pub(super) fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }

    /// Whether the body is a part of a message, or nothing.
    pub(super) fn is_fragment(&self) -> bool {
        self.flags & (REQUEST | RESPONSE) == 0
    }

    pub(super) fn begins_fragments(&self) -> bool {
        self.is_fragment() && self.flags & (BEGIN | END) == BEGIN
    }

    pub(super) fn ends_fragments(&self) -> bool {
        self.is_fragment() && self.flags & END != 0
    }
}

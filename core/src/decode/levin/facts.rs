//! What the body of a message states, for the few values that are shown.

use super::epee::{Entry, Malformed, Reader, Value};
use super::header::{
    CHAIN, HANDSHAKE, NEW_BLOCK, NEW_FLUFFY_BLOCK, OBJECTS, PING, REQUEST_OBJECTS, SUPPORT_FLAGS,
    TIMED_SYNC,
};

/// Names of the values that are read, and of the sections they are in.
const NAMES: &[&str] = &[
    "node_data",
    "payload_data",
    "peer_id",
    "my_port",
    "rpc_port",
    "rpc_credits_per_hash",
    "support_flags",
    "network_id",
    "current_height",
    "top_id",
    "top_version",
    "pruning_seed",
    "total_height",
    "start_height",
    "m_block_ids",
    "blocks",
];

/// The end of a body whose last entry is `current_blockchain_height`: name, type, value. Blocks before
/// it are not read. `missed_ids`, which few answers have, would follow.
const HEIGHT_ENTRY: &[u8] = b"\x19current_blockchain_height\x05";
/// Bytes of that end.
const TAIL_BYTES: usize = HEIGHT_ENTRY.len() + 8;
/// Bytes of a block id.
const ID_BYTES: u64 = 32;

/// An id of a block.
pub(super) type BlockId = [u8; 32];

/// What a body states. Values that a node omits because they are 0 are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Of a handshake.
    pub(super) node: Option<NodeData>,
    /// Of a handshake or timed sync.
    pub(super) sync: Option<SyncData>,
    /// Of an answer to a ping or for support flags.
    pub(super) peer_id: Option<u64>,
    pub(super) support_flags: Option<u64>,
    /// Of a chain.
    pub(super) total_height: Option<u64>,
    pub(super) start_height: Option<u64>,
    /// How many ids a chain, or a request for objects, has, and the last one.
    pub(super) ids: u64,
    pub(super) last_id: Option<BlockId>,
    /// The height that comes with blocks.
    pub(super) blockchain_height: Option<u64>,
}

/// `basic_node_data`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NodeData {
    pub(super) network_id: [u8; 16],
    pub(super) peer_id: u64,
    pub(super) port: u64,
    pub(super) rpc_port: u64,
    pub(super) rpc_credits_per_hash: u64,
    pub(super) support_flags: u64,
}

/// `CORE_SYNC_DATA`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SyncData {
    pub(super) height: u64,
    pub(super) top_id: BlockId,
    pub(super) top_version: u64,
    pub(super) pruning_seed: u64,
}

/// Reads a body as it comes.
#[derive(Debug)]
pub(super) enum Body {
    /// Of no interest.
    Ignored,
    /// Only its end is read.
    Tail(Tail),
    Storage(Box<Storage>),
    /// Bytes are missing, or it is malformed.
    Broken,
}

#[derive(Debug)]
pub(super) struct Storage {
    reader: Reader,
    facts: Facts,
}

#[derive(Debug)]
pub(super) struct Tail {
    bytes: [u8; TAIL_BYTES],
    length: usize,
}

impl Body {
    /// For a body of this command.
    pub(super) fn new(command: u32) -> Self {
        match command {
            HANDSHAKE | TIMED_SYNC | PING | SUPPORT_FLAGS | REQUEST_OBJECTS | CHAIN => {
                let storage = Storage { reader: Reader::new(NAMES), facts: Facts::default() };
                Self::Storage(Box::new(storage))
            }
            NEW_BLOCK | NEW_FLUFFY_BLOCK | OBJECTS => {
                Self::Tail(Tail { bytes: [0; TAIL_BYTES], length: 0 })
            }
            _ => Self::Ignored,
        }
    }

    /// Reads the bytes that follow.
    ///
    /// # Errors
    /// [`Malformed`] the first time that the storage is; then the rest is ignored.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        match self {
            Self::Ignored | Self::Broken => {}
            Self::Tail(tail) => tail.add(bytes),
            Self::Storage(storage) => {
                let Storage { reader, facts } = storage.as_mut();
                let result = reader.read(bytes, &mut |entry| facts.add(entry));
                if result.is_err() {
                    *self = Self::Broken;
                }
                return result;
            }
        }
        Ok(())
    }

    /// How many of the next bytes are of no interest, of `left` that the body still has.
    pub(super) fn skippable(&self, left: u64) -> u64 {
        match self {
            Self::Ignored | Self::Broken => left,
            Self::Tail(_) => left.saturating_sub(TAIL_BYTES as u64),
            Self::Storage(storage) => storage.reader.skippable().min(left),
        }
    }

    /// Passes over bytes, at most [`Self::skippable`].
    pub(super) fn skip(&mut self, bytes: u64) {
        match self {
            Self::Ignored | Self::Broken => {}
            Self::Tail(tail) => tail.length = 0,
            Self::Storage(storage) => storage.reader.skip(bytes),
        }
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self) {
        match self {
            Self::Ignored | Self::Broken => {}
            Self::Tail(tail) => tail.length = 0,
            Self::Storage(_) => *self = Self::Broken,
        }
    }

    /// What it states, at its end; `None` if it is not complete.
    pub(super) fn facts(self, command: u32) -> Option<Facts> {
        match self {
            Self::Ignored => Some(Facts::default()),
            Self::Broken => None,
            Self::Tail(tail) => {
                Some(Facts { blockchain_height: tail.height(), ..Facts::default() })
            }
            Self::Storage(storage) => {
                let is_done = storage.reader.is_done();
                let mut facts = storage.facts;
                facts.keep_those_of(command);
                is_done.then_some(facts)
            }
        }
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        if matches!(self, Self::Storage(_)) { size_of::<Storage>() } else { 0 }
    }
}

impl Facts {
    fn add(&mut self, entry: Entry<'_>) {
        let Entry { section, name, value } = entry;
        match value {
            Value::Unsigned(number) => self.add_number(section, name, number),
            Value::Text { length, head, tail } => match (section, name) {
                (Some("node_data"), "network_id") => {
                    let id = head.first_chunk().filter(|_| length == 16);
                    self.node().network_id = id.copied().unwrap_or_default();
                }
                (Some("payload_data"), "top_id") => {
                    let id = head.first_chunk().filter(|_| length == ID_BYTES);
                    self.sync().top_id = id.copied().unwrap_or_default();
                }
                (None, "m_block_ids" | "blocks") => {
                    self.ids = length / ID_BYTES;
                    self.last_id = tail.last_chunk().copied();
                }
                _ => {}
            },
        }
    }

    fn add_number(&mut self, section: Option<&str>, name: &str, number: u64) {
        match (section, name) {
            (Some("node_data"), "peer_id") => self.node().peer_id = number,
            (Some("node_data"), "my_port") => self.node().port = number,
            (Some("node_data"), "rpc_port") => self.node().rpc_port = number,
            (Some("node_data"), "rpc_credits_per_hash") => {
                self.node().rpc_credits_per_hash = number;
            }
            (Some("node_data"), "support_flags") => self.node().support_flags = number,
            (Some("payload_data"), "current_height") => self.sync().height = number,
            (Some("payload_data"), "top_version") => self.sync().top_version = number,
            (Some("payload_data"), "pruning_seed") => self.sync().pruning_seed = number,
            (None, "peer_id") => self.peer_id = Some(number),
            (None, "support_flags") => self.support_flags = Some(number),
            (None, "total_height") => self.total_height = Some(number),
            (None, "start_height") => self.start_height = Some(number),
            _ => {}
        }
    }

    fn node(&mut self) -> &mut NodeData {
        self.node.get_or_insert_default()
    }

    fn sync(&mut self) -> &mut SyncData {
        self.sync.get_or_insert_default()
    }

    /// Removes what a body of this command has no place for.
    fn keep_those_of(&mut self, command: u32) {
        if command != HANDSHAKE {
            self.node = None;
        }
        if command != HANDSHAKE && command != TIMED_SYNC {
            self.sync = None;
        }
        if command != PING {
            self.peer_id = None;
        }
        if command != SUPPORT_FLAGS {
            self.support_flags = None;
        }
    }
}

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        let new = bytes.len().min(TAIL_BYTES);
        let kept = self.length.min(TAIL_BYTES - new);
        self.bytes.copy_within(self.length - kept..self.length, 0);
        let last = bytes.get(bytes.len() - new..).unwrap_or_default();
        self.bytes.iter_mut().skip(kept).zip(last).for_each(|(to, from)| *to = *from);
        self.length = kept + new;
    }

    fn height(&self) -> Option<u64> {
        let bytes = self.bytes.get(..self.length)?;
        let height = bytes.strip_prefix(HEIGHT_ENTRY)?;
        Some(u64::from_le_bytes(height.try_into().ok()?))
    }
}

//! The messages of a transfer as bytes.
//!
//! A frame of the control stream is its type, the length of its fields, and the fields; integers are those of QUIC
//! (RFC 9000, section 16). Both sides send [`Frame::Hello`] first, and its version decides which frames follow. A chunk stream is a
//! [`ChunkHeader`] and as many bytes of the file as it states.
//!
//! ```text
//! frame        = type (integer) length (integer) fields
//! Hello        = 0  version, launch id (16 bytes), server uid (16 bytes)
//! Offer        = 1  transfer, path (length, bytes), file bytes, mode, seconds (8 bytes), nanoseconds, hash (0, or 32 and bytes)
//! Accepted     = 2  transfer, ranges (distance, length, ...)
//! Durable      = 3  transfer, ranges (distance, length, ...)
//! Done         = 4  transfer, hash (32 bytes)
//! Committed    = 5  transfer
//! Failed       = 6  transfer, code, text (length, bytes)
//! Pause        = 7  transfer
//! Resume       = 8  transfer
//! RateLimit    = 9  bytes per second
//! chunk header = transfer, offset, length, hash (32 bytes)
//! ```

mod decode;
mod encode;
mod error;

use crate::names::RelativePath;
use crate::ranges::Ranges;
use crate::rate::BytesPerSecond;
use crate::tree::Hash;

pub use error::{Fault, FrameError};

/// Version of the frames in this file.
pub const VERSION: u64 = 1;
/// Bytes of the fields of a frame: as many as the most ranges need.
pub const MAX_FRAME_BYTES: usize = (1 << 20) + 64;
/// Bytes of a [`ChunkHeader`] at most.
pub const MAX_CHUNK_HEADER_BYTES: usize = 3 * 8 + 32;
/// Bytes of the text of a failure; a longer one is cut when it is sent.
pub const MAX_TEXT_BYTES: usize = 1024;
/// The bits of [`Offer::mode`]: permissions, set-user-ID, set-group-ID and sticky.
pub const MODE_BITS: u32 = 0o7777;

/// Identifies a transfer in both directions of a connection; the sender chooses it. Below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u64);

/// A message of the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of each side.
    Hello(Hello),
    /// The sender has a file.
    Offer(Offer),
    /// The receiver accepts a file, and has these bytes of it from before.
    Accepted(TransferId, Ranges),
    /// These bytes of a file became durable since the last frame.
    Durable(TransferId, Ranges),
    /// The sender has sent all of a file with this hash.
    Done(TransferId, Hash),
    /// The file stands under its name, durable and verified.
    Committed(TransferId),
    /// A transfer failed, on either side.
    Failed(TransferId, Failure),
    /// The receiver should expect no chunks for now.
    Pause(TransferId),
    /// Chunks follow again.
    Resume(TransferId),
    /// The receiver allows this rate to the connection.
    RateLimit(BytesPerSecond),
}

/// Which frames a side understands, and who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The greatest version that the side understands; see [`VERSION`].
    pub version: u64,
    /// Changes with each start of the server.
    pub launch_id: [u8; 16],
    /// Stays the same.
    pub server_uid: [u8; 16],
}

/// A file that a sender has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The transfer.
    pub transfer: TransferId,
    /// Where the receiver writes it, below its folder.
    pub path: RelativePath,
    /// Length of the file.
    pub bytes: u64,
    /// Permissions, within [`MODE_BITS`].
    pub mode: u32,
    /// When the file was modified.
    pub modified: Modified,
    /// Hash of the file, if it is known already.
    pub hash: Option<Hash>,
}

/// Time since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// The rest, below 10^9.
    pub nanoseconds: u32,
}

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The cause, as a program reads it.
    pub code: FailureCode,
    /// The cause, as a person reads it; at most [`MAX_TEXT_BYTES`].
    pub text: String,
}

/// Causes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The source is missing or cannot be read.
    SourceUnreadable,
    /// The source changed while it was sent.
    SourceChanged,
    /// The path is refused.
    PathRefused,
    /// The target exists and must not be replaced.
    TargetExists,
    /// The target cannot be written.
    TargetUnwritable,
    /// The disk of the target is full.
    NoSpace,
    /// The hash of the received file differs.
    HashDiffers,
    /// A user cancelled the transfer.
    Cancelled,
    /// A cause of a later version.
    Other(u64),
}

/// What a chunk stream begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// The transfer.
    pub transfer: TransferId,
    /// Where the chunk begins in the file.
    pub offset: u64,
    /// Bytes of the chunk, 1 to [`crate::tree::CHUNK_BYTES`], or 0 of an empty file.
    pub length: u64,
    /// Hash of the chunk, so that a wrong one is named; see [`crate::tree`].
    pub hash: Hash,
}

impl FailureCode {
    const NUMBERED: [(u64, Self); 8] = [
        (1, Self::SourceUnreadable),
        (2, Self::SourceChanged),
        (3, Self::PathRefused),
        (4, Self::TargetExists),
        (5, Self::TargetUnwritable),
        (6, Self::NoSpace),
        (7, Self::HashDiffers),
        (8, Self::Cancelled),
    ];

    /// The code of a number in a frame.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let found = Self::NUMBERED.iter().find(|(of, _)| *of == number);
        found.map_or(Self::Other(number), |(_, code)| *code)
    }

    /// The number in a frame.
    #[must_use]
    pub fn number(self) -> u64 {
        if let Self::Other(number) = self {
            return number;
        }
        Self::NUMBERED.iter().find(|(_, code)| *code == self).map_or(0, |(number, _)| *number)
    }
}

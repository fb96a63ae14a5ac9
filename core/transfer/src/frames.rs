//! The messages of a transfer as bytes.
//!
//! A frame of the control stream is its type, the length of its fields, and the fields; integers are those of QUIC
//! (RFC 9000, section 16). Both sides send [`Frame::Hello`] first, and its version decides which frames follow. Each
//! unidirectional stream begins with a [`StreamHeader`].
//!
//! ```text
//! frame          = type (integer) length (integer) fields
//! Hello          = 0   version, launch id (16 bytes), server uid (16 bytes)
//! Offer          = 1   transfer, uid (16 bytes), manifest hash (32 bytes), manifest bytes, overwrite (0 never, 1 same, 2 always),
//!                      manifest follows (0 or 1), priority (8 bytes)
//! ManifestWanted = 2   transfer
//! Accepted       = 3   transfer, chunks (distance, length, ...)
//! Durable        = 4   transfer, chunks (distance, length, ...)
//! Resend         = 5   transfer, chunks (distance, length, ...)
//! Committed      = 6   transfer
//! Failed         = 7   transfer, code, text (length, bytes)
//! Withdraw       = 8   uid (16 bytes)
//! Withdrawn      = 9   uid (16 bytes)
//! RateLimit      = 10  bytes per second
//!
//! stream         = type (integer) fields content
//! Manifest       = 0   transfer, bytes                                                     the encoded manifest
//! Chunk          = 1   transfer, chunk, bytes, content (0 data, 1 zeros), hash (32 bytes)  the bytes of the chunk, or nothing
//! Roots          = 2   transfer                                                            32 bytes per long file
//! ```

mod decode;
mod encode;
mod error;
mod failure;
pub(crate) mod fields;
mod stream;
mod types;

use crate::encoding::numbered;
use crate::ranges::Ranges;
use crate::rate::BytesPerSecond;
use crate::tree::Hash;

pub use crate::manifest::{MODE_BITS, Modified};
pub use error::{Fault, FrameError};
pub use failure::{Failure, FailureCode};
pub use stream::{ChunkHeader, Content, MAX_STREAM_HEADER_BYTES, StreamHeader};

/// Version of the frames in this file.
pub const VERSION: u64 = 1;
/// Bytes of the fields of a frame: as many as the most ranges need.
pub const MAX_FRAME_BYTES: usize = (1 << 20) + 64;
/// Bytes of the text of a failure; a longer one is cut when it is sent.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Identifies a transfer in both directions of a connection; the sender chooses it. Below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u64);

/// Identifies a transfer across connections and restarts; the sender chooses it at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferUid(pub [u8; 16]);

/// A message of the control stream. Ranges count chunks by their index; see [`crate::chunks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of each side.
    Hello(Hello),
    /// The sender has files.
    Offer(Offer),
    /// The receiver lacks the manifest of an offer, and asks for it.
    ManifestWanted(TransferId),
    /// The receiver accepts a transfer, and has these chunks from before.
    Accepted(TransferId, Ranges),
    /// These chunks became durable since the last frame.
    Durable(TransferId, Ranges),
    /// The sender should send these chunks again, since the receiver lost them or their hash differs.
    Resend(TransferId, Ranges),
    /// All files stand under their names, durable and verified.
    Committed(TransferId),
    /// A transfer failed, on either side.
    Failed(TransferId, Failure),
    /// The sender withdraws a transfer; the receiver removes what it has of it.
    Withdraw(TransferUid),
    /// The receiver has nothing of a transfer any more.
    Withdrawn(TransferUid),
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

/// Files that a sender has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The transfer, in this connection.
    pub transfer: TransferId,
    /// The transfer, in each connection.
    pub uid: TransferUid,
    /// Hash of the manifest.
    pub manifest: Hash,
    /// Bytes of the encoded manifest, at most [`crate::manifest::MAX_MANIFEST_BYTES`].
    pub manifest_bytes: u64,
    /// Which existing files are replaced.
    pub overwrite: Overwrite,
    /// Whether the sender sends the manifest without [`Frame::ManifestWanted`].
    pub manifest_follows: bool,
    /// The lower number runs first.
    pub priority: i64,
}

numbered! {
    /// Which existing files of a receiver are replaced.
    #[derive(Default)]
    pub enum Overwrite {
        /// None.
        #[default]
        Never = 0,
        /// A file of the same length, and an empty one.
        Same = 1,
        /// Each.
        Always = 2,
    }
}

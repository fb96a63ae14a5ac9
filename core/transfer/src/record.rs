//! What a transfer service reports and which parameters its calls have, as plain data.
//!
//! The names in JSON are those of the JetStream API (gojetstream.io, "structures"); the names in Rust carry the units.
//! Rates in kbit/s count 1000 bits. Times are microseconds since 1970-01-01 UTC. `docs/dialects/jetstream.md` lists which
//! fields are JetStream's and which are additions.

mod bytes;
mod destination;
mod manifest;
mod overwrite;
mod receive;
mod server;
mod transfer;
mod words;

pub use crate::frames::Overwrite;
pub use bytes::HexBytes;
pub use destination::{DEFAULT_PORT, Destination, NewDestination, ParameterError, RateChange};
pub use manifest::{
    ManifestFile, ManifestFiles, ManifestRecord, ManifestStatus, Mapping, NewManifest,
};
pub use receive::{ReceiveStatus, ReceiveTransfer, Source};
pub use server::{BandwidthLimits, LimitsChange, MIN_CIPHER_ENCRYPTED_128, Receiver, ServerFacts};
pub use transfer::{DEFAULT_PRIORITY, NewTransfer, TransferRecord, TransferStatus};
pub use words::Word;

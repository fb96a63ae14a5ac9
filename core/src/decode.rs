//! Application protocols: each is declared once, with its fields and how it is recognised and decoded.
//! From the declaration its fields appear in filters, columns, sorting, JSON, CSV, the API's schemas
//! and the field reference.
//!
//! A protocol adds a folder here and a line in `BUILT_IN`. [`Streams`] drives them: it gets what a
//! source sees of each connection, and holds every bound.

pub mod assembly;
mod budget;
mod decoder;
mod levin;
mod recognition;
mod side;
mod ssh;
mod stream;
mod streams;
mod tls;

pub use budget::DecodeCounts;
pub use decoder::{Decoder, Ends, Inner, Opening, Prefix, Probe, StreamProtocol};
pub use levin::{LEVIN, SIGNATURE as LEVIN_SIGNATURE};
pub use recognition::MAX_PREFIX_BYTES;
pub use side::{BothSides, Side, Want};
pub use streams::{Limits, MAX_STREAMS, MAX_TOTAL_MEMORY, Steering, Streams};

use std::sync::OnceLock;

use crate::model::FieldSpec;

/// The declaration of a protocol.
#[derive(Debug)]
pub struct ProtocolSpec {
    /// Its name in lower case, as in `app == levin`, and the prefix of its fields.
    pub name: &'static str,
    /// What it is, in a phrase.
    pub meaning: &'static str,
    /// Its fields, in the order of [`Layer::values`](crate::model::Layer::values). Their names are
    /// qualified: `levin.height`.
    pub fields: &'static [FieldSpec],
    /// How it is recognised and decoded over TCP; `None` if it is only reported.
    pub stream: Option<StreamProtocol>,
}

/// The protocols of this crate.
const BUILT_IN: &[&ProtocolSpec] = &[&levin::LEVIN, &tls::TLS, &ssh::SSH];

static EXTRA: OnceLock<&'static [&'static ProtocolSpec]> = OnceLock::new();

/// Registers protocols that are declared outside of this crate.
///
/// # Errors
/// [`AlreadyRead`] if the registry was read, or extended, before: the catalogue of fields is made
/// once.
pub fn register(protocols: &'static [&'static ProtocolSpec]) -> Result<(), AlreadyRead> {
    EXTRA.set(protocols).map_err(|_| AlreadyRead)
}

/// The registry is fixed once it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot register protocols: the registry was read or extended before")]
pub struct AlreadyRead;

/// Every protocol.
pub fn registry() -> impl Iterator<Item = &'static ProtocolSpec> {
    let extra = EXTRA.get_or_init(|| &[]);
    BUILT_IN.iter().chain(extra.iter()).copied()
}

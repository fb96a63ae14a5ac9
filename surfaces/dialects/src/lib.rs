//! Dialects: compatibility APIs in the formats of other vendors' tools, answered from snapshots.
//!
//! One module per vendor, independent of the others. A dialect only translates; its page in
//! `docs/dialects/` lists the facts its format has no place for.

mod cache;
pub mod ems;
pub mod jetstream;
pub mod monero;
pub mod one_e;
mod shell;

pub use cache::ResponseCache;
pub use shell::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, Pieces};

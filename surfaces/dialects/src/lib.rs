//! The shapes other vendors' tools ask for, answered from the same snapshot as everything else.
//!
//! One room for each vendor; the rooms do not know each other. A dialect translates and judges
//! nothing: what it cannot say in its own shape, its page in `docs/dialects/` says.

mod cache;
pub mod ems;
pub mod jetstream;
pub mod monero;
pub mod one_e;
mod shell;

pub use cache::ResponseCache;
pub use shell::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, Pieces};

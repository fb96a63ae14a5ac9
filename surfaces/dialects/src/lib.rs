//! The dialects: compatibility APIs in the shapes that tools of other vendors request, answered from
//! the same snapshot as everything else.
//!
//! Invariant: one module for each vendor, and none depends on another. What a shape cannot express is
//! on its page in `docs/dialects/`.

mod cache;
pub mod ems;
pub mod jetstream;
pub mod monero;
pub mod one_e;
mod shell;

pub use cache::ResponseCache;
pub use shell::{BodyChunks, HttpDialect, HttpOutcome, LineDialect, LineOutcome};

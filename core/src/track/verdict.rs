//! The rule that names what limits a connection, from the evidence the kernel keeps.
//!
//! Limits are shares of time: over a window they are certain, over a connection's lifetime they only
//! hint, and the confidence is lower.

mod evidence;
mod judge;

pub(super) use evidence::{evidence_of_life, evidence_of_window};
pub use judge::{judge, judge_closed};

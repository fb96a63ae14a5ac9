//! Observations become connections over time: joined with their holders, their direction, their
//! rates and the verdict.
//!
//! The one idea: a [`Tracker`] is told observations and answers with a [`Snapshot`]; two trackers
//! told the same answer the same.
//!
//! [`Snapshot`]: crate::model::Snapshot

mod direction;
mod join;
mod life;
mod sample;
mod slots;
mod tracker;
mod verdict;

pub use tracker::{Memory, Tracker};
pub use verdict::{Basis, Class, Evidence, Verdict};

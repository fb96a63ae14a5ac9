//! Observations become connections over time: joined with their holders, their direction, their
//! rates and the verdict.
//!
//! The one idea: a [`Tracker`] is told observations and answers with a [`Snapshot`]; two trackers
//! told the same answer the same. What it is told between looks, it answers with [`Event`]s.
//!
//! [`Snapshot`]: crate::model::Snapshot
//! [`Event`]: crate::model::Event

mod course;
mod direction;
mod join;
mod sample;
mod slots;
mod stats;
mod tracker;
mod verdict;

pub use tracker::{Removed, Retention, Tracker};

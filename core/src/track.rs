//! Observations become connections over time: joined with their owners, their direction, their rates
//! and the verdict.
//!
//! A [`Tracker`] turns observations into a [`Snapshot`], and the events between them into [`Event`]s.
//! Invariant: two trackers with the same input have the same output.
//!
//! [`Snapshot`]: crate::model::Snapshot
//! [`Event`]: crate::model::Event

mod applications;
mod assemble;
mod counters;
mod direction;
mod event;
mod gauges;
mod history;
mod lifecycle;
mod listeners;
mod owners;
mod pending;
mod precedence;
mod shown;
mod slab;
mod stats;
mod tracker;
mod verdict;
mod window;

pub use owners::kernel_owner;
pub use precedence::{FieldGroup, PRECEDENCE, outranks};
pub use tracker::{Removed, Retention, Tracker, TrackerBounds};
pub use verdict::{judge, judge_closed};

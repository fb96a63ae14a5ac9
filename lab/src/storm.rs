//! A storm: very many TCP connections, each over within a millisecond or so, and an exact record of both ends of each.
//!
//! Invariant: a connection's number decides all it does (`schedule`), so that both ends agree without messages, and each
//! process records what it did (`record`). Nothing is estimated.
//!
//! This is no benchmark of the machine: clients start a connection when it is due, and report the rate they reached.

mod kept;
mod proof;
mod record;
mod reported;
mod run;
mod schedule;
mod standalone;
mod truth;
mod watch;

pub use proof::{Proof, Sampler};
pub use record::{End, Side, read_ends, write_ends};
pub use reported::{FIELDS, Lost, Reported};
pub use run::{Done, Options, Storm, process_name};
pub use schedule::{Number, PROCESSES};
pub use standalone::Standalone;
pub use truth::{Report, Truth};
pub use watch::{Local, Served};

//! A storm: very many TCP connections, each over within a millisecond or so, and an exact record of both ends of each.
//!
//! The one idea: all of a connection but the port its kernel chose follows from its number (`law`), so both ends know what
//! the other does without asking, and what they did is written down by those who did it (`record`). Nothing is estimated.
//!
//! This is no benchmark of the machine: clients start a connection when its time has come, and say what rate that came to.

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

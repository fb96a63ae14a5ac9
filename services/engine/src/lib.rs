//! Chooses the sources, takes samples of the machine, and publishes each as an immutable snapshot,
//! and the events in between as they come.

mod abilities;
mod choice;
mod closed;
mod cost;
mod daemons;
mod differences;
mod engine;
mod event_buffer;
mod event_drain;
mod file;
#[cfg(test)]
#[path = "../tests/fixture/sources.rs"]
mod fixture;
mod follow;
mod heap;
mod machine;
mod memory;
mod no_table;
mod numbers;
mod owners;
mod peers;
mod reading;
mod sampler;
mod sources;
#[cfg(target_os = "linux")]
mod table_size;
mod tap;
mod transfers;
#[cfg(target_os = "linux")]
mod written_files;

pub use choice::{Choice, Purpose};
pub use cost::{cost_of, of_process};
pub use engine::Engine;
pub use file::FileEngine;
pub use follow::{EventBatch, Follower};
pub use heap::{MemoryReturn, give_back_soon, share_heap};
pub use memory::{MemoryBounds, memory_limit};
pub use sampler::{MIN_INTERVAL, Sampler};
pub use sources::{ListenCounterSource, ProcessSource, Sources};
pub use transfers::{ReadLosses, ReadTransfers, ReportedTransfer};

//! Our own programs in the kernel: tables at the kernel's speed, every descriptor of every process,
//! and what happens to connections at the moment it happens.

use std::io;
use std::time::Duration;

use conns_contract::{
    DescriptorSource, Descriptors, EventSource, Scope, SocketSource, SourceError, Task,
};
use conns_core::model::{Ability, Moment, Observation};

/// Which parts are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The socket tables.
    pub tables: bool,
    /// The descriptors of all processes.
    pub descriptors: bool,
    /// What happens to connections.
    pub events: bool,
    /// The peers of UDP sockets; told with the tables.
    pub flows: bool,
}

/// What works here.
#[derive(Default)]
pub struct Opened {
    /// The socket tables, of all network namespaces.
    pub tables: Option<Tables>,
    /// The descriptors of all processes.
    pub descriptors: Option<ProcessDescriptors>,
    /// What happens to connections.
    pub events: Option<Events>,
    /// What was tried, and why it does not work where it does not.
    pub abilities: Vec<Ability>,
}

/// Tries to load what is wanted, once.
#[must_use]
pub fn open(_wanted: Wanted) -> Opened {
    Opened::default()
}

/// The source of socket rows.
pub struct Tables;

impl SocketSource for Tables {
    fn observe(&mut self, _scope: &Scope, _now: Moment) -> Result<Observation, SourceError> {
        todo!()
    }
}

/// The source of descriptors.
pub struct ProcessDescriptors;

impl DescriptorSource for ProcessDescriptors {
    fn observe(&mut self) -> Result<Descriptors, SourceError> {
        todo!()
    }

    fn follow(&mut self, _tasks: &[Task]) {}

    fn changes(&mut self) -> Option<u64> {
        None
    }
}

/// The source of events.
pub struct Events;

impl EventSource for Events {
    fn observe(&mut self, _now: Moment) -> Observation {
        todo!()
    }

    fn wait(&mut self, _at_most: Duration) -> io::Result<()> {
        Ok(())
    }
}

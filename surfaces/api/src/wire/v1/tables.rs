//! Namespaces and processes, which are written once, and their places in the tables.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{Connection, Netns, OpenFile, Process};

use super::super::opener_of;
use super::frame::Writer;
use super::process;

/// Namespaces and processes of the connections of one answer.
#[derive(Default)]
pub(super) struct Tables<'a> {
    namespaces: Vec<&'a Netns>,
    processes: Vec<&'a Process>,
    /// The place of a namespace in its table, by its inode.
    places_of_namespaces: HashMap<u64, u32>,
    /// The place of a process in its table, by its address in memory.
    places_of_processes: HashMap<usize, u32>,
}

impl<'a> Tables<'a> {
    pub(super) fn add_connection(&mut self, connection: &'a Connection) {
        let netns = &connection.socket.netns;
        self.places_of_namespaces.entry(netns.inode).or_insert_with(|| {
            self.namespaces.push(netns);
            place_of_last(self.namespaces.len())
        });
        let owners = connection.listed_owners().iter().map(|owner| &owner.process);
        for process in owners.chain(opener_of(connection)) {
            self.add_process(process);
        }
    }

    pub(super) fn add_file(&mut self, file: &'a OpenFile) {
        if let Some(owner) = file.owner.value() {
            self.add_process(owner);
        }
    }

    fn add_process(&mut self, process: &'a Arc<Process>) {
        self.places_of_processes.entry(address(process)).or_insert_with(|| {
            self.processes.push(process);
            place_of_last(self.processes.len())
        });
    }

    pub(super) fn write(&self, writer: &mut Writer) -> postcard::Result<()> {
        writer.list(self.namespaces.iter().map(|netns| Ok(process::Netns::from(*netns))))?;
        writer.list(self.processes.iter().map(|of| Ok(process::Process::from(*of))))
    }

    /// The place of a namespace that was added.
    pub(super) fn place_of_netns(&self, netns: &Netns) -> u32 {
        self.places_of_namespaces.get(&netns.inode).copied().unwrap_or(0)
    }

    /// The place of a process that was added.
    pub(super) fn place_of(&self, process: &Arc<Process>) -> u32 {
        self.places_of_processes.get(&address(process)).copied().unwrap_or(0)
    }
}

fn place_of_last(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).saturating_sub(1)
}

fn address(shared: &Arc<Process>) -> usize {
    Arc::as_ptr(shared).addr()
}

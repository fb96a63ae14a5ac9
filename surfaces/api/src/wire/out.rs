//! Bytes of an answer while it is written: connections that name processes and namespaces by their
//! places in tables, and those tables.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{Connection, Event, Loss, Netns, Opened, Process, Socket, SocketId};
use serde::Serialize;

use super::events::EventsHead;
use super::{Bare, BareOpening, FORMAT, Head, Hold, Holds, holders_of, opener_of};

/// About so many bytes a connection takes: `tcp_info` is 280 of them.
pub(super) const CONNECTION_BYTES: usize = 480;

/// What is written of the answer so far.
pub(super) struct Out(Vec<u8>);

impl Out {
    /// Nothing yet, and room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// All that was written.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes a snapshot, or what changed.
    pub(super) fn update(
        &mut self,
        head: &Head,
        connections: &[&Connection],
        gone: &[SocketId],
        losses: &[Loss],
    ) -> postcard::Result<()> {
        self.begin(head)?;
        let tables = self.tables(connections)?;
        self.item(&connections.len())?;
        for connection in connections {
            self.connection(connection, &tables)?;
        }
        self.list(gone)?;
        self.list(losses)
    }

    /// Writes what happened.
    pub(super) fn events(
        &mut self,
        head: &EventsHead,
        events: &[&Arc<Event>],
        losses: &[Loss],
        counted: &[Loss],
    ) -> postcard::Result<()> {
        self.begin(head)?;
        let connections: Vec<&Connection> = events.iter().map(|event| &event.connection).collect();
        let tables = self.tables(&connections)?;
        self.item(&events.len())?;
        for event in events {
            self.item(&(event.serial, event.at, event.kind))?;
            self.connection(&event.connection, &tables)?;
        }
        self.list(losses)?;
        self.list(counted)
    }

    fn begin(&mut self, head: &impl Serialize) -> postcard::Result<()> {
        self.item(&FORMAT)?;
        self.item(&cfg!(target_endian = "little"))?;
        self.item(head)
    }

    fn tables<'a>(&mut self, connections: &[&'a Connection]) -> postcard::Result<Tables<'a>> {
        let tables = Tables::of(connections);
        self.list(&tables.namespaces)?;
        self.list(&tables.processes)?;
        Ok(tables)
    }

    fn connection(&mut self, connection: &Connection, tables: &Tables<'_>) -> postcard::Result<()> {
        self.item(&tables.place_of(&connection.socket.netns))?;
        let holds: Holds = connection.owners.as_ref().map(|held| held.len());
        self.item(&holds)?;
        for owner in holders_of(connection) {
            let hold: Hold = (tables.place_of(&owner.process), owner.descriptor);
            self.item(&hold)?;
        }
        self.item(&bare(connection, tables))
    }

    fn list(&mut self, items: &[impl Serialize]) -> postcard::Result<()> {
        self.item(&items.len())?;
        items.iter().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &impl Serialize) -> postcard::Result<()> {
        self.0 = postcard::to_extend(item, std::mem::take(&mut self.0))?;
        Ok(())
    }
}

/// What is told once.
struct Tables<'a> {
    namespaces: Vec<&'a Netns>,
    processes: Vec<&'a Process>,
    /// Where a namespace or process is in its table, by its own address.
    places: HashMap<usize, u32>,
    /// Stands in each socket for the namespace that is told in the table.
    nowhere: Arc<Netns>,
}

impl<'a> Tables<'a> {
    fn of(connections: &[&'a Connection]) -> Self {
        let mut tables = Self {
            namespaces: Vec::new(),
            processes: Vec::new(),
            places: HashMap::new(),
            nowhere: Arc::new(Netns::only()),
        };
        for connection in connections {
            let netns = &connection.socket.netns;
            tables.places.entry(address(netns)).or_insert_with(|| {
                tables.namespaces.push(netns);
                place(tables.namespaces.len())
            });
            let owners = holders_of(connection).iter().map(|owner| &owner.process);
            for process in owners.chain(opener_of(connection)) {
                tables.places.entry(address(process)).or_insert_with(|| {
                    tables.processes.push(process);
                    place(tables.processes.len())
                });
            }
        }
        tables
    }

    fn place_of<T>(&self, shared: &Arc<T>) -> u32 {
        self.places.get(&address(shared)).copied().unwrap_or(0)
    }
}

/// The place of the last of `length` items.
fn place(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).saturating_sub(1)
}

fn address<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// A connection without what is told in the tables.
fn bare(connection: &Connection, tables: &Tables<'_>) -> Bare<Socket> {
    let Connection {
        socket,
        owners: _,
        direction,
        opened,
        closed,
        stats,
        flow,
        application,
        verdict,
    } = connection;
    let socket = Socket { netns: Arc::clone(&tables.nowhere), ..socket.to_socket() };
    let opened = opened.as_ref().map(|opened| {
        let Opened { at, handshake_us, accept_wait_us, by } = &**opened;
        let by = by.as_ref().map(|process| tables.place_of(process));
        BareOpening { at: *at, handshake_us: *handshake_us, accept_wait_us: *accept_wait_us, by }
    });
    (socket, *direction, opened, *closed, *stats, *verdict, flow.clone(), application.clone())
}

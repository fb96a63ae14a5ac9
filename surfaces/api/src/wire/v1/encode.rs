//! Answers become bytes.

use std::sync::Arc;

use conns_core::model;
use conns_core::model::{ClosedConnection, Event, Update};
use serde::{Deserialize, Serialize};

use super::super::resume::ResumeId;
use super::basic::Moment;
use super::connection::{Connection, ConnectionId, EventKind};
use super::frame::Writer;
use super::health::{Ability, Health};
use super::loss::Loss;
use super::process::Machine;
use super::tables::Tables;
use super::transfer::{OpenFile, Transfer};

/// About the size of a TCP connection: `tcp_info` is 280 bytes of it.
const CONNECTION_BYTES: usize = 480;

/// The size of an answer without connections, about.
const HEAD_BYTES: usize = 4096;

/// The head of an update.
#[derive(Serialize, Deserialize)]
pub(super) struct UpdateHead<'a> {
    pub(super) instance: u64,
    pub(super) sequence: u64,
    /// The latest event when the answer was made.
    pub(super) serial: u64,
    /// The snapshot since which the answer has the changes; `None` if it has everything.
    pub(super) since: Option<u64>,
    pub(super) at: Moment,
    #[serde(borrow)]
    pub(super) machine: Machine<'a>,
    #[serde(borrow)]
    pub(super) health: Health<'a>,
}

/// A closed connection.
#[derive(Serialize, Deserialize)]
pub(super) struct Closed<'a> {
    pub(super) sequence: u64,
    pub(super) at: Moment,
    #[serde(borrow)]
    pub(super) connection: Connection<'a>,
}

/// The head of an answer about events.
#[derive(Serialize, Deserialize)]
pub(super) struct EventsHead {
    pub(super) instance: u64,
    /// The latest snapshot when the answer was made.
    pub(super) sequence: u64,
    /// Everything up to this event is in the answer, or does not match.
    pub(super) serial: u64,
    pub(super) has_more: bool,
}

/// An event.
#[derive(Serialize, Deserialize)]
pub(super) struct EventRecord<'a> {
    pub(super) serial: u64,
    pub(super) at: Moment,
    pub(super) kind: EventKind,
    #[serde(borrow)]
    pub(super) connection: Connection<'a>,
}

/// What an update consists of.
pub(in super::super) struct UpdateParts<'a> {
    pub(in super::super) update: &'a Update,
    pub(in super::super) id: ResumeId,
    pub(in super::super) since: Option<u64>,
    pub(in super::super) connections: &'a [&'a model::Connection],
    pub(in super::super) closed: &'a [&'a ClosedConnection],
    pub(in super::super) removed: &'a [model::ConnectionId],
    pub(in super::super) losses: &'a [model::Loss],
}

pub(in super::super) fn encode_update(parts: &UpdateParts<'_>) -> postcard::Result<Vec<u8>> {
    let UpdateParts { update, id, since, connections, closed, removed, losses } = parts;
    let head = UpdateHead {
        instance: id.instance,
        sequence: id.sequence,
        serial: id.serial,
        since: *since,
        at: update.snapshot.at.into(),
        machine: Machine::from(&*update.snapshot.machine),
        health: Health::from(&update.health),
    };
    let mut tables = Tables::default();
    connections.iter().for_each(|connection| tables.add_connection(connection));
    closed.iter().for_each(|closed| tables.add_connection(&closed.connection));
    update.files.iter().for_each(|file| tables.add_file(file));
    let room = HEAD_BYTES + (connections.len() + closed.len()) * CONNECTION_BYTES;
    let mut writer = Writer::new(room, &head)?;
    tables.write(&mut writer)?;
    writer.list(connections.iter().map(|connection| Connection::new(connection, &tables)))?;
    writer.list(closed.iter().map(|closed| {
        Ok(Closed {
            sequence: closed.sequence,
            at: closed.at.into(),
            connection: Connection::new(&closed.connection, &tables)?,
        })
    }))?;
    writer.list(removed.iter().map(|id| Ok(ConnectionId::from(*id))))?;
    writer.list(losses.iter().map(Loss::new))?;
    writer.list(update.transfers.iter().map(|transfer| Ok(Transfer::from(transfer))))?;
    writer.list(update.files.iter().map(|file| OpenFile::new(file, &tables)))?;
    writer.list(update.health.abilities.iter().map(Ability::new))?;
    writer.list(update.health.losses.iter().map(Loss::new))?;
    Ok(writer.finish())
}

/// What an answer about events consists of.
pub(in super::super) struct EventsParts<'a> {
    pub(in super::super) id: ResumeId,
    pub(in super::super) has_more: bool,
    pub(in super::super) events: &'a [&'a Arc<Event>],
    pub(in super::super) losses: &'a [model::Loss],
    pub(in super::super) loss_totals: &'a [model::Loss],
}

pub(in super::super) fn encode_events(parts: &EventsParts<'_>) -> postcard::Result<Vec<u8>> {
    let EventsParts { id, has_more, events, losses, loss_totals } = parts;
    let head = EventsHead {
        instance: id.instance,
        sequence: id.sequence,
        serial: id.serial,
        has_more: *has_more,
    };
    let mut tables = Tables::default();
    events.iter().for_each(|event| tables.add_connection(&event.connection));
    let mut writer = Writer::new(HEAD_BYTES + events.len() * CONNECTION_BYTES, &head)?;
    tables.write(&mut writer)?;
    writer.list(events.iter().map(|event| {
        Ok(EventRecord {
            serial: event.serial,
            at: event.at.into(),
            kind: event.kind.into(),
            connection: Connection::new(&event.connection, &tables)?,
        })
    }))?;
    writer.list(losses.iter().map(Loss::new))?;
    writer.list(loss_totals.iter().map(Loss::new))?;
    Ok(writer.finish())
}

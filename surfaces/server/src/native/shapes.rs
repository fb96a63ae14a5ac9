//! The shapes of answers with connections in them. Their records are written by
//! [`conns_api::RecordWriter`] with the keys of the catalogue; everything else is derived.

mod lists;

pub(super) use lists::{
    Connections, ConnectionsOrGroups, Groups, PageEnd, Records, RowState, Verdicts, Window,
};

use conns_api::{Answer, RecordWriter};
use conns_core::model::{self, Connection, Update};
use conns_core::query::catalogue;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::problem::ErrorShape;

/// Which snapshot an answer is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshot)]
pub(super) struct SnapshotShape {
    /// Random, new at each start of the agent: 16 hexadecimal digits.
    // Text, because it may be larger than numbers of JavaScript can distinguish.
    instance: String,
    /// Counts up by one with each snapshot, from 1.
    sequence: u64,
    /// When it was made: microseconds since 1970-01-01 UTC.
    at_us: i64,
    /// The host it is of.
    #[schema(required)]
    host: Option<Box<str>>,
}

impl From<&Update> for SnapshotShape {
    fn from(update: &Update) -> Self {
        Self {
            instance: instance(update.instance),
            sequence: update.snapshot.sequence,
            at_us: update.snapshot.at.wall_us,
            host: update.snapshot.machine.host.value().cloned(),
        }
    }
}

/// An instance as it is written everywhere: 16 hexadecimal digits.
pub(super) fn instance(instance: u64) -> String {
    format!("{instance:016x}")
}

/// The record of a connection as JSON.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ConnectionRecord(Box<RawValue>);

impl ConnectionRecord {
    /// The record with every field, and if it `explains` the source of each.
    pub(super) fn new(connection: &Connection, explains: bool) -> Self {
        let fields: Vec<_> = catalogue().iter().collect();
        let writer = RecordWriter::new(&fields).explaining(explains);
        Self(record(Answer::Connections, writer, connection))
    }
}

/// The record of a verdict as JSON.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct VerdictRecord(Box<RawValue>);

impl From<&Connection> for VerdictRecord {
    fn from(connection: &Connection) -> Self {
        let fields = Answer::Verdicts.usual_fields();
        Self(record(Answer::Verdicts, RecordWriter::new(&fields), connection))
    }
}

/// The record of an event as JSON.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct EventRecord(Box<RawValue>);

fn record(answer: Answer, mut records: RecordWriter<'_>, connection: &Connection) -> Box<RawValue> {
    let mut text = Vec::new();
    answer.append(&mut text, &mut records, connection);
    // A record is always JSON.
    let record = String::from_utf8(text).ok().and_then(|text| RawValue::from_string(text).ok());
    record.unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneConnection {
    /// Its record, with every field.
    pub(super) connection: ConnectionRecord,
    /// The snapshot it is of.
    pub(super) snapshot: SnapshotShape,
}

/// The verdict on a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneVerdict {
    /// The verdict.
    pub(super) verdict: VerdictRecord,
    /// The snapshot it is of.
    pub(super) snapshot: SnapshotShape,
}

/// A connection that closed recently, beside the error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClosedConnection {
    /// That it is closed.
    pub(super) error: ErrorShape,
    /// When it closed.
    pub(super) closed: ClosedShape,
    /// The latest snapshot.
    pub(super) snapshot: SnapshotShape,
    /// Its last record.
    pub(super) connection: ConnectionRecord,
}

/// The last verdict on a connection that closed recently, beside the error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClosedVerdict {
    /// That it is closed.
    pub(super) error: ErrorShape,
    /// When it closed.
    pub(super) closed: ClosedShape,
    /// The latest snapshot.
    pub(super) snapshot: SnapshotShape,
    /// The last verdict.
    pub(super) verdict: VerdictRecord,
}

/// When a connection closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Closed)]
pub(super) struct ClosedShape {
    /// The first snapshot without it.
    sequence: u64,
    /// When that was: microseconds since 1970-01-01 UTC.
    at_us: i64,
}

impl From<&model::ClosedConnection> for ClosedShape {
    fn from(closed: &model::ClosedConnection) -> Self {
        Self { sequence: closed.sequence, at_us: closed.at.wall_us }
    }
}

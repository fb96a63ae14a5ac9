//! Events as JSON: what happened, when, its number, and the record of the connection as it was then.

use conns_core::model::{Event, EventKind};
use conns_core::query::{Field, find_field};

use crate::Answer;
use crate::answer::open_with_id;
use crate::record::{RecordWriter, whole};

/// What the record of an event does not have. The number of the event stands under `serial`, and what
/// takes two looks to know is not known of one moment.
const LEFT_OUT: [&str; 11] = [
    "serial",
    "first_seen",
    "rate_out",
    "rate_in",
    "slot_rate_out",
    "slot_rate_in",
    "peak_rate_out",
    "peak_rate_in",
    "peak_send_queue",
    "peak_recv_queue",
    "peak_rtt",
];

/// The fields of the record of a beginning, and of an attempt that failed: nothing is measured yet.
const OF_BEGINNING: [&str; 35] = [
    "proto",
    "family",
    "state",
    "direction",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "netns",
    "netns_inode",
    "cookie",
    "inode",
    "pid",
    "process",
    "exe",
    "cmdline",
    "user",
    "process_uid",
    "started",
    "ppid",
    "cgroup",
    "container",
    "unit",
    "owners",
    "opened_at",
    "handshake",
    "accept_wait",
    "opener",
    "opener_pid",
    "duration",
    "closed_at",
    "closed_by",
    "ended",
    "errno",
    "cgroup_id",
];

/// The fields of the record of a connection that has closed, if none are named; beginnings have some of
/// them.
#[must_use]
pub fn usual_event_fields() -> Vec<&'static Field> {
    let mut fields = Answer::Connections.usual_fields();
    fields.retain(|field| !LEFT_OUT.contains(&field.name));
    fields
}

/// Whether it is the end of a connection, or of the attempt at one.
#[must_use]
pub fn is_of_end(kind: EventKind) -> bool {
    match kind {
        EventKind::Closed | EventKind::Failed => true,
        EventKind::Opened | EventKind::Accepted => false,
    }
}

/// Writes the records of events.
pub struct EventRecords<'a> {
    beginnings: RecordWriter<'a>,
    closed: RecordWriter<'a>,
}

impl<'a> EventRecords<'a> {
    /// A writer of records with these fields, in their order; if none are named, with those that are
    /// told of each kind.
    #[must_use]
    pub fn new(fields: Option<&[&'a Field]>) -> Self {
        let (beginnings, closed) = match fields {
            Some(fields) => (fields.to_vec(), fields.to_vec()),
            None => {
                let named = OF_BEGINNING.iter().filter_map(|name| find_field(name));
                (named.collect(), usual_event_fields())
            }
        };
        Self { beginnings: writer(beginnings), closed: writer(closed) }
    }

    /// To be called before the events written so far go away.
    pub fn forget(&mut self) {
        self.beginnings.forget();
        self.closed.forget();
    }

    /// Appends `{"event":…,"at_us":…,"serial":…,…}`.
    pub fn append(&mut self, out: &mut Vec<u8>, event: &Event) {
        out.extend_from_slice(b"{\"event\":\"");
        self.rest(out, event);
    }

    /// The same, but first in the object is the `id` of the connection.
    pub fn append_with_id(&mut self, out: &mut Vec<u8>, event: &Event) {
        open_with_id(out, event.connection.socket.id);
        out.extend_from_slice(b",\"event\":\"");
        self.rest(out, event);
    }

    fn rest(&mut self, out: &mut Vec<u8>, event: &Event) {
        out.extend_from_slice(event.kind.name().as_bytes());
        out.extend_from_slice(b"\",\"at_us\":");
        whole(out, event.at.wall_us);
        out.extend_from_slice(b",\"serial\":");
        whole(out, event.serial);
        let records = match event.kind {
            EventKind::Closed => &mut self.closed,
            EventKind::Opened | EventKind::Accepted | EventKind::Failed => &mut self.beginnings,
        };
        records.write_on(out, &event.connection);
    }
}

/// Without the field whose key is that of the number of the event.
fn writer(mut fields: Vec<&Field>) -> RecordWriter<'_> {
    fields.retain(|field| field.name != "serial");
    RecordWriter::new(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_field() {
        for name in LEFT_OUT.iter().chain(&OF_BEGINNING) {
            assert!(find_field(name).is_some_and(|field| field.name == *name), "{name}");
        }
        let usual = usual_event_fields();
        let is_there = |name: &&str| usual.iter().any(|field| field.name == *name);
        assert!(OF_BEGINNING.iter().all(is_there));
    }
}

//! Events as JSON: what happened, when, its number, and the record of the connection as it was then.

use conns_core::model::{Event, EventKind, Phase};
use conns_core::query::{Field, catalogue};

use crate::Answer;
use crate::answer::open_with_id;
use crate::record::{RecordWriter, whole};

/// The fields of the record of a connection that has closed, if none are named; beginnings have some of
/// them.
#[must_use]
pub fn usual_event_fields() -> Vec<&'static Field> {
    let mut fields = Answer::Connections.usual_fields();
    fields.retain(|field| field.phase != Phase::Sampled);
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
    /// usual for each kind.
    #[must_use]
    pub fn new(fields: Option<&[&'a Field]>) -> Self {
        let (beginnings, closed) = match fields {
            Some(fields) => (fields.to_vec(), fields.to_vec()),
            None => {
                let at_opening = |field: &&Field| field.is_default && field.phase == Phase::Opened;
                (catalogue().iter().filter(at_opening).collect(), usual_event_fields())
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
    fn records_of_opened_events_have_a_part_of_the_fields_of_closed_events() {
        let usual = usual_event_fields();
        let opened: Vec<&Field> =
            catalogue().iter().filter(|field| field.phase == Phase::Opened).collect();
        assert!(opened.len() > 30 && opened.len() < usual.len());
        let is_usual = |field: &&&Field| usual.iter().any(|other| other.name == field.name);
        assert_eq!(opened.iter().filter(is_usual).count(), opened.len());
    }
}

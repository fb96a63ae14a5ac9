//! Events as JSON: what happened, when, its number, and the record of the connection as it was then.

use conns_core::model::{Event, EventKind};
use conns_core::query::Field;

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

/// The fields of an event's record if none are named.
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

/// Writes the records of events with one set of fields.
pub struct EventRecords<'a>(RecordWriter<'a>);

impl<'a> EventRecords<'a> {
    /// A writer of records with `fields`, in their order.
    #[must_use]
    pub fn new(fields: &[&'a Field]) -> Self {
        // Its key is that of the number of the event.
        let fields: Vec<&Field> =
            fields.iter().copied().filter(|field| field.name != "serial").collect();
        Self(RecordWriter::new(&fields))
    }

    /// To be called before the events written so far go away.
    pub fn forget(&mut self) {
        self.0.forget();
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
        self.0.write_on(out, &event.connection);
    }
}

//! The state of one client's stream of events.

use conns_api::{EventRecords, ResumeId};
use conns_core::model::{EventLog, Update};
use serde_json::json;

use super::super::shapes;
use super::super::streams::{
    CHUNK_BYTES, Channels, Latest, Resume, StreamEncoder, event, event_with_id,
};
use super::{EventLists, EventSelection, Expired};

/// One client's stream.
pub(super) struct EventStream {
    selection: EventSelection,
    /// Where the client resumes.
    resume: Resume,
    /// Everything up to this event is sent; `None` before the first chunk.
    serial: Option<u64>,
}

impl EventStream {
    pub(super) fn new(selection: EventSelection, resume: Resume) -> Self {
        Self { selection, resume, serial: None }
    }

    /// The event behind which the stream begins, which is sent to the client.
    fn begin(&self, update: &Update, log: &EventLog, out: &mut Vec<u8>) -> u64 {
        let oldest = log.complete_since();
        let (serial, expired) = match self.resume {
            Resume::New => (log.last_serial(), None),
            Resume::Invalid => {
                let reason = "the last event id is no id of an agent".to_owned();
                (oldest, Some(Expired { reason, missed: None }))
            }
            Resume::After(id) => match Expired::of(log, id) {
                None => (id.serial, None),
                expired => (oldest, expired),
            },
        };
        if let Some(expired) = expired {
            reset(out, expired);
        }
        let data = json!({
            "instance": shapes::instance(update.instance), "serial": serial,
            "at_us": update.snapshot.at.wall_us,
        });
        event_with_id(out, "begin", ResumeId::new(update, serial), &data);
        serial
    }

    /// Appends the events behind `serial` as far as they fit; the last one that is sent then.
    fn write_behind(&self, latest: &Latest<'_>, mut serial: u64, out: &mut Vec<u8>) -> u64 {
        let first = serial;
        let id = |serial| Some(ResumeId::new(latest.update(), serial));
        let mut records = EventRecords::new(self.selection.fields.as_deref());
        let mut lists = EventLists::new(out, &id);
        for event in latest.log.buffered_after(serial) {
            if lists.bytes() >= CHUNK_BYTES {
                break;
            }
            serial = event.serial;
            if self.selection.matches(event) {
                lists.add(&mut records, event);
            }
        }
        if serial > first {
            lists.finish_at(serial);
        }
        serial
    }
}

/// Appends `reset`: something is missing here.
fn reset(out: &mut Vec<u8>, Expired { reason, missed }: Expired) {
    event(out, "reset", &json!({ "reason": reason, "missed": missed }));
}

impl StreamEncoder for EventStream {
    fn channels(&self) -> Channels {
        Channels { updates: false, events: true }
    }

    fn write(&mut self, latest: &Latest<'_>, out: &mut Vec<u8>) -> bool {
        let (update, log) = (latest.update(), latest.log);
        let mut serial = self.serial.unwrap_or_else(|| self.begin(update, log, out));
        let id = ResumeId { instance: log.instance, sequence: 0, serial };
        if let Some(expired) = Expired::of(log, id) {
            reset(out, expired);
            serial = log.complete_since();
        }
        let serial = self.write_behind(latest, serial, out);
        self.serial = Some(serial);
        serial < log.last_serial()
    }
}

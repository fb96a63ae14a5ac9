//! What one client was told of events, and what to tell it next. Pure: beats in, text out.

use conns_api::EventRecords;
use conns_core::model::Update;
use serde_json::json;

use super::super::list;
use super::super::streams::{Left, PIECE_BYTES, Telling, event, event_with_id};
use super::{Choice, Place, Trouble};

/// Most records of one event of the stream: few enough that a client parses it in a millisecond.
const RECORDS: usize = 256;

/// One client's stream.
pub(super) struct EventsTelling {
    choice: Choice,
    /// Where the client left off before this stream.
    left: Left<Place>,
    /// What happened up to here is told; `None` before anything is.
    told: Option<u64>,
}

impl EventsTelling {
    pub(super) fn new(choice: Choice, left: Left<Place>) -> Self {
        Self { choice, left, told: None }
    }

    /// Where the stream begins; tells the client of it.
    fn begin(&self, update: &Update, out: &mut Vec<u8>) -> u64 {
        let (serial, trouble) = match self.left {
            Left::Nothing => (update.last_event(), None),
            Left::Elsewhere => {
                let reason = "the last event id is none of this agent's".to_owned();
                (update.events_complete_since, Some(Trouble::of_unknown_size(reason)))
            }
            Left::At(place) => match place.trouble(update) {
                None => (place.serial, None),
                trouble => (update.events_complete_since, trouble),
            },
        };
        if let Some(trouble) = trouble {
            reset(out, trouble);
        }
        let data = json!({
            "instance": list::instance(update.instance), "serial": serial,
            "at_us": update.snapshot.at.wall_us,
        });
        event_with_id(out, "begin", update.instance, &[serial], &data);
        serial
    }

    /// Tells the events behind `serial` as far as they fit; up to where they are told then.
    fn write_behind(&self, update: &Update, serial: u64, out: &mut Vec<u8>) -> u64 {
        let mut records = EventRecords::new(self.choice.fields.as_deref());
        let mut told = serial;
        let mut list = Vec::new();
        let mut in_list = 0;
        let mut is_last_told = true;
        for happened in update.events_since(serial).unwrap_or_default() {
            if out.len() + list.len() >= PIECE_BYTES {
                break;
            }
            told = happened.serial;
            is_last_told = false;
            if !self.choice.matches(happened) {
                continue;
            }
            list.extend_from_slice(if in_list == 0 { b"" } else { b"," });
            records.append_with_id(&mut list, happened);
            in_list += 1;
            if in_list == RECORDS {
                events(out, update.instance, told, &list);
                list.clear();
                in_list = 0;
                is_last_told = true;
            }
        }
        // Also without a record: whoever resumes need not be told of what did not match.
        if !is_last_told {
            events(out, update.instance, told, &list);
        }
        told
    }
}

/// Appends `reset`: something is missing here.
fn reset(out: &mut Vec<u8>, Trouble { reason, missed }: Trouble) {
    event(out, "reset", &json!({ "reason": reason, "missed": missed }));
}

/// Appends an event with this list, up to `serial`.
fn events(out: &mut Vec<u8>, instance: u64, serial: u64, list: &[u8]) {
    let id = format!("{}-{serial}", list::instance(instance));
    let head = format!("event: events\nid: {id}\ndata: {{\"serial\":{serial},\"events\":[");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(list);
    out.extend_from_slice(b"]}\n\n");
}

impl Telling for EventsTelling {
    fn write(&mut self, update: &Update, out: &mut Vec<u8>) -> bool {
        let mut serial = self.told.unwrap_or_else(|| self.begin(update, out));
        if let Some(trouble) = (Place { instance: None, serial }).trouble(update) {
            reset(out, trouble);
            serial = update.events_complete_since;
        }
        let told = self.write_behind(update, serial, out);
        self.told = Some(told);
        told < update.last_event()
    }
}

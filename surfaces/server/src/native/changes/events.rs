//! The text of events: `event:`, `data:` in one line of JSON, and `id:` where a client may resume.

use conns_api::{Answer, RecordWriter};
use conns_core::model::{Beat, Connection, SocketId};
use conns_core::query::Field;
use serde_json::{Value, json};

use super::super::list::{instance, snapshot};
use super::telling::From;

/// Most records of one event: few enough that a client parses it in a millisecond.
const RECORDS: usize = 256;

/// The id of an event after which everything up to `sequence` was told.
pub(super) fn id(of: u64, sequence: u64) -> String {
    format!("{}-{sequence}", instance(of))
}

/// The place an id names; `None` if it is none of ours.
pub(super) fn parse_id(text: &str) -> Option<From> {
    let (instance, sequence) = text.split_once('-')?;
    let is_plain = instance.len() == 16
        && instance.bytes().all(|byte| byte.is_ascii_hexdigit())
        && sequence.bytes().all(|byte| byte.is_ascii_digit());
    let instance = is_plain.then(|| u64::from_str_radix(instance, 16).ok())??;
    Some(From::Place { instance, sequence: sequence.parse().ok()? })
}

/// Appends an event without an id.
pub(super) fn event(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

/// Appends `snapshot`: whatever the client knows is void, and all there is follows.
pub(super) fn begin(out: &mut Vec<u8>, beat: &Beat) {
    event(out, "snapshot", &snapshot(beat));
}

/// Appends `beat`, which ends what belongs to `sequence`.
pub(super) fn end(out: &mut Vec<u8>, of: u64, sequence: u64, at_us: i64) {
    let data = json!({ "sequence": sequence, "at_us": at_us });
    let id = id(of, sequence);
    out.extend_from_slice(format!("event: beat\nid: {id}\ndata: {data}\n\n").as_bytes());
}

/// Events of one kind whose data is a list, begun anew whenever it is long enough.
pub(super) struct Lists<'a> {
    name: &'static str,
    key: &'static str,
    sequence: u64,
    records: RecordWriter<'a>,
    text: Vec<u8>,
    in_last: usize,
}

impl<'a> Lists<'a> {
    /// Events called `name` about `sequence`, with their list under `key`.
    pub(super) fn new(
        name: &'static str,
        key: &'static str,
        sequence: u64,
        fields: &[&'a Field],
    ) -> Self {
        let records = RecordWriter::new(fields);
        Self { name, key, sequence, records, text: Vec::new(), in_last: 0 }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, connection: &Connection) {
        self.make_room();
        Answer::Connections.append(&mut self.text, &mut self.records, connection);
    }

    /// Adds the id of a connection alone.
    pub(super) fn add_id(&mut self, id: SocketId) {
        self.make_room();
        self.text.extend_from_slice(format!("\"{}-{}\"", id.netns, id.cookie).as_bytes());
    }

    fn make_room(&mut self) {
        if self.in_last == RECORDS {
            self.text.extend_from_slice(b"]}\n\n");
            self.in_last = 0;
        }
        if self.in_last == 0 {
            let Self { name, key, sequence, .. } = self;
            let head = format!("event: {name}\ndata: {{\"sequence\":{sequence},\"{key}\":[");
            self.text.extend_from_slice(head.as_bytes());
        } else {
            self.text.push(b',');
        }
        self.in_last += 1;
    }

    /// Ends the last event and appends all of them.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        if self.in_last > 0 {
            self.text.extend_from_slice(b"]}\n\n");
        }
        out.append(&mut self.text);
    }
}

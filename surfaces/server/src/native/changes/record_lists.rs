//! Events of the stream of changes whose data is a list.

use conns_core::model::SocketId;

/// Most records of one event: few enough that a client parses it in a millisecond.
const MAX_RECORDS: usize = 256;

/// Events of one kind whose data is a list. A new event begins when the list is full.
pub(super) struct RecordLists {
    name: &'static str,
    key: &'static str,
    sequence: u64,
    text: Vec<u8>,
    in_last: usize,
}

impl RecordLists {
    /// Events called `name` about the snapshot `sequence`, with their list under `key`.
    pub(super) fn new(name: &'static str, key: &'static str, sequence: u64) -> Self {
        Self { name, key, sequence, text: Vec::new(), in_last: 0 }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds what `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin_record();
        write(&mut self.text);
    }

    /// Adds the id of a connection alone.
    pub(super) fn add_id(&mut self, id: SocketId) {
        self.add(|out| {
            out.extend_from_slice(format!("\"{}-{}\"", id.netns, id.cookie).as_bytes());
        });
    }

    fn begin_record(&mut self) {
        if self.in_last == MAX_RECORDS {
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

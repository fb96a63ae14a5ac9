//! Lists of event records in a stream, each an event at which a client may resume.

use std::fmt::Write as _;

use conns_api::{EventRecords, ResumeId};
use conns_core::model::Event;

/// Most records of one event of the stream: few enough that a client parses it in a millisecond.
const MAX_RECORDS: usize = 256;

/// Events called `events`. A new one begins when the list is full.
pub(in super::super) struct EventLists<'o, 'i> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// The id behind the event with a serial number; `None` if a client cannot resume there.
    id: &'i dyn Fn(u64) -> Option<ResumeId>,
    list: Vec<u8>,
    in_list: usize,
    /// The last event that was added.
    serial: u64,
}

impl<'o, 'i> EventLists<'o, 'i> {
    /// Lists that are appended to `out`.
    pub(in super::super) fn new(
        out: &'o mut Vec<u8>,
        id: &'i dyn Fn(u64) -> Option<ResumeId>,
    ) -> Self {
        let start = out.len();
        Self { out, start, id, list: Vec::new(), in_list: 0, serial: 0 }
    }

    /// Bytes written so far.
    pub(in super::super) fn bytes(&self) -> usize {
        self.out.len() - self.start + self.list.len()
    }

    /// Adds one record.
    pub(in super::super) fn add(&mut self, records: &mut EventRecords<'_>, event: &Event) {
        if self.in_list > 0 {
            self.list.push(b',');
        }
        records.append_with_id(&mut self.list, event);
        (self.in_list, self.serial) = (self.in_list + 1, event.serial);
        if self.in_list == MAX_RECORDS {
            self.end_list(event.serial);
        }
    }

    /// Ends the last list.
    pub(in super::super) fn finish(mut self) {
        if self.in_list > 0 {
            self.end_list(self.serial);
        }
    }

    /// Ends the last list and reports that everything up to `serial` is sent, if need be by an empty
    /// list: a client that resumes need not be sent what did not match.
    pub(in super::super) fn finish_at(mut self, serial: u64) {
        if self.in_list > 0 || self.serial < serial {
            self.end_list(serial);
        }
    }

    fn end_list(&mut self, serial: u64) {
        let mut head = "event: events\n".to_owned();
        if let Some(id) = (self.id)(serial) {
            // Writing to a string does not fail.
            let _ = writeln!(head, "id: {id}");
        }
        let _ = write!(head, "data: {{\"serial\":{serial},\"events\":[");
        self.out.extend_from_slice(head.as_bytes());
        self.out.append(&mut self.list);
        self.out.extend_from_slice(b"]}\n\n");
        self.in_list = 0;
    }
}

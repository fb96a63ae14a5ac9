//! What is written by hand for speed is as the derived types are, byte by byte.

use conns_api::{Answer, EventRecords, EventShape, ExplainShape, RecordShape, RecordWriter};
use conns_core::model::{Event, EventKind, Moment, Update};

use super::scene::{Machine, established, listener};
use crate::native::shapes::{ConnectionRecord, Connections, PageEnd, Records, SnapshotShape};
use crate::response::json;

fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.open(established(1000, 10, "nginx"));
    machine.open(listener("[::]:443", (3, 128, 9), 10, "nginx"));
    machine
}

#[test]
fn events_begin_as_derived() {
    for (kind, (_, connection)) in EventKind::ALL.into_iter().zip(machine().there.iter().cycle()) {
        let at = Moment { wall_us: 1_769_860_800_000_000, monotonic_us: 5 };
        let event = Event { serial: 17, at, kind, connection: connection.clone() };
        let mut text = Vec::new();
        EventRecords::new(Some(&[])).append_with_id(&mut text, &event);
        let derived = serde_json::to_string(&EventShape::from(&event)).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), derived);
    }
}

#[test]
fn records_begin_and_end_as_derived() {
    for (_, connection) in &machine().there {
        for explains in [false, true] {
            let mut text = Vec::new();
            let mut records = RecordWriter::new(&[]).explaining(explains);
            Answer::Connections.append(&mut text, &mut records, connection);
            let derived = RecordShape {
                id: Machine::id(connection.socket.id.cookie),
                explain: explains.then(ExplainShape::default),
            };
            let derived = serde_json::to_string(&derived).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), derived);
        }
    }
}

#[test]
fn a_list_written_entry_by_entry_is_as_derived() {
    let update = Update::default();
    let machine = machine();
    for count in 0..=machine.there.len() {
        let answer = |rows: usize| Connections {
            connections: machine
                .there
                .iter()
                .take(rows)
                .map(|(_, row)| ConnectionRecord::new(row, false))
                .collect(),
            end: PageEnd {
                losses: Vec::new(),
                snapshot: SnapshotShape::from(&update),
                total: 2,
                next_cursor: Some("[".to_owned()),
            },
        };
        let derived = answer(count);
        let mut records = Records::default();
        derived.connections.iter().for_each(|record| records.add_shape(record));
        let mut written = records.into_answer(&answer(0));
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), count + 2);
        written.retain(|byte| *byte != b'\n');
        written.push(b'\n');
        assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(json(&derived)).unwrap());
    }
}

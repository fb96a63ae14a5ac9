//! A second process has what the first has, whatever happens in between, and no bytes do harm.

use std::io::ErrorKind;
use std::sync::Arc;

use conns_api::{Replica, ReplicaChange, ReplicaError, ReplicaWriter};
use conns_core::model::{Connection, Cost, EventLog, Moment, Update};
use proptest::prelude::*;

use super::sample::{eventful, everything};
use super::updates;

/// All that is read from `bytes`.
fn read(bytes: &[u8]) -> Result<Vec<ReplicaChange>, ReplicaError> {
    let mut replica = Replica::default();
    let mut rest = bytes;
    let mut changes = Vec::new();
    while let Some(change) = replica.next(&mut rest)? {
        changes.push(change);
    }
    Ok(changes)
}

fn read_updates(bytes: &[u8]) -> Vec<Arc<Update>> {
    let changes = read(bytes).unwrap();
    changes
        .into_iter()
        .filter_map(|change| match change {
            ReplicaChange::Update { update, .. } => Some(update),
            _ => None,
        })
        .collect()
}

fn latest_log(bytes: &[u8]) -> Arc<EventLog> {
    let changes = read(bytes).unwrap();
    let logs = changes.into_iter().filter_map(|change| match change {
        ReplicaChange::Events(log) => Some(log),
        _ => None,
    });
    logs.last().unwrap()
}

fn at(seconds: u64) -> Moment {
    Moment { monotonic_us: seconds * 1_000_000, wall_us: 5 }
}

#[test]
fn an_update_arrives_with_all_that_an_answer_to_a_remote_client_leaves_out() {
    let mut update = everything();
    update.health.lost_at = Some(at(7));
    update.health.failing = Some("the kernel refuses".into());
    update.health.cost.resident_bytes = 10;
    let mut bytes = Vec::new();
    let readers = Cost { resident_bytes: 5, ..Cost::default() };
    ReplicaWriter::new(&mut bytes).update(&update, at(100), readers).unwrap();
    let changes = read(&bytes).unwrap();
    let [ReplicaChange::Update { update: there, at: written }] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(*written, at(100));
    assert_eq!(format!("{:?}", there.snapshot), format!("{:?}", update.snapshot));
    update.health.cost.resident_bytes = 15;
    assert_eq!(format!("{:?}", there.health), format!("{:?}", update.health));
    assert_eq!((&there.transfers, &there.files), (&update.transfers, &update.files));
}

/// `/changes` of the second process must not miss what closed.
#[test]
fn each_update_leads_where_it_leads_in_the_first_process() {
    let updates = updates();
    let mut bytes = Vec::new();
    let mut writer = ReplicaWriter::new(&mut bytes);
    for (seconds, update) in (100..).zip(&updates) {
        writer.update(update, at(seconds), Cost::default()).unwrap();
    }
    let there = read_updates(&bytes);
    assert_eq!(there.len(), updates.len());
    let ids = |update: &Update| {
        let mut ids: Vec<u64> =
            update.snapshot.connections.iter().map(|c| c.socket.id.cookie).collect();
        ids.sort_unstable();
        ids
    };
    for (now, then) in there.iter().zip(&updates) {
        assert_eq!(ids(now), ids(then));
    }
    let (now, then) = (there.last().unwrap(), updates.last().unwrap());
    for sequence in 1..=then.snapshot.sequence {
        let closed = |update: &Update| {
            let changes = update.changes_since(sequence).unwrap();
            changes.closed.iter().map(|c| c.connection.socket.id.cookie).collect::<Vec<_>>()
        };
        assert_eq!(closed(now), closed(then), "since {sequence}");
    }
}

/// What is no change of a connection arrives within half a minute.
#[test]
fn each_connection_is_refreshed_once_in_thirty_seconds() {
    let mut update = updates().remove(1);
    let snapshot = Arc::make_mut(&mut update.snapshot);
    let template = snapshot.connections.remove(0);
    snapshot.connections = (0..90)
        .map(|serial| {
            let mut connection = template.clone();
            connection.socket.id.cookie = serial;
            connection.stats.serial = serial;
            connection
        })
        .collect();
    let mut bytes = Vec::new();
    let mut writer = ReplicaWriter::new(&mut bytes);
    writer.update(&update, at(100), Cost::default()).unwrap();
    let confidences = |update: &Update| {
        let new = |c: &&Connection| c.verdict.confidence_percent == 77;
        update.snapshot.connections.iter().filter(new).count()
    };
    for connection in &mut Arc::make_mut(&mut update.snapshot).connections {
        connection.verdict.confidence_percent = 77;
    }
    // Two in one second, and a pause of 9 s.
    for seconds in [100, 101, 102, 103, 112, 113, 129, 130] {
        Arc::make_mut(&mut update.snapshot).sequence += 1;
        writer.update(&update, at(seconds), Cost::default()).unwrap();
    }
    let refreshed: Vec<usize> =
        read_updates(&bytes).iter().map(|there| confidences(there)).collect();
    assert_eq!(refreshed, [0, 0, 3, 6, 9, 36, 39, 87, 90]);
}

#[test]
fn another_instance_begins_anew() {
    let updates = updates();
    let mut bytes = Vec::new();
    let mut writer = ReplicaWriter::new(&mut bytes);
    writer.update(&updates[3], at(1), Cost::default()).unwrap();
    let other = Update { instance: 78, ..updates[0].clone() };
    writer.update(&other, at(2), Cost::default()).unwrap();
    let there = read_updates(&bytes);
    let last = there.last().unwrap();
    assert_eq!((last.instance, last.snapshot.sequence), (78, 1));
    assert_eq!(last.closed.len(), 0);
}

#[test]
fn events_arrive_once_and_are_forgotten_together() {
    let mut bytes = Vec::new();
    let mut writer = ReplicaWriter::new(&mut bytes);
    let first = eventful(1..=1500);
    writer.events(&first.log, &first.update).unwrap();
    writer.events(&first.log, &first.update).unwrap();
    let second = eventful(1000..=4000);
    writer.events(&second.log, &second.update).unwrap();
    let log = latest_log(&bytes);
    assert_eq!(log.last_serial(), 4000);
    let serials: Vec<u64> = log.iter().map(|event| event.serial).collect();
    assert!(serials.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{serials:?}");
    // By chunks of 1024, so that what the first process has is there.
    assert!(serials[0] <= 1000 && log.complete_since() <= 999, "{}", serials[0]);
    assert!(serials.len() <= 3001 + 1024);
}

#[test]
fn events_that_were_dropped_before_they_were_written_are_missing_by_number() {
    let mut bytes = Vec::new();
    let mut writer = ReplicaWriter::new(&mut bytes);
    let first = eventful(1..=10);
    writer.events(&first.log, &first.update).unwrap();
    let later = eventful(5001..=5010);
    writer.events(&later.log, &later.update).unwrap();
    let log = latest_log(&bytes);
    assert_eq!((log.complete_since(), log.last_serial(), log.len()), (5000, 5010, 10));
    assert!(log.since(10).is_none() && log.since(5000).is_some());
}

/// More than one answer holds.
#[test]
fn many_events_at_once_all_arrive() {
    let all = eventful(1..=70_000);
    let mut bytes = Vec::new();
    ReplicaWriter::new(&mut bytes).events(&all.log, &all.update).unwrap();
    let log = latest_log(&bytes);
    assert_eq!((log.complete_since(), log.last_serial(), log.len()), (0, 70_000, 70_000));
}

#[test]
fn a_text_arrives_and_a_stream_that_is_cut_is_an_error() {
    let mut bytes = Vec::new();
    ReplicaWriter::new(&mut bytes).text("häh?\n").unwrap();
    let changes = read(&bytes).unwrap();
    assert!(matches!(changes.as_slice(), [ReplicaChange::Text(text)] if text == "häh?\n"));
    for length in 1..bytes.len() {
        let Err(ReplicaError::Stream(error)) = read(&bytes[..length]) else {
            panic!("{length} bytes are read");
        };
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
    assert!(read(&[]).unwrap().is_empty());
}

#[test]
fn a_frame_of_an_impossible_length_is_refused_without_memory_for_it() {
    for length in [0, 4, u32::MAX] {
        let refused = read(&length.to_le_bytes());
        assert!(matches!(refused, Err(ReplicaError::Malformed(_))), "{length}: {refused:?}");
    }
    // It could be that long, so what arrives is read, and its end found.
    let refused = read(&[&(500_u32 << 20).to_le_bytes()[..], &[1, 2, 3]].concat());
    assert!(matches!(refused, Err(ReplicaError::Stream(_))), "{refused:?}");
}

proptest! {
    #[test]
    fn no_bytes_do_harm(kind in 0_u8..5, head in 0_u32..40, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let length = u32::try_from(5 + body.len()).unwrap();
        let frame = [&length.to_le_bytes()[..], &[kind], &head.to_le_bytes(), &body].concat();
        // An error or a change, and no panic.
        let _ = read(&frame);
    }

    #[test]
    fn a_changed_byte_does_no_harm(place: proptest::sample::Index, value: u8) {
        let mut bytes = Vec::new();
        ReplicaWriter::new(&mut bytes).update(&everything(), at(1), Cost::default()).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = read(&bytes);
    }
}

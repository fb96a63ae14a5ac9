use conns_contract::Want;
use conns_core::model::{Endpoint, FlowKey};
use zerocopy::{FromZeros, IntoBytes};

use super::wants::steered;
use super::*;

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 7];

/// A record on the server's end.
fn record(kind: u8, flags: u8, cookie: u64, sequence: u32, bytes: &[u8]) -> Vec<u8> {
    let mut header = PayloadHeader::new_zeroed();
    (header.kind, header.flags, header.family) = (kind, flags, 2);
    (header.cookie, header.netns) = (cookie.into(), 5.into());
    header.sequence = sequence.into();
    header.before = sequence.into();
    header.start = sequence.into();
    header.length = u32::try_from(bytes.len()).unwrap().into();
    (header.local_port, header.remote_port) = (443.into(), 50_000.into());
    for (to, from) in [(&mut header.local, SERVER), (&mut header.remote, CLIENT)] {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
    }
    // The programs reserve records of a few sizes.
    [header.as_bytes(), bytes, &[0xee; 20]].concat()
}

/// What is handed over of these records, as text.
fn read(records: &[Vec<u8>]) -> Vec<String> {
    let mut reader = PayloadRecords::default();
    let mut seen = Vec::new();
    for record in records {
        let known = reader.read(record, &mut |id, _, payload| {
            let socket = (id.socket.netns, id.socket.cookie);
            seen.push(match payload {
                Payload::Opened { ends, .. } => {
                    let port = |end: Option<Endpoint>| end.map(|end| end.port);
                    let ports = (port(ends.local), port(ends.remote));
                    format!("{socket:?} opened {ports:?} by {:?}", ends.opener)
                }
                Payload::Segment { side, segment, before } => {
                    let text = String::from_utf8_lossy(segment.bytes).into_owned();
                    let syn = if segment.syn { " SYN" } else { "" };
                    let fin = if segment.fin { " FIN" } else { "" };
                    format!("{side:?}{syn} {}/{before} {text:?}{fin}", segment.sequence)
                }
                Payload::Datagram { side, bytes, cut } => {
                    format!("{side:?} {:?} cut {cut}", String::from_utf8_lossy(bytes))
                }
                Payload::Moved { side, bytes_total } => format!("{side:?} moved {bytes_total}"),
            });
        });
        if known.is_none() {
            seen.push("refused".into());
        }
    }
    seen
}

#[test]
fn a_record_becomes_a_segment() {
    let flags = PAYLOAD_OPENS | PAYLOAD_BEGINS | PAYLOAD_RECEIVED | PAYLOAD_INBOUND;
    let seen = read(&[
        record(PAYLOAD_SEGMENT, flags, 7, 1000, b"hello"),
        record(PAYLOAD_SEGMENT, PAYLOAD_FIN, 7, 50, b"answer"),
    ]);
    let expected = [
        "(5, 7) opened (Some(443), Some(50000)) by Some(Received)",
        "Received SYN 999/999 \"\"",
        "Received 1000/1000 \"hello\"",
        "Sent 50/50 \"answer\" FIN",
    ];
    assert_eq!(seen, expected);
}

/// The cookie of such a record is the listener's.
#[test]
fn what_a_listener_received_is_joined_to_the_connection_by_its_ends() {
    let early = record(PAYLOAD_LISTENER, PAYLOAD_RECEIVED | PAYLOAD_INBOUND, 1, 0, b"early");
    let first = record(PAYLOAD_SEGMENT, PAYLOAD_OPENS | PAYLOAD_INBOUND, 7, 90, b"answer");
    let expected = [
        "(5, 7) opened (Some(443), Some(50000)) by Some(Received)",
        "Received SYN 4294967295/4294967295 \"\"",
        "Received 0/0 \"early\"",
        "Sent 90/90 \"answer\"",
    ];
    assert_eq!(read(&[early, first]), expected);
}

#[test]
fn records_that_are_cut_or_unknown_are_refused() {
    let whole = record(PAYLOAD_SEGMENT, 0, 7, 0, b"hello");
    let cut = whole.get(..size_of::<PayloadHeader>() + 4).unwrap().to_vec();
    let unknown = record(99, 0, 7, 0, b"");
    assert_eq!(read(&[cut, unknown, Vec::new()]), ["refused"; 3]);
}

#[test]
fn early_segments_are_bounded_and_expire() {
    let mut records = PayloadRecords::default();
    let early = record(PAYLOAD_LISTENER, PAYLOAD_RECEIVED, 1, 0, &[0; 4096]);
    for _ in 0..2000 {
        records.read(&early, &mut |_, _, _| {});
    }
    let refused = records.early.take_refused();
    assert!((2000 - 1024) * 4096 < refused && refused < 2000 * 4096, "{refused}");
    let later = Moment { monotonic_us: 6_000_000, wall_us: 0 };
    records.early.expire(later);
    records.read(&early, &mut |_, _, _| {});
    assert_eq!(records.early.take_refused(), 0);
}

#[test]
fn a_datagram_of_an_unconnected_socket_is_of_its_peer() {
    let first = PAYLOAD_PEER | PAYLOAD_OPENS | PAYLOAD_RECEIVED;
    let mut records = PayloadRecords::default();
    let mut flows = Vec::new();
    for flags in [first, PAYLOAD_PEER] {
        let record = record(PAYLOAD_DATAGRAM, flags, 7, 0, b"question");
        records.read(&record, &mut |id, _, payload| {
            flows.push((id, matches!(payload, Payload::Opened { .. })))
        });
    }
    let peer = Endpoint { address: CLIENT.into(), port: 50_000 };
    let socket = SocketId { netns: 5, cookie: 7 };
    let flow = ConnectionId { socket, flow: Some(FlowKey::Peer(peer)) };
    assert_eq!(flows, [(flow, true), (flow, false), (flow, false)]);
}

#[test]
fn an_entry_changes_only_with_what_is_wanted() {
    let key = ConnectionId::of_socket(SocketId { netns: 5, cookie: 7 });
    let now = Moment::default();
    let steer = |before, side, want| {
        steered(before, &Steering { key, side, want, resume_at: Some(9) }, now)
    };
    assert_eq!(steer(None, Side::Sent, Want::NoMore), None, "without an entry nothing is wanted");
    let one = steer(None, Side::Sent, Want::Whole);
    assert!(one.is_some());
    assert_eq!(steer(one, Side::Sent, Want::Whole), None);
    let skip = steer(one, Side::Sent, Want::Skip(100));
    assert!(skip.is_some() && skip != one);
    let both = steer(one, Side::Received, Want::Whole);
    assert!(both.is_some() && both != one);
    assert_eq!(steer(both, Side::Received, Want::NoMore), one);
}

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use conns_contract::{Ends, Steering, Want};
use conns_core::decode::assembly::Segment;
use conns_core::model::{
    Certainty, Endpoint, FlowKey, Known, Protocol, Scalar, SocketId, State, UdpPeer, UdpTraffic,
};

use super::*;
use crate::event_drain::Drained;
use crate::fixture::{Ring, Shared, closed};

/// A request of a client of SSH, which is recognised by its first line.
const LINE: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";

/// Segments that a test sets, and what was asked for.
#[derive(Default)]
struct Script {
    bytes: VecDeque<(u64, Side, u32, Vec<u8>)>,
    /// Segments of one batch; all if `None`.
    batch: Option<usize>,
    steered: Vec<(u64, Want)>,
    closed: Vec<u64>,
    datagrams: Vec<(ConnectionId, &'static [u8])>,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

fn id(cookie: u64) -> ConnectionId {
    let netns = closed(cookie).socket.id.netns;
    ConnectionId::of_socket(SocketId { netns, cookie })
}

impl PayloadSource for Scripted {
    fn drain(
        &mut self,
        now: Moment,
        sink: &mut dyn FnMut(ConnectionId, Moment, Payload<'_>),
    ) -> PayloadBatch {
        let mut script = self.0.lock().unwrap();
        let count = script.batch.unwrap_or(usize::MAX).min(script.bytes.len());
        for (cookie, side, sequence, bytes) in script.bytes.drain(..count) {
            if sequence == 0 {
                sink(id(cookie), now, Payload::Opened { ends: Ends::default(), may_repeat: false });
                for side in Side::ALL {
                    let segment = Segment { sequence: u32::MAX, syn: true, ..Segment::default() };
                    sink(id(cookie), now, Payload::Segment { side, segment, before: 0 });
                }
            }
            let segment = Segment { sequence, bytes: &bytes, ..Segment::default() };
            sink(id(cookie), now, Payload::Segment { side, segment, before: sequence });
        }
        for (id, bytes) in script.datagrams.drain(..) {
            let FlowKey::Peer(peer) = id.flow.unwrap() else { panic!("of a peer") };
            let ends = Ends { remote: Some(peer), ..Ends::default() };
            sink(id, now, Payload::Opened { ends, may_repeat: true });
            sink(id, now, Payload::Datagram { side: Side::Sent, bytes, cut: 0 });
        }
        PayloadBatch { has_more: !script.bytes.is_empty(), ..PayloadBatch::default() }
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn steer(&mut self, steering: &[Steering<ConnectionId>]) {
        let new = steering.iter().map(|one| (one.key.socket.cookie, one.want));
        self.0.lock().unwrap().steered.extend(new);
    }

    fn close(&mut self, connection: ConnectionId) {
        self.0.lock().unwrap().closed.push(connection.socket.cookie);
    }
}

fn at(second: u64) -> Moment {
    Moment { monotonic_us: second * 1_000_000, wall_us: 0 }
}

fn tap() -> (Tap, Scripted) {
    let script = Scripted::default();
    (Tap::new(Box::new(script.clone())), script)
}

fn add(script: &Scripted, cookie: u64, side: Side, sequence: u32, bytes: &[u8]) {
    script.0.lock().unwrap().bytes.push_back((cookie, side, sequence, bytes.to_vec()));
}

/// Cookie, protocol and certainty of each layer.
fn names(observation: Option<Observation>) -> Vec<(u64, String, Certainty)> {
    let applications = observation.map(|observation| observation.applications);
    let layers = applications.unwrap_or_default().into_iter();
    layers
        .map(|(id, application)| {
            let layer = application.innermost().unwrap();
            (id.socket.cookie, layer.protocol.to_string(), layer.certainty)
        })
        .collect()
}

#[test]
fn layers_are_reported_once_they_change() {
    let (mut tap, script) = tap();
    add(&script, 7, Side::Sent, 0, LINE);
    tap.drain(at(1));
    let expected = [(7, "ssh".to_owned(), Certainty::Certain)];
    assert_eq!(names(tap.report(at(1))), expected);
    assert_eq!(names(tap.report(at(2))), []);
    add(&script, 7, Side::Received, 1, LINE);
    tap.drain(at(3));
    assert_eq!(names(tap.report(at(3))).len(), 1);
    let steered = script.0.lock().unwrap().steered.clone();
    assert_eq!(steered.last(), Some(&(7, Want::NoMore)), "{steered:?}");
}

#[test]
fn a_closed_event_has_the_last_layers() {
    let (mut tap, script) = tap();
    add(&script, 7, Side::Sent, 0, LINE);
    add(&script, 8, Side::Sent, 0, b"of no protocol");
    tap.drain(at(1));
    let reported = names(tap.close(&[closed(7), closed(8), closed(9)], at(1)));
    assert_eq!(reported, [(7, "ssh".to_owned(), Certainty::Certain)]);
    assert_eq!(script.0.lock().unwrap().closed, [7, 8]);
    assert_eq!(names(tap.report(at(1))), []);
    assert!(tap.streams.is_empty() && tap.open.is_empty());
}

#[test]
fn all_payload_is_decoded_before_the_events_that_close_its_connections() {
    let (mut tap, script) = tap();
    script.0.lock().unwrap().batch = Some(1);
    let mut ring = Shared::<Ring>::default();
    for cookie in [7, 8, 9] {
        add(&script, cookie, Side::Sent, 0, LINE);
        ring.set(|ring| ring.lifecycle_events.extend([closed(cookie)]));
    }
    let mut drained = Drained { events: &mut ring, tap: Some(&mut tap) };
    let ([layers, _], has_more) = drained.observe(at(1));
    assert_eq!((names(layers).len(), has_more), (3, false));
    assert!(tap.streams.is_empty() && tap.open.is_empty());
}

#[test]
fn connections_that_vanish_without_an_event_are_removed() {
    let (mut tap, script) = tap();
    for cookie in [7, 8] {
        add(&script, cookie, Side::Sent, 0, LINE);
    }
    tap.drain(at(1));
    tap.report(at(1));
    tap.remove_absent(|| [(id(8), 0)].into_iter().collect(), at(10));
    assert_eq!(tap.open.len(), 2, "silent for nine seconds");
    tap.remove_absent(|| [(id(8), 0)].into_iter().collect(), at(21));
    assert!(tap.open.contains_key(&id(8)) && tap.open.len() == 1);
    assert_eq!(tap.streams.len(), 1);
}

/// A query for the address of `a.example` (RFC 1035 section 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";

#[test]
fn a_peer_of_an_unconnected_socket_has_a_row_until_it_is_idle() {
    let (mut tap, script) = tap();
    let peer = Endpoint { address: [192, 0, 2, 1].into(), port: 53 };
    let socket = id(7).socket;
    let flow = ConnectionId { socket, flow: Some(FlowKey::Peer(peer)) };
    script.0.lock().unwrap().datagrams.push((flow, QUERY));
    tap.drain(at(1));
    assert_eq!(rows_of(&tap, socket), 0, "before it is reported");
    let row = ConnectionId::of_socket(socket.of_peer(peer));
    let reported = names(tap.report(at(1)));
    assert_eq!(reported, [(row.socket.cookie, "dns".to_owned(), Certainty::Certain)]);
    assert_eq!(rows_of(&tap, socket), 1);
    // Its traffic is what keeps it, not payload: nothing more of it may be wanted.
    for (second, traffic) in [(12, 1), (70, 2), (125, 2)] {
        tap.remove_absent(|| [(row, traffic)].into_iter().collect(), at(second));
        assert_eq!(rows_of(&tap, socket), 1, "{second}");
    }
    tap.remove_absent(|| [(row, 2)].into_iter().collect(), at(136));
    assert_eq!((rows_of(&tap, socket), tap.streams.len()), (0, 0));
    assert_eq!(script.0.lock().unwrap().closed, [7]);
}

#[test]
fn a_flow_that_two_processors_report_at_once_is_begun_once() {
    let (mut tap, script) = tap();
    let peer = Endpoint { address: [192, 0, 2, 1].into(), port: 53 };
    let flow = ConnectionId { socket: id(7).socket, flow: Some(FlowKey::Peer(peer)) };
    // Each of these datagrams is reported with the begin of the flow.
    script.0.lock().unwrap().datagrams.extend([(flow, QUERY), (flow, QUERY)]);
    tap.drain(at(1));
    let reported = tap.report(at(1)).unwrap().applications;
    let queries = reported[0].1.innermost().unwrap().values[0].clone();
    assert_eq!((reported.len(), queries.value()), (1, Some(&Scalar::Count(2))));
}

/// How many rows the peers of a socket have.
fn rows_of(tap: &Tap, id: SocketId) -> usize {
    let mut socket = closed(id.cookie).socket.to_socket();
    (socket.protocol, socket.state) = (Protocol::Udp, State::Close);
    let remote = Endpoint { address: [192, 0, 2, 1].into(), port: 53 };
    let (bytes_out, bytes_in, datagrams_out, datagrams_in) = (1, 1, 1, 1);
    let peers = [UdpPeer { remote, bytes_out, bytes_in, datagrams_out, datagrams_in }];
    let traffic = UdpTraffic { bytes_out, bytes_in, peers: peers.into(), peers_omitted: 0 };
    socket.udp = Known::Value(traffic, Source::Ebpf);
    let mut observations =
        [Observation::new(Source::Ebpf, at(1)).with_sockets(vec![socket.into()])];
    tap.peers().add_rows(&mut observations);
    observations[0].rows().len() - 1
}

#[test]
fn connections_beyond_the_bound_are_counted() {
    let (mut tap, script) = tap();
    tap.set_limits(Limits { streams: 1, ..Limits::default() });
    for cookie in [7, 8, 9] {
        add(&script, cookie, Side::Sent, 0, LINE);
    }
    tap.drain(at(1));
    let lost: Vec<_> = tap.losses().map(|loss| (loss.cause, loss.count)).collect();
    assert_eq!(lost, [(LossCause::ApplicationsFull { bound: MAX_STREAMS as u64 }, 2)]);
    assert_eq!(names(tap.report(at(1))).len(), 1);
}

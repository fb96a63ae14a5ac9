use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use conns_contract::{Ends, Steering, Want};
use conns_core::decode::assembly::Segment;
use conns_core::model::{Certainty, SocketId};

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
                sink(id(cookie), now, Payload::Opened { ends: Ends::default() });
                for side in Side::ALL {
                    let segment = Segment { sequence: u32::MAX, syn: true, ..Segment::default() };
                    sink(id(cookie), now, Payload::Segment { side, segment, before: 0 });
                }
            }
            let segment = Segment { sequence, bytes: &bytes, ..Segment::default() };
            sink(id(cookie), now, Payload::Segment { side, segment, before: sequence });
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
    tap.remove_absent(|| [id(8)].into_iter().collect(), at(10));
    assert_eq!(tap.open.len(), 2, "silent for nine seconds");
    tap.remove_absent(|| [id(8)].into_iter().collect(), at(21));
    assert!(tap.open.contains_key(&id(8)) && tap.open.len() == 1);
    assert_eq!(tap.streams.len(), 1);
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

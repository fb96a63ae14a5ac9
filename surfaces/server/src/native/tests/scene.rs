//! A made-up machine: connections open, change and close, and the test publishes each update.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use conns_core::model::{
    Ability, AbilityKind, AcceptQueue, Class, CloseReason, Closed, ClosedConnection, Closer,
    Connection, Cost, Direction, Event, EventKind, EventLog, Health, Known, Loss, LossCause,
    Moment, Owner, Process, Protocol, Rates, Snapshot, Socket, SocketMemory, Source, State, Stats,
    Transfer, Unknown, Update,
};
use conns_fixtures::{NETNS, Tcp, known, published, snapshot, with_cookie};
use conns_history::HistoryReader;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::about::About;
use crate::caches::ResponseCaches;
use crate::native::{Shared, router};
use crate::stream_slots::StreamSlots;

pub(super) const INSTANCE: u64 = 0xfeed_0000_0000_0001;
const SECOND_US: u64 = 1_000_000;

/// A socket to be made.
#[derive(Clone)]
pub(super) struct Sketch {
    pub(super) protocol: Protocol,
    pub(super) state: State,
    pub(super) local: String,
    pub(super) remote: Option<String>,
    pub(super) sent: Option<u64>,
    pub(super) queue: Option<(u32, u32, u32)>,
    pub(super) owners: Known<Vec<(u32, String)>>,
    pub(super) rates: Option<Rates>,
    pub(super) class: Class,
    /// The stream that is published on it.
    pub(super) stream: Option<&'static str>,
}

/// An established connection of `process`, of which the bytes and round trip are known.
pub(super) fn established(port: u16, pid: u32, process: &str) -> Sketch {
    Sketch {
        protocol: Protocol::Tcp,
        state: State::Established,
        local: format!("10.0.0.5:{port}"),
        remote: Some("192.0.2.7:443".to_owned()),
        sent: Some(1000),
        queue: None,
        owners: known(vec![(pid, process.to_owned())]),
        rates: Some(Rates { out_bytes_per_s: 10.5, in_bytes_per_s: 0.0 }),
        class: Class::Healthy,
        stream: None,
    }
}

/// A listener with this accept queue: waiting, limit, dropped.
pub(super) fn listener(local: &str, queue: (u32, u32, u32), pid: u32, process: &str) -> Sketch {
    Sketch {
        state: State::Listen,
        local: local.to_owned(),
        remote: None,
        sent: None,
        queue: Some(queue),
        rates: None,
        ..established(0, pid, process)
    }
}

fn owner((pid, name): (u32, String)) -> Owner {
    let process = Process {
        command_line: known(format!("{name} --serve").into()),
        started_wall_us: known(1_769_860_800_000_000),
        systemd_unit: known(format!("{name}.service").into()),
        ..conns_fixtures::process(pid, &name)
    };
    Owner { process: Arc::new(process), descriptor: Some(3) }
}

impl Sketch {
    pub(super) fn make(&self, cookie: u64) -> Connection {
        let remote = self.remote.as_deref();
        let socket = conns_fixtures::socket(self.protocol, self.state, &self.local, remote);
        let tcp = |bytes_sent| {
            let (total_retrans, data_segs_out) = (3, 100);
            Tcp { rtt_us: 50_000, total_retrans, data_segs_out, bytes_sent, ..Tcp::ZERO }.known()
        };
        let mut socket = Socket {
            inode: known(cookie + 100),
            tcp: self.sent.map_or(Known::Unknown(Unknown::KernelDoesNotReport), tcp),
            ..with_cookie(cookie, socket)
        };
        if let Some((length, limit, drops)) = self.queue {
            socket.accept_queue = known(AcceptQueue { length, limit });
            socket.memory = known(SocketMemory { drops: Some(drops), ..SocketMemory::default() });
        }
        let mut made = conns_fixtures::connection(socket);
        made.owners = match self.owners.clone() {
            Known::Value(owners, source) => {
                let owners: Vec<Owner> = owners.into_iter().map(owner).collect();
                Known::Value(owners.into(), source)
            }
            Known::Unknown(why) => Known::Unknown(why),
            Known::NotApplicable => Known::NotApplicable,
        };
        made.overflows =
            self.queue.map_or(Known::NotApplicable, |(_, _, drops)| known(drops.into()));
        if let Some(name) = self.stream {
            made.application = published(name);
        }
        made.direction = known(Direction::Outbound);
        made.verdict.class = self.class;
        made.verdict.confidence_percent = 80;
        made
    }
}

/// The machine and its agent.
pub(super) struct Machine {
    publish: watch::Sender<Arc<Update>>,
    publish_events: watch::Sender<Arc<EventLog>>,
    caches: Arc<ResponseCaches>,
    pub(super) instance: u64,
    pub(super) sequence: u64,
    serial: u64,
    pub(super) there: Vec<(Sketch, Connection)>,
    closed: Vec<Arc<ClosedConnection>>,
    /// Most of those that closed which are kept.
    pub(super) closed_kept: usize,
    complete_since: u64,
    events: Vec<Arc<Event>>,
    /// Most events kept.
    pub(super) events_kept: usize,
    /// What was lost of events since the start.
    pub(super) events_lost: Vec<Loss>,
    pub(super) losses: Vec<Loss>,
    pub(super) failing: Option<Box<str>>,
    /// Whether it answers in SQL.
    pub(super) sql: bool,
    /// Its transfers to other hosts.
    pub(super) transfers: Vec<Transfer>,
    /// The history that it keeps.
    pub(super) history: Option<Arc<HistoryReader>>,
    now_us: Arc<AtomicU64>,
}

impl Machine {
    /// An agent that has sampled once and seen nothing.
    pub(super) fn new() -> Self {
        let (publish, updates) =
            watch::channel(Arc::new(Update { instance: INSTANCE, ..Update::default() }));
        let log = Arc::new(EventLog::after(INSTANCE, 0));
        let (publish_events, event_logs) = watch::channel(log);
        let mut machine = Self {
            publish,
            publish_events,
            caches: Arc::new(ResponseCaches::new(updates, event_logs)),
            instance: INSTANCE,
            sequence: 0,
            serial: 0,
            there: Vec::new(),
            closed: Vec::new(),
            sql: true,
            transfers: Vec::new(),
            history: None,
            closed_kept: 100,
            complete_since: 0,
            events: Vec::new(),
            events_kept: 100_000,
            events_lost: Vec::new(),
            losses: Vec::new(),
            failing: None,
            now_us: Arc::new(AtomicU64::new(0)),
        };
        machine.update();
        machine
    }

    /// A connection opens with the next update; returns its cookie.
    pub(super) fn open(&mut self, sketch: Sketch) -> u64 {
        self.serial += 1;
        let cookie = self.serial + 1000;
        let mut made = sketch.make(cookie);
        let next = self.sequence + 1;
        made.stats = Stats::new(self.serial, next, self.at(next));
        made.stats.rates =
            sketch.rates.map_or(Known::Unknown(Unknown::NeedsTwoObservations), known);
        self.there.push((sketch, made));
        cookie
    }

    /// It changes with the next update.
    pub(super) fn change(&mut self, cookie: u64, change: impl FnOnce(&mut Sketch)) {
        let next = self.sequence + 1;
        let place = self.there.iter_mut().find(|(_, c)| c.socket.id.cookie == cookie);
        let (sketch, connection) = place.expect("it is there");
        change(sketch);
        let stats = connection.stats;
        *connection = sketch.make(cookie);
        connection.stats = Stats { changed_sequence: next, ..stats };
        connection.stats.rates = sketch.rates.map_or(stats.rates, known);
    }

    /// It closes with the next update.
    pub(super) fn close(&mut self, cookie: u64) {
        let at = self.there.iter().position(|(_, c)| c.socket.id.cookie == cookie);
        let (_, connection) = self.there.remove(at.expect("it is there"));
        let sequence = self.sequence + 1;
        let at = self.at(sequence);
        self.closed.push(Arc::new(ClosedConnection { sequence, at, connection }));
        while self.closed.len() > self.closed_kept {
            self.complete_since = self.closed.remove(0).sequence;
        }
    }

    /// An event of a connection, published with the next update or by `publish_events`; returns its
    /// serial number.
    pub(super) fn happen(&mut self, kind: EventKind, sketch: &Sketch) -> u64 {
        let serial = self.last_event() + 1;
        let at = self.at(self.sequence + 1);
        let mut connection = sketch.make(serial + 500_000);
        if matches!(kind, EventKind::Closed | EventKind::Failed) {
            connection.socket.state = State::Close;
            connection.closed = known(Closed {
                at,
                duration_us: known(1000),
                how: CloseReason::ResetReceived,
                first_closer: known(Closer::Remote),
                fin_received: false,
            });
        }
        self.events.push(Arc::new(Event { serial, at, kind, connection }));
        serial
    }

    /// It closes with the next update, having sent this; its end is an event.
    pub(super) fn end(&mut self, cookie: u64, sent: u64) {
        let place = self.there.iter().find(|(_, c)| c.socket.id.cookie == cookie);
        let sketch = Sketch { sent: Some(sent), ..place.expect("it is there").0.clone() };
        self.close(cookie);
        let (serial, at) = (self.last_event() + 1, self.at(self.sequence + 1));
        let connection = sketch.make(cookie);
        self.events.push(Arc::new(Event { serial, at, kind: EventKind::Closed, connection }));
    }

    fn last_event(&self) -> u64 {
        self.events.last().map_or(0, |event| event.serial)
    }

    fn at(&self, sequence: u64) -> Moment {
        let us = sequence * SECOND_US;
        Moment { monotonic_us: us, wall_us: 1_800_000_000_000_000 + i64::try_from(us).unwrap() }
    }

    /// Publishes the next update.
    pub(super) fn update(&mut self) {
        self.sequence += 1;
        let forgotten = self.events.len().saturating_sub(self.events_kept);
        self.events.drain(..forgotten);
        let at = self.at(self.sequence);
        self.now_us.store(at.monotonic_us, Ordering::Relaxed);
        self.publish_events();
        self.publish();
    }

    /// Publishes the events so far, without an update.
    pub(super) fn publish_events(&self) {
        let dropped = self.events.first().map_or(0, |event| event.serial - 1);
        let mut log = EventLog::after(self.instance, dropped);
        log.append(self.events.iter().cloned());
        log.losses = self.events_lost.clone().into();
        self.publish_events.send_replace(Arc::new(log));
    }

    /// Publishes the state as an update without a new sample.
    pub(super) fn publish(&self) {
        let connections = self.there.iter().map(|(_, connection)| connection.clone()).collect();
        let snapshot = Snapshot {
            losses: self.losses.clone(),
            ..snapshot(self.sequence, self.at(self.sequence), connections)
        };
        let missing = Some("no CAP_NET_ADMIN".into());
        self.publish.send_replace(Arc::new(Update {
            instance: self.instance,
            snapshot: Arc::new(snapshot),
            closed: self.closed.clone().into(),
            closed_complete_since: self.complete_since,
            transfers: self.transfers.clone().into(),
            health: Health {
                started: self.at(0),
                interval_us: SECOND_US,
                samples: self.sequence,
                lateness_us: 1500,
                lateness_max_us: 2500,
                samples_skipped: 1,
                failing: self.failing.clone(),
                abilities: vec![Ability::tried(
                    AbilityKind::named("marks", "firewall marks"),
                    missing,
                )],
                reconciliation_differences: 0,
                losses: [
                    &self.events_lost[..],
                    &[Loss {
                        source: Source::Derived,
                        cause: LossCause::EventsNotPublished { capacity: 4096 },
                        count: 4,
                    }],
                ]
                .concat(),
                lost_at: None,
                cost: Cost {
                    cpu_us: 2_000_000,
                    sample_cpu_us: 3000,
                    resident_bytes: 30_000_000,
                    resident_peak_bytes: 40_000_000,
                },
            },
            ..Update::default()
        }));
    }

    /// The latest update.
    pub(super) fn latest(&self) -> Arc<Update> {
        Arc::clone(self.caches.latest().update())
    }

    /// The latest events.
    pub(super) fn latest_events(&self) -> Arc<EventLog> {
        self.caches.event_log()
    }

    /// Time passes without a sample.
    pub(super) fn pass(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap();
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    /// A client of its API.
    pub(super) fn client(&self) -> Client {
        let now_us = Arc::clone(&self.now_us);
        let about = About {
            version: "1.2.3-test".to_owned(),
            metrics_top: 10,
            sql: self.sql,
            history: self.history.clone(),
            privileges: Arc::new(|| json!({ "uid": 65534 })),
            now: Arc::new(move || Moment {
                monotonic_us: now_us.load(Ordering::Relaxed),
                wall_us: 0,
            }),
            refusals: Arc::default(),
        };
        let refusals = Arc::clone(&about.refusals);
        Client(router(Shared {
            caches: Arc::clone(&self.caches),
            about,
            clients: Arc::new(AtomicUsize::new(5)),
            counts: Arc::default(),
            pool: Arc::default(),
            streams: Arc::new(StreamSlots::new(Arc::default(), refusals)),
        }))
    }

    /// The id of this cookie's connection.
    pub(super) fn id(cookie: u64) -> String {
        format!("{NETNS}-{cookie}")
    }
}

/// A client without a network between.
#[derive(Clone)]
pub(super) struct Client(Router);

/// A whole answer.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Whole {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub(super) async fn ask(&self, request: Request) -> http::Response<Body> {
        self.0.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn whole(&self, request: Request) -> Whole {
        let (head, body) = self.ask(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Whole { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Whole {
        self.whole(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// The answer to a POST.
    pub(super) async fn post(&self, path: &str, body: impl Into<Body>) -> Whole {
        self.whole(Request::post(path).body(body.into()).unwrap()).await
    }

    /// The JSON of a good answer.
    pub(super) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }
}

/// A query parameter's value, escaped.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

//! Random interleavings of samples and events, against a simple model of the sockets of a machine.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conns_core::model::{
    CloseReason, Closed, Closer, Connection, Direction, EventKind, Known, LifecycleEvent, Moment,
    Observation, Opened, OwnerTable, SocketSample, Source, State, Subject, Unknown,
};
use conns_core::track::Tracker;
use conns_fixtures::{Tcp, established, known, owner_table, process, tracker, with_cookie};
use proptest::prelude::*;

/// Cookies that are used; few, so that they are reused often.
const COOKIES: u64 = 5;
/// Time between two steps; more than the delay within which a sample counts as older than an event.
const STEP_US: u64 = 200_000;

#[derive(Debug, Clone)]
enum Step {
    /// A socket is opened, with a kernel counter that starts anywhere; whether the event reaches the
    /// tracker.
    Open { cookie: u64, segments: u32, reported: bool },
    /// Bytes and segments move.
    Move { cookie: u64, bytes: u32, segments: u32 },
    /// A process takes the socket over.
    Own { cookie: u64, pid: u32 },
    /// A socket is closed, with or without TIME-WAIT; whether the event reaches the tracker.
    Close { cookie: u64, waits: bool, reported: bool },
    /// TIME-WAIT ends.
    Expire { cookie: u64 },
    /// The events since the last delivery are applied.
    Deliver,
    /// A sample; with second rows of the same sockets or not.
    Sample { doubled: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let cookie = 0..COOKIES;
    prop_oneof![
        2 => (cookie.clone(), any::<u32>(), any::<bool>())
            .prop_map(|(cookie, segments, reported)| Step::Open { cookie, segments, reported }),
        3 => (cookie.clone(), 0..1_000_000_u32, 0..(1_u32 << 30))
            .prop_map(|(cookie, bytes, segments)| Step::Move { cookie, bytes, segments }),
        1 => (cookie.clone(), 100..103_u32).prop_map(|(cookie, pid)| Step::Own { cookie, pid }),
        2 => (cookie.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(cookie, waits, reported)| Step::Close { cookie, waits, reported }),
        1 => cookie.prop_map(|cookie| Step::Expire { cookie }),
        2 => Just(Step::Deliver),
        4 => any::<bool>().prop_map(|doubled| Step::Sample { doubled }),
    ]
}

/// A connection of the model.
#[derive(Debug, Clone)]
struct Model {
    number: u64,
    state: State,
    bytes: u64,
    segments: u64,
    /// Segments since the last sample: the tracker recognises a wrap only below 2^31.
    unsampled: u64,
    owner: Option<u32>,
    opened_at: Moment,
    is_sampled: bool,
    /// Whether the tracker has seen it open, by a sample or an event.
    is_known: bool,
    /// The tracker cannot know that it is another connection than the one before on its socket.
    is_ambiguous: bool,
    was_closed_by_event: bool,
}

/// The machine, and what its tracker has published.
struct Machine {
    tracker: Tracker,
    now_us: u64,
    numbers: u64,
    sockets: BTreeMap<u64, Model>,
    /// Sockets of which the tracker may have a connection that it does not know to have ended, with
    /// the last snapshot that had it.
    unfinished: BTreeMap<u64, u64>,
    undelivered: Vec<LifecycleEvent>,
    owners: Arc<OwnerTable>,
    /// Serial, and number in the model, of each socket in the last snapshot.
    last: BTreeMap<u64, (u64, u64)>,
    sequence: u64,
    events: u64,
    highest_serial: u64,
    /// The serials in all snapshots.
    used: BTreeSet<u64>,
    /// Serials of connections that an event reported closed.
    closed: BTreeSet<u64>,
}

impl Machine {
    fn new() -> Self {
        Self {
            tracker: tracker(),
            now_us: 1_000_000,
            numbers: 0,
            sockets: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            undelivered: Vec::new(),
            owners: Arc::default(),
            last: BTreeMap::new(),
            sequence: 0,
            events: 0,
            highest_serial: 0,
            used: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }

    fn now(&self) -> Moment {
        Moment { monotonic_us: self.now_us, wall_us: 0 }
    }

    fn step(&mut self, step: &Step) {
        self.now_us += STEP_US;
        let now = self.now();
        match *step {
            Step::Open { cookie, segments, reported } => self.open(cookie, segments, reported),
            Step::Move { cookie, bytes, segments } => {
                if let Some(one) = self.sockets.get_mut(&cookie)
                    && one.state == State::Established
                    && one.unsampled + u64::from(segments) < 1 << 31
                {
                    one.bytes += u64::from(bytes);
                    one.segments += u64::from(segments);
                    one.unsampled += u64::from(segments);
                }
            }
            Step::Own { cookie, pid } => {
                if let Some(one) = self.sockets.get_mut(&cookie)
                    && one.state == State::Established
                {
                    one.owner = Some(pid);
                    self.owners = self.owner_table();
                }
            }
            Step::Close { cookie, waits, reported } => self.close(cookie, waits, reported, now),
            Step::Expire { cookie } => {
                if self.sockets.get(&cookie).is_some_and(|one| one.state == State::TimeWait) {
                    self.sockets.remove(&cookie);
                }
            }
            Step::Deliver => self.deliver(),
            Step::Sample { doubled } => self.sample(doubled),
        }
    }

    fn open(&mut self, cookie: u64, segments: u32, reported: bool) {
        if self.sockets.contains_key(&cookie) {
            return;
        }
        self.numbers += 1;
        let one = Model {
            number: self.numbers,
            state: State::Established,
            bytes: 0,
            segments: segments.into(),
            unsampled: 0,
            owner: None,
            opened_at: self.now(),
            is_sampled: false,
            is_known: reported,
            is_ambiguous: self.unfinished.contains_key(&cookie),
            was_closed_by_event: false,
        };
        if reported {
            self.undelivered.push(LifecycleEvent {
                at: self.now(),
                kind: EventKind::Opened,
                socket: row(cookie, &one),
                direction: Known::Value(Direction::Inbound, Source::Ebpf),
                opened: opened(one.opened_at),
                closed: Known::NotApplicable,
            });
        }
        self.unfinished.insert(cookie, self.sequence);
        self.sockets.insert(cookie, one);
    }

    fn close(&mut self, cookie: u64, waits: bool, reported: bool, now: Moment) {
        let Some(mut one) = self.sockets.get(&cookie).cloned() else { return };
        if one.state != State::Established {
            return;
        }
        one.state = State::Close;
        if reported {
            let first_closer = if waits { Closer::Local } else { Closer::Remote };
            let closed = Closed {
                at: now,
                duration_us: Known::Unknown(Unknown::BeganBefore),
                how: CloseReason::Fin,
                first_closer: Known::Value(first_closer, Source::Ebpf),
                fin_received: false,
            };
            self.undelivered.push(LifecycleEvent {
                at: now,
                kind: EventKind::Closed,
                socket: row(cookie, &one),
                direction: Known::Unknown(Unknown::BeganBefore),
                opened: opened(one.opened_at),
                closed: Known::Value(closed, Source::Ebpf),
            });
            self.unfinished.remove(&cookie);
            one.was_closed_by_event = true;
        } else {
            // Its TIME-WAIT looks like that of the connection before.
            one.is_ambiguous |= !one.is_known;
        }
        if waits {
            one.state = State::TimeWait;
            one.owner = None;
            self.sockets.insert(cookie, one);
        } else {
            self.sockets.remove(&cookie);
        }
        self.owners = self.owner_table();
    }

    fn owner_table(&self) -> Arc<OwnerTable> {
        owner_table(self.sockets.iter().filter_map(|(cookie, one)| {
            let id = row(*cookie, one).id;
            Some((Subject::Socket(id), process(one.owner?, "server"), 3))
        }))
    }

    /// Applies the events, and checks what is published of them.
    fn deliver(&mut self) {
        let events = std::mem::take(&mut self.undelivered);
        let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.socket.id)).collect();
        self.tracker.apply_events(events);
        let published = self.tracker.take_events();
        assert_eq!(published.len(), kinds.len());
        for (event, (kind, socket)) in published.iter().zip(kinds) {
            self.events += 1;
            assert_eq!(event.serial, self.events);
            assert_eq!((event.kind, event.connection.socket.id), (kind, socket));
            let serial = event.connection.stats.serial;
            self.highest_serial = self.highest_serial.max(serial);
            if kind == EventKind::Closed {
                assert!(event.connection.closed.value().is_some());
                assert!(self.closed.insert(serial), "connection {serial} is closed twice");
            }
            check_values(&event.connection);
        }
    }

    /// Takes a sample, and checks the snapshot.
    fn sample(&mut self, doubled: bool) {
        // Events are read before each sample.
        self.deliver();
        // Wraps before the first sample are not recognisable.
        for one in self.sockets.values_mut().filter(|one| !one.is_sampled) {
            one.segments %= 1 << 32;
        }
        let mut rows: Vec<SocketSample> =
            self.sockets.iter().map(|(cookie, one)| row(*cookie, one)).collect();
        if doubled {
            let second = rows.clone().into_iter().map(|mut row| {
                row.state = State::CloseWait;
                row
            });
            rows.extend(second);
        }
        let observation = Observation::new(Source::Ebpf, self.now())
            .with_sockets(rows)
            .with_owners(Arc::clone(&self.owners));
        let snapshot = self.tracker.apply(vec![observation]);
        self.sequence += 1;
        assert_eq!(snapshot.sequence, self.sequence);
        assert_eq!(snapshot.losses, []);
        let cookies: Vec<u64> = snapshot.connections.iter().map(|c| c.socket.id.cookie).collect();
        let expected: Vec<u64> = self.sockets.keys().copied().collect();
        assert_eq!(cookies, expected, "each socket is listed once");
        let mut shown = BTreeMap::new();
        for seen in &snapshot.connections {
            let cookie = seen.socket.id.cookie;
            let one = &self.sockets[&cookie];
            check_values(seen);
            self.check(seen, one, self.last.get(&cookie));
            self.highest_serial = self.highest_serial.max(seen.stats.serial);
            shown.insert(cookie, (seen.stats.serial, one.number));
        }
        let serials: BTreeSet<u64> = shown.values().map(|(serial, _)| *serial).collect();
        assert_eq!(serials.len(), shown.len(), "no serial is used twice");
        let mut ended: Vec<u64> = self
            .last
            .iter()
            .filter(|(_, (serial, _))| !serials.contains(serial))
            .map(|(cookie, _)| *cookie)
            .collect();
        let mut removed: Vec<u64> = self.tracker.removed().iter().map(|r| r.id.cookie).collect();
        ended.sort_unstable();
        removed.sort_unstable();
        assert_eq!(removed, ended, "each connection is removed once");
        self.used.extend(serials);
        self.last = shown;
        for one in self.sockets.values_mut() {
            one.unsampled = 0;
            (one.is_sampled, one.is_known) = (true, true);
        }
        // Connections that only events reported are kept for some samples.
        let (sockets, sequence) = (&self.sockets, self.sequence);
        self.unfinished.retain(|cookie, last| {
            if sockets.contains_key(cookie) {
                *last = sequence;
            }
            *last + 3 >= sequence
        });
    }

    fn check(&self, seen: &Connection, one: &Model, last: Option<&(u64, u64)>) {
        let (stats, state) = (seen.stats, seen.socket.state);
        assert_eq!(state, one.state);
        assert_eq!(seen.bytes_out().get(), (state == State::Established).then_some(one.bytes));
        match last {
            Some((serial, number)) if *number == one.number => assert_eq!(stats.serial, *serial),
            Some((serial, _)) if !one.is_ambiguous => assert_ne!(stats.serial, *serial),
            Some(_) => {}
            None => assert!(!self.used.contains(&stats.serial), "a serial is given twice"),
        }
        if let Some(pid) = one.owner {
            let pids: Vec<u32> =
                seen.owners.value().unwrap().iter().map(|owner| owner.process.pid).collect();
            assert_eq!(pids, [pid]);
        }
        if one.was_closed_by_event && !one.is_ambiguous {
            assert!(seen.closed.value().is_some(), "{seen:?}");
        }
        if state == State::Established && !one.is_ambiguous {
            assert_eq!(seen.closed, Known::NotApplicable);
            let widened = seen.totals.map(|totals| totals.segments_out);
            let kernel = u64::from(seen.tcp().unwrap().data_segs_out().unwrap());
            assert_eq!(widened.unwrap_or(kernel), one.segments);
            assert!(seen.verdict.evidence.segments_out <= one.segments);
        }
        assert!(stats.changed_sequence <= self.sequence && stats.first_sequence <= self.sequence);
        if one.unsampled > 0 {
            assert_eq!(stats.changed_sequence, self.sequence);
        }
    }

    /// Closes everything, and checks that nothing is kept.
    fn finish(&mut self) {
        self.deliver();
        self.sockets.clear();
        for _ in 0..4 {
            self.now_us += STEP_US;
            self.sample(false);
        }
        assert!(self.tracker.removed().is_empty());
        for cookie in 0..COOKIES {
            let one = Model {
                number: 0,
                state: State::Close,
                bytes: 0,
                segments: 0,
                unsampled: 0,
                owner: None,
                opened_at: self.now(),
                is_sampled: false,
                is_known: false,
                is_ambiguous: false,
                was_closed_by_event: true,
            };
            self.tracker.apply_events(vec![LifecycleEvent {
                at: self.now(),
                kind: EventKind::Closed,
                socket: row(cookie, &one),
                direction: Known::Unknown(Unknown::BeganBefore),
                opened: Known::Unknown(Unknown::BeganBefore),
                closed: Known::Unknown(Unknown::BeganBefore),
            }]);
            let event = self.tracker.take_events().remove(0);
            assert!(event.connection.opened.value().is_none(), "{cookie} is still known");
            assert!(event.connection.stats.serial > self.highest_serial);
            self.highest_serial = event.connection.stats.serial;
        }
    }
}

fn check_values(seen: &Connection) {
    if let Some(rates) = seen.stats.rates.get() {
        for rate in [rates.out_bytes_per_s, rates.in_bytes_per_s] {
            assert!(rate.is_finite() && rate >= 0.0, "{rates:?}");
        }
    }
    if let Some(loss) = seen.loss_percent().get() {
        assert!((0.0..=100.0).contains(&loss), "{loss}");
    }
    assert!(seen.verdict.confidence_percent <= 100);
}

fn opened(at: Moment) -> Known<Arc<Opened>> {
    let unknown = Known::Unknown(Unknown::NothingMeasured);
    let by = Known::Value(Arc::new(process(77, "curl")), Source::Ebpf);
    let opened = Opened { at, handshake_us: unknown, first_use_us: unknown, by };
    Known::Value(Arc::new(opened), Source::Ebpf)
}

fn row(cookie: u64, one: &Model) -> SocketSample {
    let mut row = with_cookie(cookie, established("10.0.0.1:443", "10.0.0.2:50000"));
    (row.source, row.state) = (Source::Ebpf, one.state);
    (row.inode, row.tcp) = if one.state == State::TimeWait {
        (Known::NotApplicable, Known::NotApplicable)
    } else {
        // The kernel's counter has 32 bits.
        let data_segs_out = one.segments as u32;
        let tcp = Tcp { data_segs_out, bytes_sent: one.bytes, length: 248, ..Tcp::ZERO };
        (known(cookie), tcp.known())
    };
    row.into()
}

proptest! {
    #[test]
    fn the_tracker_agrees_with_a_simple_model(steps in prop::collection::vec(step(), 1..80)) {
        let mut machine = Machine::new();
        for step in &steps {
            machine.step(step);
        }
        machine.finish();
    }
}

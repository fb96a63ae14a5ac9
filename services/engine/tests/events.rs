//! Events from a source that a test fills: published by the sampler, and followed. All of it runs
//! on a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "fixture/sources.rs"]
mod fixture;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conns_contract::{Clock, Namespaces, ReplayClock, Scope};
use conns_core::model::{
    Ability, AbilityKind, DroppedEvents, EventKind, EventLog, Known, LifecycleEvent, Loss,
    LossCause, SocketSample, Source, State, Unknown, Update,
};
use conns_core::track::Retention;
use conns_engine::{Engine, Follower, MIN_INTERVAL, Sampler, Sources};

use fixture::{Ring, Shared, Table, closed, opened, socket, unowned};

/// The names of the threads.
const SAMPLER: &str = "sampler";
const DRAIN: &str = "event-drain";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct Fixture {
    clock: Arc<ReplayClock>,
    table: Shared<Table>,
    fallback: Shared<Table>,
    ring: Shared<Ring>,
}

/// A sampler with its thread, which ends when this is dropped.
struct Running<'a> {
    sampler: Sampler,
    fixture: &'a Fixture,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.fixture.ring.close();
    }
}

impl Running<'_> {
    /// Lets this much time pass.
    fn run(&self, span: Duration) {
        self.fixture.clock.run(SAMPLER, span);
    }

    /// Lets the thread do what it has to do now.
    fn settle(&self) {
        self.fixture.clock.settle(SAMPLER);
    }

    fn update(&self) -> Arc<Update> {
        Arc::clone(&self.sampler.updates().borrow())
    }

    fn log(&self) -> Arc<EventLog> {
        Arc::clone(&self.sampler.events().borrow())
    }
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ReplayClock::at(conns_fixtures::at(1)));
        let ring = Shared::<Ring>::default();
        ring.set(|ring| ring.clock = Some(Arc::clone(&clock)));
        Self { clock, table: Shared::default(), fallback: Shared::default(), ring }
    }

    fn engine_of(&self, sources: Sources) -> Engine {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Engine::new(sources, Retention::Window(Duration::from_secs(5)), clock)
    }

    fn engine_without_events(&self) -> Engine {
        let mut sources = Sources::of(Box::new(self.table.clone()));
        sources.fallback = Some(Box::new(self.fallback.clone()));
        let missing = Some("this test has none".into());
        sources.abilities = vec![
            Ability::tried(AbilityKind::EbpfTables, None),
            Ability::tried(AbilityKind::EbpfEvents, missing),
        ];
        self.engine_of(sources)
    }

    fn engine(&self) -> Engine {
        let mut sources = Sources::of(Box::new(self.table.clone()));
        sources.events = Some(Box::new(self.ring.clone()));
        self.engine_of(sources)
    }

    fn start(&self, engine: Engine, interval: Duration) -> Running<'_> {
        let mut sampler = Sampler::open(engine, interval).unwrap();
        sampler.start().unwrap();
        let running = Running { sampler, fixture: self };
        running.settle();
        running
    }

    fn show(&self, rows: Vec<SocketSample>) {
        self.table.set(|table| table.rows = rows);
    }

    fn report(&self, lifecycle_events: Vec<LifecycleEvent>) {
        self.ring.fill(|ring| ring.lifecycle_events.extend(lifecycle_events));
    }

    fn lose(&self, count: u64) {
        self.ring.fill(|ring| ring.losses = vec![lost(count)]);
    }
}

fn lost(count: u64) -> Loss {
    let cause = LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: 1 << 20 };
    Loss { source: Source::Ebpf, cause, count }
}

#[test]
fn an_event_is_published_at_once_after_a_quiet_time_and_within_20_ms_after_another() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), Duration::from_secs(20));
    running.run(Duration::from_secs(7));
    fixture.report(vec![opened(1)]);
    running.settle();
    assert_eq!(running.log().last_serial(), 1);
    fixture.report(vec![opened(2)]);
    running.run(ms(19));
    assert_eq!(running.log().last_serial(), 1);
    running.run(ms(1));
    assert_eq!(running.log().last_serial(), 2);
    // No sample was due yet.
    assert_eq!(running.update().health.samples, 1);
    running.run(Duration::from_secs(13));
    assert_eq!(running.update().health.samples, 2);
}

#[test]
fn events_are_published_within_50_ms_at_any_moment_of_the_interval() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), Duration::from_secs(20));
    // 37 ms is coprime to all intervals of the sampler.
    for serial in 1..=700 {
        fixture.report(vec![opened(serial)]);
        running.run(ms(37));
        assert!(running.log().last_serial() + 1 >= serial);
        running.run(ms(13));
        assert_eq!(running.log().last_serial(), serial);
    }
    assert_eq!(running.update().health.samples, 2);
}

#[test]
fn events_are_published_while_every_sample_fails() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    fixture.table.set(|table| table.fails = true);
    for serial in 1..=50 {
        fixture.report(vec![opened(serial), closed(serial)]);
        running.run(ms(50));
        assert_eq!(running.log().last_serial(), 2 * serial);
    }
    let update = running.update();
    assert_eq!((update.snapshot.sequence, update.health.samples), (1, 26));
    assert!(update.health.failing.is_some());
}

#[test]
fn events_are_published_while_a_sample_lasts() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    // The next sample takes a second, in which 2000 events are reported every 10 ms.
    let (clock, ring) = (Arc::clone(&fixture.clock), fixture.ring.clone());
    let mut events = running.sampler.events();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let publications = Arc::clone(&seen);
    let mut is_first = true;
    fixture.table.set(|table| {
        table.during = Some(Box::new(move || {
            if !std::mem::take(&mut is_first) {
                return;
            }
            let mut reported = 0;
            for _ in 0..100 {
                ring.fill(|ring| ring.lifecycle_events.extend((0..2000).map(opened)));
                reported += 2000;
                clock.run(DRAIN, ms(10));
                let log = Arc::clone(&events.borrow_and_update());
                publications.lock().unwrap().push((reported, log.last_serial(), log.len()));
            }
        }));
    });
    running.run(ms(100));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 100);
    for (reported, published, buffered) in seen.iter() {
        // Drained every 20 ms, in which 4000 are reported.
        assert!(published + 4000 > *reported, "{published} of {reported}");
        assert!(*buffered <= 131_072);
    }
    running.run(ms(50));
    assert_eq!(running.log().last_serial(), 200_000);
    assert!(running.log().losses.is_empty());
}

#[test]
fn a_connection_that_opens_and_closes_while_a_sample_lasts_is_known_to_the_next() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    let (clock, ring) = (Arc::clone(&fixture.clock), fixture.ring.clone());
    let mut is_first = true;
    fixture.table.set(|table| {
        table.during = Some(Box::new(move || {
            if std::mem::take(&mut is_first) {
                ring.fill(|ring| ring.lifecycle_events.extend([opened(1), closed(1)]));
                clock.run(DRAIN, ms(20));
            }
        }));
    });
    running.run(MIN_INTERVAL);
    assert_eq!(running.log().last_serial(), 2);
    assert!(running.update().snapshot.connections.is_empty());
    fixture.show(vec![unowned(1, State::TimeWait)]);
    running.run(MIN_INTERVAL);
    let connection = running.update().snapshot.connections[0].clone();
    assert_eq!(connection.closed.get().unwrap().duration_us.get(), Some(5));
    assert_eq!(connection.stats.serial, 1);
}

#[test]
fn every_event_is_published_once_and_in_order() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    let mut seen = 0;
    for turn in 1..=20 {
        for cookie in 0..500 {
            fixture.report(vec![opened(turn * 1000 + cookie), closed(turn * 1000 + cookie)]);
        }
        running.run(MIN_INTERVAL);
        for event in running.log().since(seen).unwrap() {
            assert_eq!(event.serial, seen + 1);
            seen = event.serial;
        }
        assert_eq!(seen, turn * 1000);
    }
    assert!(running.log().since(seen + 1).is_none());
    assert_eq!(running.update().health.losses, []);
    // After the retention, a late reader finds the last ones, and sees that they are not all.
    running.run(Duration::from_secs(3));
    let log = running.log();
    assert!((1024..1024 + 1024).contains(&log.len()));
    assert!(log.since(0).is_none() && log.since(seen - 1000).is_some());
}

#[test]
fn a_source_with_more_than_one_batch_is_drained_until_it_has_no_more() {
    let fixture = Fixture::new();
    fixture.ring.set(|ring| ring.batch = Some(10_000));
    fixture.report((0..45_000).map(opened).collect());
    let sampler = Sampler::open(fixture.engine(), MIN_INTERVAL).unwrap();
    assert_eq!(sampler.events().borrow().len(), 45_000);
}

#[test]
fn an_idle_source_is_hardly_read_and_a_storm_is_drained_every_20_ms() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), Duration::from_secs(3600));
    let counts = || fixture.ring.set(|ring| (ring.waits, ring.drains));
    let (waits, drains) = counts();
    running.run(Duration::from_secs(10));
    // The programs in the kernel wake no reader for a few events, so the ring is polled every 50 ms.
    assert_eq!(counts(), (waits + 200, drains));
    let (_, drains) = counts();
    for _ in 0..5000 {
        fixture.report(vec![opened(2)]);
        running.run(Duration::from_micros(100));
    }
    // At once, and then every 20 ms of the 500.
    assert_eq!(counts().1 - drains, 26);
}

#[test]
fn losses_of_the_source_add_up_by_cause() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    for count in 1..=3 {
        fixture.lose(2);
        running.run(ms(50));
        assert_eq!(*running.log().losses, [lost(2 * count)]);
    }
    running.run(MIN_INTERVAL);
    assert_eq!(running.update().health.losses, [lost(6)]);
}

#[test]
fn a_closed_connection_is_buffered_as_its_event_shows_it_when_it_leaves_the_table() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine(), MIN_INTERVAL);
    fixture.report(vec![opened(1)]);
    fixture.show(vec![socket(1)]);
    running.run(MIN_INTERVAL);
    let open = running.update().snapshot.connections[0].clone();
    fixture.report(vec![closed(1)]);
    fixture.show(vec![unowned(1, State::TimeWait)]);
    running.run(MIN_INTERVAL);
    assert!(running.update().snapshot.connections[0].closed.value().is_some());
    fixture.show(vec![]);
    running.run(MIN_INTERVAL);
    let update = running.update();
    let closed = &update.closed[0];
    assert_eq!(closed.connection.stats.serial, open.stats.serial);
    assert_eq!(closed.connection.closed.get().unwrap().duration_us.get(), Some(5));
    // As the closed event has it, not as the row in TIME-WAIT.
    assert_eq!(closed.connection.socket.state, State::Close);
}

#[test]
fn without_an_event_source_events_are_derived_from_samples_and_a_loss_reports_it() {
    let fixture = Fixture::new();
    fixture.show(vec![socket(1), unowned(9, State::TimeWait)]);
    let running = fixture.start(fixture.engine_without_events(), MIN_INTERVAL);
    // 2 opens, 3 is in its handshake, 4 opened and closed in between; 1 is removed, and so is 9,
    // which was closed before.
    fixture.show(vec![socket(2), unowned(3, State::SynSent), unowned(4, State::TimeWait)]);
    running.run(MIN_INTERVAL);
    fixture.show(vec![unowned(2, State::TimeWait), socket(3)]);
    running.run(MIN_INTERVAL);
    fixture.show(vec![]);
    running.run(MIN_INTERVAL);
    let log = running.log();
    let events: Vec<_> = log
        .iter()
        .map(|event| (event.serial, event.kind, event.connection.socket.id.cookie))
        .collect();
    use EventKind::{Closed, Opened};
    assert_eq!(
        events,
        [
            (1, Closed, 1),
            (2, Opened, 2),
            (3, Opened, 4),
            (4, Closed, 4),
            (5, Closed, 2),
            (6, Opened, 3),
            (7, Closed, 3)
        ]
    );
    let closed = &log.iter().next().unwrap().connection.closed;
    assert_eq!(*closed, Known::Unknown(Unknown::SourceDoesNotReport));
    let update = running.update();
    let [loss] = &update.health.losses[..] else { panic!("{:?}", update.health.losses) };
    assert!(loss.to_string().contains("this test has none"), "{loss}");
    assert_eq!(*log.losses, update.health.losses[..]);
    assert_eq!(update.snapshot.losses, []);
}

#[test]
fn tables_that_fail_are_replaced_for_good_and_every_snapshot_reports_it() {
    let fixture = Fixture::new();
    fixture.show(vec![socket(1)]);
    fixture.fallback.set(|table| table.rows = vec![socket(2)]);
    let mut engine = fixture.engine_without_events();
    let everything = Scope::everything();
    let cookie = |snapshot: &conns_core::model::Snapshot| snapshot.connections[0].socket.id.cookie;
    assert_eq!(cookie(&engine.sample_once(&everything).unwrap()), 1);
    fixture.table.set(|table| table.fails = true);
    for _ in 0..3 {
        let snapshot = engine.sample_once(&everything).unwrap();
        assert_eq!(cookie(&snapshot), 2);
        assert!(snapshot.losses[0].to_string().contains("read the table"), "{:?}", snapshot.losses);
        // It works again, but is not used again.
        fixture.table.set(|table| table.fails = false);
    }
    assert_eq!(fixture.table.lock().scopes.len(), 2);
    let abilities = engine.abilities();
    let tables = abilities.iter().find(|ability| ability.kind == AbilityKind::EbpfTables).unwrap();
    assert!(tables.missing.as_ref().unwrap().to_string().contains("netlink from now on"));
    fixture.fallback.set(|table| table.fails = true);
    let error = engine.sample_once(&everything).unwrap_err().to_string();
    assert_eq!(error.matches("read the table").count(), 2, "{error}");
}

#[test]
fn the_fallback_reads_the_scopes_that_the_tables_delegate() {
    let fixture = Fixture::new();
    let only_udp = Scope { tcp: false, mptcp: false, ..Scope::everything() };
    fixture.table.set(|table| {
        table.rows = vec![socket(1)];
        table.delegated = vec![only_udp.clone()];
    });
    fixture.fallback.set(|table| table.rows = vec![socket(1), socket(2)]);
    let snapshot = fixture.engine_without_events().sample_once(&Scope::everything()).unwrap();
    let cookies: Vec<_> = snapshot.connections.iter().map(|c| c.socket.id.cookie).collect();
    assert_eq!(cookies, [1, 2]);
    // The row of the tables counts towards the bound.
    let rest = Scope { max_sockets: usize::MAX - 1, ..only_udp };
    assert_eq!(fixture.fallback.lock().scopes, [rest]);
}

#[test]
fn every_snapshot_has_the_identity_of_the_machine() {
    let fixture = Fixture::new();
    let mut engine = fixture.engine();
    let once = engine.sample_once(&Scope::everything()).unwrap();
    let running = fixture.start(engine, MIN_INTERVAL);
    running.run(MIN_INTERVAL);
    let update = running.update();
    assert_eq!(update.snapshot.sequence, 3);
    assert!(Arc::ptr_eq(&once.machine, &update.snapshot.machine));
    #[cfg(unix)]
    assert!(once.machine.host.value().is_some());
}

#[test]
fn changes_since_a_snapshot_are_what_a_walk_over_all_connections_finds() {
    let fixture = Fixture::new();
    let running = fixture.start(fixture.engine_without_events(), MIN_INTERVAL);
    // In each snapshot some sockets appear, some disappear, and some change their state.
    for step in 0..40_u64 {
        let there = (0..60_u64).filter(|cookie| (cookie * 7 + step) % 11 > 2);
        let state = |cookie: u64| match (cookie * 5 + step / 3) % 4 {
            0 => State::CloseWait,
            1 => State::FinWait1,
            _ => State::Established,
        };
        let rows = there.map(|cookie| {
            let mut row = socket(cookie + 1);
            row.state = state(cookie);
            row
        });
        fixture.show(rows.collect());
        running.run(MIN_INTERVAL);
        let update = running.update();
        let all = || update.snapshot.connections.iter();
        let serials = |connections: &[&conns_core::model::Connection]| {
            connections.iter().map(|c| c.stats.serial).collect::<Vec<_>>()
        };
        for sequence in update.closed_complete_since..=update.snapshot.sequence {
            let changes = update.changes_since(sequence).unwrap();
            let mut opened: Vec<_> = all().filter(|c| c.stats.first_sequence > sequence).collect();
            opened.sort_by_key(|connection| connection.stats.serial);
            let is_updated = |c: &&conns_core::model::Connection| {
                c.stats.first_sequence <= sequence && c.stats.changed_sequence > sequence
            };
            let updated: Vec<_> = all().filter(is_updated).collect();
            assert_eq!(serials(&changes.opened), serials(&opened));
            assert_eq!(serials(&changes.updated), serials(&updated));
            let closed = update.closed.iter().filter(|closed| closed.sequence > sequence).count();
            assert_eq!(changes.closed.len(), closed);
        }
        assert!(update.changes_since(update.snapshot.sequence + 1).is_none());
    }
}

/// The cookies and kinds of the next events.
fn follow(follower: &mut Follower, scope: &Scope, at_most: Duration) -> Vec<(u64, EventKind)> {
    let batch = follower.follow(scope, at_most).unwrap();
    batch.events.iter().map(|e| (e.connection.socket.id.cookie, e.kind)).collect()
}

#[test]
fn following_returns_with_the_first_event_or_at_the_end_of_the_time() {
    let fixture = Fixture::new();
    let (mut follower, scope) = (Follower::new(fixture.engine()), Scope::everything());
    let start = fixture.clock.now();
    assert_eq!(follow(&mut follower, &scope, ms(100)), []);
    assert_eq!(fixture.clock.now().since(start), ms(100));
    let ring = fixture.ring.clone();
    fixture.clock.schedule(ms(70), move || {
        ring.fill(|ring| ring.lifecycle_events.extend([opened(1), closed(1)]));
    });
    let events = follow(&mut follower, &scope, Duration::from_secs(20));
    assert_eq!(events, [(1, EventKind::Opened), (1, EventKind::Closed)]);
    assert_eq!(fixture.clock.now().since(start), ms(170));
    // While there are many, they are gathered for 50 ms.
    fixture.report(vec![opened(2)]);
    assert_eq!(follow(&mut follower, &scope, Duration::from_secs(20)).len(), 1);
    assert_eq!(fixture.clock.now().since(start), ms(220));
    fixture.lose(3);
    assert_eq!(follower.follow(&scope, Duration::from_secs(20)).unwrap().losses, [lost(3)]);
    assert_eq!(follower.follow(&scope, Duration::ZERO).unwrap().losses, []);
}

#[test]
fn following_drains_events_while_a_sample_lasts() {
    let fixture = Fixture::new();
    let (clock, ring) = (Arc::clone(&fixture.clock), fixture.ring.clone());
    fixture.table.set(|table| {
        table.during = Some(Box::new(move || {
            ring.fill(|ring| ring.lifecycle_events.extend((4..=6).map(opened)));
            clock.run(DRAIN, ms(20));
            assert!(ring.lock().lifecycle_events.is_empty());
        }));
    });
    fixture.report((1..=3).map(opened).collect());
    let mut follower = Follower::new(fixture.engine());
    let events = follow(&mut follower, &Scope::everything(), Duration::from_secs(20));
    assert_eq!(events, [1, 2, 3, 4, 5, 6].map(|cookie| (cookie, EventKind::Opened)));
}

#[test]
fn following_has_the_history_of_earlier_connections_and_omits_those_out_of_scope() {
    let fixture = Fixture::new();
    fixture.show(vec![socket(1)]);
    let mut follower = Follower::new(fixture.engine());
    let scope = Scope::everything();
    follow(&mut follower, &scope, Duration::ZERO);
    let unknown = Known::Unknown(Unknown::BeganBefore);
    fixture.report(vec![LifecycleEvent { opened: unknown, ..closed(1) }]);
    let batch = follower.follow(&scope, Duration::from_secs(20)).unwrap();
    // The first connection of the sample, not a new one.
    assert_eq!(batch.events[0].connection.stats.serial, 1);
    let only_ipv6 = Scope { ipv4: false, ..Scope::everything() };
    fixture.report(vec![opened(2)]);
    assert_eq!(follow(&mut follower, &only_ipv6, ms(100)), []);
    // Events are reported also if the tables cannot be read.
    fixture.table.set(|table| table.fails = true);
    fixture.report(vec![opened(3)]);
    let mut failing = Follower::new(fixture.engine());
    let events = follow(&mut failing, &scope, Duration::from_secs(20));
    assert_eq!(events, [(3, EventKind::Opened)]);
}

#[test]
#[cfg(target_os = "linux")]
fn following_a_namespace_omits_all_others_and_a_missing_one_is_an_error() {
    let fixture = Fixture::new();
    let mut follower = Follower::new(fixture.engine());
    let own = Scope { namespaces: Namespaces::Own, ..Scope::everything() };
    let of_own = |lifecycle_event: LifecycleEvent| {
        let mut socket = lifecycle_event.socket;
        let link = std::fs::read_link("/proc/self/ns/net").unwrap();
        let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit());
        socket.id.netns = inode.parse().unwrap();
        LifecycleEvent { socket, ..lifecycle_event }
    };
    fixture.report(vec![opened(1), of_own(opened(2))]);
    let events = follow(&mut follower, &own, Duration::from_secs(20));
    assert_eq!(events, [(2, EventKind::Opened)]);
    let namespaces = Namespaces::These(vec!["no-such-namespace".to_owned()]);
    let nowhere = Scope { namespaces, ..Scope::everything() };
    let error = follower.follow(&nowhere, Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("no-such-namespace"), "{error}");
}

#[test]
fn a_source_that_cannot_wait_is_drained_every_50_ms() {
    let fixture = Fixture::new();
    fixture.ring.set(|ring| ring.cannot_wait = true);
    let mut follower = Follower::new(fixture.engine());
    assert_eq!(follow(&mut follower, &Scope::everything(), ms(300)), []);
    assert_eq!(fixture.ring.lock().drains, 7);
}

#[test]
fn following_without_events_derives_them_each_second_and_reports_once_what_that_misses() {
    let fixture = Fixture::new();
    fixture.show(vec![socket(1)]);
    let mut follower = Follower::new(fixture.engine_without_events());
    let (scope, patience) = (Scope::everything(), Duration::from_secs(20));
    let first = follower.follow(&scope, patience).unwrap();
    assert!(first.events.is_empty());
    let [loss] = &first.losses[..] else { panic!("{:?}", first.losses) };
    assert!(loss.to_string().contains("one every 1s"), "{loss}");
    fixture.show(vec![socket(2)]);
    // Before the next sample is due there are no events.
    let start = fixture.clock.now();
    assert_eq!(follow(&mut follower, &scope, ms(10)), []);
    assert_eq!(fixture.clock.now().since(start), ms(10));
    let second = follower.follow(&scope, patience).unwrap();
    assert_eq!(fixture.clock.now().since(start), Duration::from_secs(1));
    let events: Vec<_> =
        second.events.iter().map(|e| (e.connection.socket.id.cookie, e.kind)).collect();
    assert_eq!(events, [(1, EventKind::Closed), (2, EventKind::Opened)]);
    assert_eq!(second.losses, []);
    fixture.table.set(|table| table.fails = true);
    fixture.fallback.set(|table| table.fails = true);
    follower.follow(&scope, patience).unwrap_err();
}

#[test]
fn a_sampler_is_dropped_while_it_waits() {
    let fixture = Fixture::new();
    drop(fixture.start(fixture.engine_without_events(), Duration::from_secs(3600)));
    drop(fixture.start(fixture.engine(), Duration::from_secs(3600)));
}

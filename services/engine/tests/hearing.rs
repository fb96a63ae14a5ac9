//! Events from a source that says what the test tells it to: published by the watcher, and followed.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

#[path = "stage/fakes.rs"]
mod fakes;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conns_contract::{Namespaces, Scope};
use conns_core::model::{
    Ability, AbilityKind, DroppedEvents, EventKind, Known, LifecycleEvent, Loss, LossCause, Source,
    State, Unknown, Update,
};
use conns_core::track::Retention;
use conns_engine::{Engine, MIN_INTERVAL, Sampler, Sources};

use fakes::{Ring, Shared, Table, closed, opened, socket, unheld};

/// Longest a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    table: Shared<Table>,
    fallback: Shared<Table>,
    ring: Shared<Ring>,
}

impl Stage {
    fn new() -> Self {
        Self { table: Shared::default(), fallback: Shared::default(), ring: Shared::default() }
    }

    fn deaf(&self) -> Engine {
        let mut sources = Sources::of(Box::new(self.table.clone()));
        sources.fallback = Some(Box::new(self.fallback.clone()));
        let missing = Some("this test has none".into());
        sources.abilities = vec![
            Ability::tried(AbilityKind::EbpfTables, None),
            Ability::tried(AbilityKind::EbpfEvents, missing),
        ];
        Engine::of(sources, Retention::Window(Duration::from_secs(5)))
    }

    fn engine(&self) -> Engine {
        let mut sources = Sources::of(Box::new(self.table.clone()));
        sources.events = Some(Box::new(self.ring.clone()));
        Engine::of(sources, Retention::Window(Duration::from_secs(5)))
    }

    fn sampler(&self, engine: Engine) -> Sampler {
        let mut sampler = Sampler::open(engine, MIN_INTERVAL).unwrap();
        sampler.start().unwrap();
        sampler
    }

    fn show(&self, rows: Vec<conns_core::model::SocketSample>) {
        self.table.set(|table| table.rows = rows);
    }

    fn happen(&self, lifecycle_events: Vec<LifecycleEvent>) {
        self.ring.set(|ring| ring.lifecycle_events.extend(lifecycle_events));
    }
}

/// The first beat in which `found` finds something.
fn wait<T>(sampler: &Sampler, mut found: impl FnMut(&Arc<Update>) -> Option<T>) -> T {
    let (deadline, mut feed) = (Instant::now() + PATIENCE, sampler.feed());
    loop {
        let update = Arc::clone(&feed.borrow_and_update());
        if let Some(found) = found(&update) {
            return found;
        }
        while !feed.has_changed().unwrap() {
            assert!(Instant::now() < deadline, "it never came");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn lost(count: u64) -> Loss {
    let cause = LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: 1 << 20 };
    Loss { source: Source::Ebpf, cause, count }
}

#[test]
fn every_event_is_in_a_beat_once_and_in_order_whoever_reads_every_beat_has_all() {
    let stage = Stage::new();
    let sampler = stage.sampler(stage.engine());
    let mut seen = 0;
    for round in 1..=20 {
        for cookie in 0..500 {
            stage.happen(vec![opened(round * 1000 + cookie), closed(round * 1000 + cookie)]);
        }
        wait(&sampler, |update| {
            for event in update.events_since(seen).unwrap() {
                assert_eq!(event.serial, seen + 1);
                seen = event.serial;
            }
            (seen >= round * 1000).then_some(())
        });
    }
    assert_eq!(seen, 20_000);
    let update = Arc::clone(&sampler.feed().borrow());
    assert_eq!(update.last_event(), seen);
    assert!(update.events_since(seen + 1).is_none());
    assert_eq!(update.health.losses, []);
    // Whoever comes late finds the last ones, and is told if that is not all.
    wait(&sampler, |update| (update.events.len() < 4096 + 1024).then_some(()));
    let update = Arc::clone(&sampler.feed().borrow());
    assert!(update.events_since(0).is_none() && update.events_since(seen - 4000).is_some());
}

#[test]
fn a_source_with_more_than_it_tells_at_once_is_asked_until_it_has_no_more() {
    let stage = Stage::new();
    stage.ring.set(|ring| ring.batch = Some(10_000));
    stage.happen((0..45_000).map(opened).collect());
    let sampler = Sampler::open(stage.engine(), MIN_INTERVAL).unwrap();
    assert_eq!(sampler.feed().borrow().events.len(), 45_000);
}

#[test]
fn events_are_taken_between_beats_and_an_idle_source_is_hardly_asked() {
    let stage = Stage::new();
    let mut sampler = Sampler::open(stage.engine(), Duration::from_secs(3600)).unwrap();
    sampler.start().unwrap();
    let start = Instant::now();
    let drains = || stage.ring.lock().drains;
    while stage.ring.lock().waits < 4 {
        assert!(start.elapsed() < PATIENCE, "it does not wait");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(start.elapsed() > Duration::from_millis(400), "it waits too shortly");
    let before = drains();
    stage.happen(vec![opened(1)]);
    while drains() == before {
        assert!(start.elapsed() < PATIENCE, "it was not taken");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(stage.ring.lock().lifecycle_events.len(), 0);
    // In a storm it is not woken for each of them.
    let (before, storm) = (drains(), Instant::now());
    while storm.elapsed() < Duration::from_millis(500) {
        stage.happen(vec![opened(2)]);
        thread::sleep(Duration::from_micros(100));
    }
    let taken = drains() - before;
    let most = storm.elapsed().as_millis() / 50 + 2;
    assert!((2..=most).contains(&u128::from(taken)), "taken {taken} times");
    let asked = Instant::now();
    drop(sampler);
    assert!(asked.elapsed() < Duration::from_secs(2), "it was not to be stopped");
}

#[test]
fn events_are_taken_while_a_look_lasts_and_told_after_it() {
    let stage = Stage::new();
    let (mut engine, scope) = (stage.engine(), Scope::everything());
    stage.table.set(|table| table.lasts_until_empty = Some(stage.ring.clone()));
    // Heard before the look; what comes while it lasts ends it, once it is taken.
    stage.ring.set(|ring| ring.batch = Some(3));
    stage.happen((1..=6).map(opened).collect());
    assert_eq!(kinds(&mut engine, &scope, PATIENCE).len(), 3);
    let told = kinds(&mut engine, &scope, PATIENCE);
    assert_eq!(told, [4, 5, 6].map(|cookie| (cookie, EventKind::Opened)));
}

#[test]
fn losses_of_the_source_add_up_by_cause() {
    let stage = Stage::new();
    let sampler = stage.sampler(stage.engine());
    for _ in 0..3 {
        stage.ring.set(|ring| ring.losses = vec![lost(2)]);
        let told = |_: &Arc<Update>| stage.ring.lock().losses.is_empty().then_some(());
        wait(&sampler, told);
    }
    wait(&sampler, |update| (update.health.losses == [lost(6)]).then_some(()));
}

#[test]
fn a_closed_connection_is_kept_with_its_end_when_it_leaves_the_table() {
    let stage = Stage::new();
    let sampler = stage.sampler(stage.engine());
    stage.happen(vec![opened(1)]);
    stage.show(vec![socket(1)]);
    let open = wait(&sampler, |update| update.snapshot.connections.first().cloned());
    stage.happen(vec![closed(1)]);
    stage.show(vec![unheld(1, State::TimeWait)]);
    wait(&sampler, |update| update.snapshot.connections.first()?.closed.value().map(|_| ()));
    stage.show(vec![]);
    let closed = wait(&sampler, |update| update.closed.first().cloned());
    assert_eq!(closed.connection.stats.serial, open.stats.serial);
    assert_eq!(closed.connection.closed.get().unwrap().duration_us.get(), Some(5));
    // As the last event had it, not as the row of TIME-WAIT.
    assert_eq!(closed.connection.socket.state, State::Close);
}

#[test]
fn without_a_source_of_events_looks_stand_in_and_health_says_so() {
    let stage = Stage::new();
    stage.show(vec![socket(1), unheld(9, State::TimeWait)]);
    let sampler = stage.sampler(stage.deaf());
    let after = |steps: u64| {
        let now = sampler.feed().borrow().snapshot.sequence;
        wait(&sampler, |update| (update.snapshot.sequence >= now + steps).then_some(()));
    };
    after(2);
    // 2 opens, 3 begins to, 4 opened and closed in between; 1 is gone, 9 was over before.
    stage.show(vec![socket(2), unheld(3, State::SynSent), unheld(4, State::TimeWait)]);
    after(2);
    stage.show(vec![unheld(2, State::TimeWait), socket(3)]);
    after(2);
    stage.show(vec![]);
    after(2);
    let update = Arc::clone(&sampler.feed().borrow());
    let told: Vec<_> = update
        .events
        .iter()
        .map(|event| (event.serial, event.kind, event.connection.socket.id.cookie))
        .collect();
    use EventKind::{Closed, Opened};
    assert_eq!(
        told,
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
    let closed = &update.events[0].connection.closed;
    assert_eq!(*closed, Known::Unknown(Unknown::SourceCannotTell));
    let [loss] = &update.health.losses[..] else { panic!("{:?}", update.health.losses) };
    assert!(loss.to_string().contains("this test has none"), "{loss}");
    assert_eq!(update.snapshot.losses, []);
}

#[test]
fn tables_that_fail_are_replaced_for_good_and_every_snapshot_says_so() {
    let stage = Stage::new();
    stage.show(vec![socket(1)]);
    stage.fallback.set(|table| table.rows = vec![socket(2)]);
    let mut engine = stage.deaf();
    let everything = Scope::everything();
    let cookie = |snapshot: &conns_core::model::Snapshot| snapshot.connections[0].socket.id.cookie;
    assert_eq!(cookie(&engine.look(&everything).unwrap()), 1);
    stage.table.set(|table| table.fails = true);
    for _ in 0..3 {
        let snapshot = engine.look(&everything).unwrap();
        assert_eq!(cookie(&snapshot), 2);
        assert!(snapshot.losses[0].to_string().contains("read the table"), "{:?}", snapshot.losses);
        // It works again, but is not trusted again.
        stage.table.set(|table| table.fails = false);
    }
    assert_eq!(stage.table.lock().asked.len(), 2);
    let abilities = engine.abilities();
    let tables = abilities.iter().find(|ability| ability.kind == AbilityKind::EbpfTables).unwrap();
    assert!(tables.missing.as_ref().unwrap().to_string().contains("netlink from now on"));
    stage.fallback.set(|table| table.fails = true);
    let error = engine.look(&everything).unwrap_err().to_string();
    assert_eq!(error.matches("read the table").count(), 2, "{error}");
}

#[test]
fn what_the_tables_leave_out_the_standby_tells() {
    let stage = Stage::new();
    let only_udp = Scope { tcp: false, mptcp: false, ..Scope::everything() };
    stage.table.set(|table| {
        table.rows = vec![socket(1)];
        table.delegated = vec![only_udp.clone()];
    });
    stage.fallback.set(|table| table.rows = vec![socket(1), socket(2)]);
    let snapshot = stage.deaf().look(&Scope::everything()).unwrap();
    let cookies: Vec<_> = snapshot.connections.iter().map(|c| c.socket.id.cookie).collect();
    assert_eq!(cookies, [1, 2]);
    assert_eq!(stage.fallback.lock().asked, [only_udp]);
}

fn kinds(engine: &mut Engine, scope: &Scope, at_most: Duration) -> Vec<(u64, EventKind)> {
    let followed = engine.follow(scope, at_most).unwrap();
    followed.events.iter().map(|e| (e.connection.socket.id.cookie, e.kind)).collect()
}

#[test]
fn following_answers_when_something_happens_and_when_nothing_does_for_so_long() {
    let stage = Stage::new();
    let (mut engine, scope) = (stage.engine(), Scope::everything());
    let start = Instant::now();
    assert_eq!(kinds(&mut engine, &scope, Duration::from_millis(100)), []);
    assert!(start.elapsed() >= Duration::from_millis(100));
    let ring = stage.ring.clone();
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        ring.set(|ring| ring.lifecycle_events.extend([opened(1), closed(1)]));
    });
    let told = kinds(&mut engine, &scope, PATIENCE);
    assert_eq!(told, [(1, EventKind::Opened), (1, EventKind::Closed)]);
    later.join().unwrap();
    stage.ring.set(|ring| ring.losses = vec![lost(3)]);
    assert_eq!(engine.follow(&scope, PATIENCE).unwrap().losses, [lost(3)]);
    assert_eq!(engine.follow(&scope, Duration::ZERO).unwrap().losses, []);
}

#[test]
fn following_knows_what_was_there_before_and_leaves_out_what_is_not_asked_for() {
    let stage = Stage::new();
    stage.show(vec![socket(1)]);
    let mut engine = stage.engine();
    let scope = Scope::everything();
    kinds(&mut engine, &scope, Duration::ZERO);
    let unknown = Known::Unknown(Unknown::BeganBefore);
    stage.happen(vec![LifecycleEvent { opened: unknown, ..closed(1) }]);
    let followed = engine.follow(&scope, PATIENCE).unwrap();
    // The first connection the look met, not one that only now is heard of.
    assert_eq!(followed.events[0].connection.stats.serial, 1);
    let only_ipv6 = Scope { ipv4: false, ..Scope::everything() };
    stage.happen(vec![opened(2)]);
    assert_eq!(kinds(&mut engine, &only_ipv6, Duration::from_millis(100)), []);
    // That the tables cannot be read is no reason not to tell.
    stage.table.set(|table| table.fails = true);
    stage.happen(vec![opened(3)]);
    assert_eq!(kinds(&mut stage.engine(), &scope, PATIENCE), [(3, EventKind::Opened)]);
}

#[test]
#[cfg(target_os = "linux")]
fn following_a_namespace_leaves_out_all_others_and_one_that_is_not_there_is_an_error() {
    let stage = Stage::new();
    let mut engine = stage.engine();
    let own = Scope { namespaces: Namespaces::Own, ..Scope::everything() };
    let of_own = |lifecycle_event: LifecycleEvent| {
        let mut socket = lifecycle_event.socket;
        let link = std::fs::read_link("/proc/self/ns/net").unwrap();
        let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit());
        socket.id.netns = inode.parse().unwrap();
        LifecycleEvent { socket, ..lifecycle_event }
    };
    stage.happen(vec![opened(1), of_own(opened(2))]);
    assert_eq!(kinds(&mut engine, &own, PATIENCE), [(2, EventKind::Opened)]);
    let namespaces = Namespaces::These(vec!["no-such-namespace".to_owned()]);
    let nowhere = Scope { namespaces, ..Scope::everything() };
    let error = engine.follow(&nowhere, Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("no-such-namespace"), "{error}");
}

#[test]
fn a_source_that_cannot_wait_is_asked_now_and_then() {
    let stage = Stage::new();
    stage.ring.set(|ring| ring.cannot_wait = true);
    let mut engine = stage.engine();
    assert_eq!(kinds(&mut engine, &Scope::everything(), Duration::from_millis(300)), []);
    let drains = stage.ring.lock().drains;
    assert!((2..=8).contains(&drains), "asked {drains} times in 300 ms");
}

#[test]
fn following_by_looks_tells_what_they_show_and_says_once_what_that_misses() {
    let stage = Stage::new();
    stage.show(vec![socket(1)]);
    let (mut engine, scope) = (stage.deaf(), Scope::everything());
    let first = engine.follow(&scope, PATIENCE).unwrap();
    assert!(first.events.is_empty());
    let [loss] = &first.losses[..] else { panic!("{:?}", first.losses) };
    assert!(loss.to_string().contains("one every 1s"), "{loss}");
    stage.show(vec![socket(2)]);
    // Before the next look is due there is nothing to tell.
    let start = Instant::now();
    assert_eq!(kinds(&mut engine, &scope, Duration::from_millis(10)), []);
    assert!(start.elapsed() < Duration::from_millis(900));
    let second = engine.follow(&scope, PATIENCE).unwrap();
    let told: Vec<_> =
        second.events.iter().map(|e| (e.connection.socket.id.cookie, e.kind)).collect();
    assert_eq!(told, [(1, EventKind::Closed), (2, EventKind::Opened)]);
    assert_eq!(second.losses, []);
    stage.table.set(|table| table.fails = true);
    stage.fallback.set(|table| table.fails = true);
    engine.follow(&scope, PATIENCE).unwrap_err();
}

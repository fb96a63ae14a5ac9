//! The sampler on this machine's kernel, with connections the test opens itself on loopback, and a
//! clock that the test moves.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_contract::{Clock, ReplayClock, Scope};
use conns_core::model::{Connection, PairKey, Snapshot, Update};
use conns_core::track::Retention;
use conns_engine::{Choice, Engine, MIN_INTERVAL, Purpose, Sampler};

const SAMPLER: &str = "sampler";

struct Running {
    sampler: Sampler,
    clock: Arc<ReplayClock>,
}

fn engine(clock: &Arc<ReplayClock>) -> Engine {
    let retention = Retention::Window(Duration::from_secs(5));
    let clock: Arc<dyn Clock> = clock.clone();
    Engine::open(
        Choice::Kernel,
        retention,
        Purpose::Agent { tap: false },
        PairKey::new([0; 16]),
        clock,
    )
    .unwrap()
}

fn clock() -> Arc<ReplayClock> {
    Arc::new(ReplayClock::at(conns_fixtures::at(1)))
}

fn start() -> Running {
    let clock = clock();
    let mut sampler = Sampler::open(engine(&clock), MIN_INTERVAL).unwrap();
    sampler.start().unwrap();
    clock.settle(SAMPLER);
    Running { sampler, clock }
}

impl Running {
    fn update(&self) -> Arc<Update> {
        Arc::clone(&self.sampler.updates().borrow())
    }

    /// Takes the next sample.
    fn sample(&self) -> Arc<Update> {
        self.clock.run(SAMPLER, MIN_INTERVAL);
        self.update()
    }

    /// Samples until `found` finds something.
    fn until<T>(&self, mut found: impl FnMut(&Arc<Update>) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.sample()) {
                return found;
            }
        }
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn find(snapshot: &Snapshot, local: SocketAddr, remote: SocketAddr) -> Option<&Connection> {
    snapshot.connections.iter().find(|c| {
        let socket = &c.socket;
        socket.local.to_string() == local.to_string()
            && socket.remote.is_some_and(|end| end.to_string() == remote.to_string())
            && socket.inode.value().is_some()
    })
}

fn ends(stream: &TcpStream) -> (SocketAddr, SocketAddr) {
    (stream.local_addr().unwrap(), stream.peer_addr().unwrap())
}

#[test]
fn changes_since_any_sequence_have_what_opened_changed_and_closed() {
    let running = start();
    let before = running.update().snapshot.sequence;
    let (mut client, mut server) = pair();
    let (local, remote) = ends(&client);
    let (serial, opened) = running.until(|update| {
        let changes = update.changes_since(before)?;
        let stats = find(&update.snapshot, local, remote)?.stats;
        assert!(changes.opened.iter().any(|c| c.stats.serial == stats.serial));
        assert!(changes.updated.iter().all(|c| c.stats.serial != stats.serial));
        Some((stats.serial, stats.first_sequence))
    });
    assert!(opened > before);
    client.write_all(&[7; 1000]).unwrap();
    server.read_exact(&mut [0; 1000]).unwrap();
    let moved = running.until(|update| {
        let changes = update.changes_since(opened)?;
        assert!(changes.opened.iter().all(|c| c.stats.serial != serial));
        let updated = changes.updated.into_iter().find(|c| c.stats.serial == serial)?;
        (updated.bytes_out().get() == Some(1000)).then_some(updated.stats.changed_sequence)
    });
    // Once the rates are back at 0 nothing about it is new any more.
    let quiet = running.until(|update| {
        let stats = find(&update.snapshot, local, remote)?.stats;
        let is_still = stats.changed_sequence + 2 < update.snapshot.sequence;
        is_still.then_some(update.snapshot.sequence)
    });
    assert!(quiet > moved);
    // Closing with something unread resets: neither end is left to wait out TIME-WAIT.
    client.write_all(b"unread").unwrap();
    server.peek(&mut [0; 6]).unwrap();
    drop(server);
    drop(client);
    running.until(|update| {
        let closed = |sequence| {
            let changes = update.changes_since(sequence)?;
            changes.closed.into_iter().find(|c| c.connection.stats.serial == serial).cloned()
        };
        let closed_now = closed(quiet)?;
        assert!(closed_now.connection.bytes_out().get() >= Some(1000));
        // A reader that never saw it gets it as closed as well.
        assert!(closed(before).is_some() && closed(closed_now.sequence).is_none());
        assert!(find(&update.snapshot, local, remote).is_none_or(|c| c.stats.serial != serial));
        Some(())
    });
}

#[test]
fn changes_since_a_sequence_that_is_not_buffered_or_not_reached_are_none() {
    let update = start().update();
    assert!(update.changes_since(update.snapshot.sequence).is_some());
    assert!(update.changes_since(update.snapshot.sequence + 1).is_none());
    assert!(update.changes_since(0).is_none());
}

/// Most that the kernel rounds a time in `tcp_info` by: a few ticks of at most 10 ms (`CONFIG_HZ`).
const ROUNDING: Duration = Duration::from_millis(40);

#[test]
fn the_age_of_an_earlier_connection_is_exact_and_stays_so_when_both_ends_send() {
    let before_connect = Instant::now();
    let (mut client, mut server) = pair();
    let after_connect = Instant::now();
    let (local, remote) = ends(&client);
    let clock = clock();
    let mut engine = engine(&clock);
    let mut sample = || engine.sample_once(&Scope::everything()).unwrap();
    let age = |snapshot: &Snapshot| {
        let connection = find(snapshot, local, remote).unwrap();
        Duration::from_micros(connection.stats.age_us.get().unwrap())
    };
    let least = after_connect.elapsed();
    let first = age(&sample());
    let most = before_connect.elapsed();
    assert!(first + ROUNDING >= least && first <= most + ROUNDING, "{least:?} {first:?} {most:?}");
    client.write_all(b"there").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    server.write_all(b"back").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    // From now on the kernel does not report it: the age goes on by the clock.
    clock.advance(Duration::from_secs(5));
    assert_eq!(age(&sample()), first + Duration::from_secs(5));
}

#[test]
fn owners_are_in_the_first_sample_of_a_socket_and_stay_without_another_scan() {
    let running = start();
    let (client, _server) = pair();
    let (local, remote) = ends(&client);
    let own = std::process::id();
    for _ in 0..6 {
        let update = running.sample();
        let connection = find(&update.snapshot, local, remote).unwrap();
        let owner = connection.first_owner();
        assert_eq!(owner.value().map(|owner| owner.process.pid), Some(own));
    }
}

#[test]
fn every_reader_has_the_same_snapshot_and_none_delays_the_sampler() {
    let running = start();
    let readers = [running.sampler.updates(), running.sampler.updates()];
    let [one, two] = readers.each_ref().map(|reader| Arc::clone(&reader.borrow()));
    assert!(Arc::ptr_eq(&one.snapshot, &two.snapshot));
    // A reader that borrows an update for good does not stop the next.
    for sample in 1..=4 {
        let later = running.sample();
        assert_eq!(later.instance, one.instance);
        assert_eq!(later.snapshot.sequence, one.snapshot.sequence + sample);
        assert_eq!(later.health.samples, one.health.samples + sample);
        assert_eq!((later.health.lateness_us, later.health.samples_skipped), (0, 0));
        assert!(later.health.cost.cpu_us > 0 && later.health.cost.resident_bytes > 0);
    }
}

#[test]
fn the_interval_can_be_set_while_the_sampler_waits() {
    let running = start();
    let now = running.clock.now().monotonic_us;
    running.sampler.set_interval(Duration::from_secs(3600));
    assert_eq!(running.clock.settle(SAMPLER), now + 3_600_000_000);
    running.sampler.set_interval(Duration::from_millis(150));
    assert_eq!(running.clock.settle(SAMPLER), now + 150_000);
    let before = running.update().health.samples;
    running.clock.run(SAMPLER, Duration::from_millis(149));
    assert_eq!(running.update().health.samples, before);
    running.clock.run(SAMPLER, Duration::from_millis(301));
    let health = &running.update().health;
    assert_eq!((health.samples, health.interval_us), (before + 3, 150_000));
}

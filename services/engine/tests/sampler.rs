//! The watcher on this machine's kernel, with connections the test opens itself on loopback.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conns_core::model::{Connection, Update};
use conns_core::track::Retention;
use conns_engine::{Choice, Engine, MIN_INTERVAL, Purpose, Sampler};

/// Longest a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn sampler() -> Sampler {
    let memory = Retention::Window(Duration::from_secs(5));
    let engine = Engine::open(Choice::Kernel, memory, Purpose::Agent).unwrap();
    let mut sampler = Sampler::open(engine, MIN_INTERVAL).unwrap();
    sampler.start().unwrap();
    sampler
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

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn find(update: &Update, local: SocketAddr, remote: SocketAddr) -> Option<&Connection> {
    update.snapshot.connections.iter().find(|c| {
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
fn changes_since_any_sequence_tell_what_opened_moved_and_closed() {
    let sampler = sampler();
    let before = sampler.feed().borrow().snapshot.sequence;
    let (mut client, mut server) = pair();
    let (local, remote) = ends(&client);
    let (serial, opened) = wait(&sampler, |update| {
        let changes = update.changes_since(before)?;
        let stats = find(update, local, remote)?.stats;
        assert!(changes.opened.iter().any(|c| c.stats.serial == stats.serial));
        assert!(changes.updated.iter().all(|c| c.stats.serial != stats.serial));
        Some((stats.serial, stats.first_sequence))
    });
    assert!(opened > before);
    client.write_all(&[7; 1000]).unwrap();
    server.read_exact(&mut [0; 1000]).unwrap();
    let moved = wait(&sampler, |update| {
        let changes = update.changes_since(opened)?;
        assert!(changes.opened.iter().all(|c| c.stats.serial != serial));
        let updated = changes.updated.into_iter().find(|c| c.stats.serial == serial)?;
        (updated.bytes_out().get() == Some(1000)).then_some(updated.stats.changed_sequence)
    });
    // Once the rates are back at 0 nothing about it is new any more.
    let quiet = wait(&sampler, |update| {
        let stats = find(update, local, remote)?.stats;
        let is_still = stats.changed_sequence + 2 < update.snapshot.sequence;
        is_still.then_some(update.snapshot.sequence)
    });
    assert!(quiet > moved);
    // Closing with something unread resets: neither end is left to wait out TIME-WAIT.
    client.write_all(b"unread").unwrap();
    server.peek(&mut [0; 6]).unwrap();
    drop(server);
    drop(client);
    wait(&sampler, |update| {
        let closed = |sequence| {
            let changes = update.changes_since(sequence)?;
            changes.closed.into_iter().find(|c| c.connection.stats.serial == serial).cloned()
        };
        let closed_now = closed(quiet)?;
        assert!(closed_now.connection.bytes_out().get() >= Some(1000));
        // Whoever never saw it is told that it closed as well.
        assert!(closed(before).is_some() && closed(closed_now.sequence).is_none());
        assert!(find(update, local, remote).is_none_or(|c| c.stats.serial != serial));
        Some(())
    });
}

#[test]
fn a_sequence_that_is_forgotten_or_not_yet_there_is_no_answer() {
    let sampler = sampler();
    let update = Arc::clone(&sampler.feed().borrow());
    assert!(update.changes_since(update.snapshot.sequence).is_some());
    assert!(update.changes_since(update.snapshot.sequence + 1).is_none());
    assert!(update.changes_since(0).is_none());
}

#[test]
fn age_is_told_for_a_connection_older_than_the_watcher_and_kept_when_both_ends_talk() {
    let connected = Instant::now();
    let (mut client, mut server) = pair();
    let (local, remote) = ends(&client);
    while connected.elapsed() < Duration::from_millis(300) {
        thread::sleep(Duration::from_millis(10));
    }
    let sampler = sampler();
    let is_right = |update: &Arc<Update>| {
        let connection = find(update, local, remote)?;
        let age = Duration::from_micros(connection.stats.age_us.get().unwrap());
        // What passed since the look passed of both.
        let difference = connected.elapsed().abs_diff(age);
        assert!(difference < Duration::from_millis(250), "{age:?} for {:?}", connected.elapsed());
        Some(update.snapshot.sequence)
    };
    wait(&sampler, is_right);
    client.write_all(b"there").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    server.write_all(b"back").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    wait(&sampler, |update| {
        let connection = find(update, local, remote)?;
        (connection.bytes_in().get() == Some(4)).then_some(())?;
        is_right(update)
    });
}

#[test]
fn holders_are_there_with_the_first_look_at_a_socket_also_when_nothing_is_walked() {
    let sampler = sampler();
    let (client, _server) = pair();
    let (local, remote) = ends(&client);
    let own = std::process::id();
    let first = wait(&sampler, |update| {
        let connection = find(update, local, remote)?;
        // A socket can be seen before its descriptor is; not two looks later.
        let pid = connection.first_owner().value().map(|owner| owner.process.pid);
        let looks = update.snapshot.sequence - connection.stats.first_sequence;
        assert!(pid == Some(own) || looks < 2, "no holder after {looks} looks");
        (pid == Some(own)).then_some(update.snapshot.sequence)
    });
    wait(&sampler, |update| {
        let held = find(update, local, remote)?.first_owner();
        assert_eq!(held.value().map(|owner| owner.process.pid), Some(own));
        (update.snapshot.sequence > first + 5).then_some(())
    });
}

#[test]
fn every_reader_has_the_same_snapshot_and_none_delays_the_watcher() {
    let sampler = sampler();
    let feeds = [sampler.feed(), sampler.feed()];
    let [one, two] = feeds.each_ref().map(|feed| feed.borrow());
    if one.snapshot.sequence == two.snapshot.sequence {
        assert!(Arc::ptr_eq(&one.snapshot, &two.snapshot));
    }
    let held = Arc::clone(&one);
    drop((one, two));
    // A reader that keeps its beat for good does not stop the next.
    let later = wait(&sampler, |update| {
        (update.snapshot.sequence > held.snapshot.sequence + 3).then(|| Arc::clone(update))
    });
    assert_eq!(later.instance, held.instance);
    assert!(later.health.samples > held.health.samples && later.health.cost.cpu_us > 0);
    assert!(later.health.cost.resident_bytes > 0);
}

#[test]
fn the_interval_can_be_set_while_it_runs() {
    let sampler = sampler();
    // However long the pause that has begun, a shorter interval ends it.
    sampler.set_interval(Duration::from_secs(3600));
    sampler.set_interval(Duration::from_millis(150));
    let before = sampler.feed().borrow().health.samples;
    wait(&sampler, |update| {
        let health = &update.health;
        (health.interval_us == 150_000 && health.samples > before + 2).then_some(())
    });
}

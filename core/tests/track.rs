//! The tracker with moments made by the tests: owners, directions, rates, windows. The lab measures on a
//! real kernel whether the verdicts are right.

use conns_core::model::{
    Basis, Connection, Direction, Known, Moment, Observation, OwnerTable, Queues, Rates, Snapshot,
    Socket, SocketSample, Source, State, Subject, TcpInfo, Timer, TimerKind, Unknown,
};
use conns_core::query::find_field;
use conns_core::track::{Retention, Tracker};
use conns_fixtures::{
    Tcp, at, endpoint, established, known, owner_table, process, tracker, with_cookie,
};

/// An established socket with this cookie (and inode), and payload bytes sent and received.
fn socket(cookie: u64, sent: u64, received: u64) -> SocketSample {
    let (bytes_sent, bytes_received) = (sent, received);
    let segments = Tcp { segs_in: 10, data_segs_in: 10, data_segs_out: 10, ..Tcp::ZERO };
    let tcp = Tcp { rtt_us: 1000, bytes_sent, bytes_received, ..segments };
    let socket = with_cookie(cookie, established("10.0.0.1:443", "10.0.0.2:50000"));
    Socket { tcp: Tcp { is_app_limited: true, ..tcp }.known(), ..socket }.into()
}

fn sockets(sockets: Vec<SocketSample>, now: Moment) -> Observation {
    Observation::new(Source::SockDiag, now).with_sockets(sockets)
}

fn sample_one(tracker: &mut Tracker, socket: SocketSample, now: Moment) -> Connection {
    let Snapshot { mut connections, .. } = tracker.apply(vec![sockets(vec![socket], now)]);
    assert_eq!(connections.len(), 1);
    connections.remove(0)
}

#[test]
fn rates_are_what_was_added_and_a_counter_that_went_back_added_nothing() {
    let mut tracker = tracker();
    let first = sample_one(&mut tracker, socket(1, 1_000, 500), at(10));
    assert_eq!(first.stats.rates, Known::Unknown(Unknown::NeedsTwoObservations));
    let second = sample_one(&mut tracker, socket(1, 5_000, 500), at(12));
    let rates = second.stats.rates.get().unwrap();
    assert_eq!((rates.out_bytes_per_s, rates.in_bytes_per_s), (2_000.0, 0.0));
    assert_eq!(second.stats.first_seen, at(10));
    let third = sample_one(&mut tracker, socket(1, 0, 1_500), at(13));
    let rates = third.stats.rates.get().unwrap();
    assert_eq!((rates.out_bytes_per_s, rates.in_bytes_per_s), (0.0, 1_000.0));
    // The same moment twice: no time, no rate, and no division by it.
    let again = sample_one(&mut tracker, socket(1, 9_000, 1_500), at(13));
    assert_eq!(again.stats.rates, Known::Unknown(Unknown::NeedsTwoObservations));
}

#[test]
fn an_unchanged_row_is_shared_and_shows_the_time_that_has_passed() {
    let mut reported = socket(1, 1_000, 500);
    reported.timer = known(Timer { kind: TimerKind::KeepAlive, expires_ms: 7_000, retransmits: 0 });
    let field = |connection: &Connection, name| {
        format!("{:?}", find_field(name).unwrap().value(connection))
    };
    let shown = |row: &SocketSample| {
        let Snapshot { connections, .. } =
            Tracker::new(Retention::None).apply(vec![sockets(vec![row.clone()], at(10))]);
        let names = ["idle", "last_ack_recv", "last_data_sent", "timer_expires", "rtt"];
        names.map(|name| field(&connections[0], name))
    };
    let mut later = reported.clone();
    later.advance(1_000);
    later.advance(500);
    assert!(std::ptr::eq::<Socket>(&*reported, &*later));
    // Converted, it is equal to a row that is reported now.
    let now = SocketSample::from(later.to_socket());
    assert_eq!(now.age_ms(), 0);
    assert_eq!(shown(&later), shown(&now));
    let changed: Vec<bool> = shown(&reported)
        .iter()
        .zip(shown(&later))
        .map(|(before, later)| *before != later)
        .collect();
    assert_eq!(changed, [true, true, true, true, false], "{:?}", shown(&later));
    // A change clones it.
    later.state = State::CloseWait;
    assert_eq!((reported.state, later.age_ms()), (State::Established, 1_500));
    later.advance(u32::MAX);
    assert_eq!(later.timer_now().get().unwrap().expires_ms, 0);
}

#[test]
fn a_reused_tuple_is_another_connection() {
    let mut tracker = tracker();
    sample_one(&mut tracker, socket(1, 1_000, 0), at(1));
    let other = sample_one(&mut tracker, socket(2, 9_000, 0), at(2));
    assert_eq!(other.stats.first_seen, at(2));
    // The sample a second ago did not have it, so all its bytes moved since.
    let second = Rates { out_bytes_per_s: 9000.0, in_bytes_per_s: 0.0 };
    assert_eq!(other.stats.rates.get(), Some(second));
}

#[test]
fn a_window_covers_at_least_its_half_and_at_most_twice_that() {
    let mut tracker = tracker();
    for second in 0..60 {
        let seen = sample_one(&mut tracker, socket(1, second * 100, 0), at(second));
        match seen.verdict.evidence.basis {
            Basis::Lifetime => assert_eq!(second, 0),
            Basis::Window { us } => {
                assert!(us <= 11_000_000, "{us} us at {second} s");
                assert!(us >= second.min(5) * 1_000_000, "{us} us at {second} s");
                // Nothing falls between the halves.
                assert_eq!(seen.verdict.evidence.bytes_out, us / 1_000_000 * 100);
            }
        }
    }
}

#[test]
fn a_socket_listed_twice_in_one_sample_is_one_connection() {
    let mut moved = socket(7, 0, 0);
    moved.state = State::CloseWait;
    let mut tracker = Tracker::new(Retention::None);
    let twice = sockets(vec![socket(7, 0, 0), moved, socket(8, 0, 0)], at(1));
    let snapshot = tracker.apply(vec![twice]);
    let seen: Vec<_> =
        snapshot.connections.iter().map(|c| (c.socket.id.cookie, c.socket.state)).collect();
    assert_eq!(seen, [(7, State::Established), (8, State::Established)]);
}

#[test]
fn all_owners_are_named_and_none_where_none_was_found() {
    let entries = [(5, 20, 6), (1, 21, 4), (1, 20, 9), (1, 20, 3), (1, 20, 3)];
    let table = owner_table(entries.map(|(inode, pid, descriptor)| {
        (Subject::Inode(inode), process(pid, "server"), descriptor)
    }));
    let owners = |unreadable_processes| {
        let table = OwnerTable { unreadable_processes, ..OwnerTable::clone(&table) };
        Observation::new(Source::Procfs, at(1)).with_owners(table.into())
    };
    let sampled = |unreadable| {
        let rows = sockets(vec![socket(1, 0, 0), socket(2, 0, 0)], at(1));
        Tracker::new(Retention::None).apply(vec![rows, owners(unreadable)]).connections
    };
    let found = sampled(0);
    let named: Vec<_> = found[0]
        .owners
        .value()
        .unwrap()
        .iter()
        .map(|owner| (owner.process.pid, owner.descriptor))
        .collect();
    assert_eq!(named, [(20, Some(3)), (20, Some(9)), (21, Some(4))]);
    assert_eq!(found[1].owners, Known::Unknown(Unknown::NoOwnerFound));
    assert_eq!(sampled(3)[1].owners, Known::Unknown(Unknown::NotPrivileged));
    let alone = Tracker::new(Retention::None).apply(vec![sockets(vec![socket(1, 0, 0)], at(1))]);
    assert_eq!(alone.connections[0].owners, Known::Unknown(Unknown::SourceFailed));
}

/// `tcp_info` of a connection that sent 1000 bytes, with this count of acknowledged ones.
fn acknowledged(bytes_acked: u64) -> Known<TcpInfo> {
    Tcp { bytes_acked, bytes_sent: 1_000, length: 248, ..Tcp::ZERO }.known()
}

#[test]
fn the_end_that_sent_the_syn_has_one_more_byte_acknowledged() {
    let direction = |acked, queued, listening: bool| {
        let mut one = socket(1, 0, 0);
        one.tcp = acknowledged(acked);
        one.queues = known(Queues { receive_bytes: 0, send_bytes: queued });
        let mut rows = vec![one];
        if listening {
            let mut listener = socket(2, 0, 0);
            listener.state = State::Listen;
            listener.remote = None;
            listener.local = endpoint("0.0.0.0:443");
            rows.push(listener);
        }
        Tracker::new(Retention::None).apply(vec![sockets(rows, at(1))]).connections[0]
            .direction
            .get()
    };
    let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
    assert_eq!(direction(1_000, 0, false), inbound);
    assert_eq!(direction(1_001, 0, true), outbound);
    // 400 bytes are still in flight.
    assert_eq!(direction(600, 400, false), inbound);
    assert_eq!(direction(601, 400, true), outbound);
    // Read while the counters moved: the listening socket decides.
    assert_eq!(direction(500, 0, true), inbound);
    assert_eq!(direction(500, 0, false), outbound);
}

#[test]
fn a_wall_clock_that_is_set_changes_dates_and_nothing_else() {
    let stats = |wall_steps: [i64; 3]| {
        let mut tracker = tracker();
        let samples = [(10, 0), (11, 4_000), (12, 9_000)];
        let lives = samples.into_iter().zip(wall_steps).map(|((second, sent), wall_us)| {
            let now = Moment { wall_us, ..at(second) };
            sample_one(&mut tracker, socket(1, sent, 0), now).stats
        });
        let mut last = lives.last().unwrap();
        last.first_seen.wall_us = 0;
        last
    };
    let hour = 3_600_000_000;
    let steady = stats([0, 1_000_000, 2_000_000]);
    assert_eq!(steady.rates.get().unwrap().out_bytes_per_s, 5_000.0);
    assert_eq!(stats([0, -hour, hour]), steady);
}

#[test]
fn peaks_are_the_highest_of_all_samples_and_slot_rates_stay_while_no_bytes_move() {
    let mut tracker = tracker();
    sample_one(&mut tracker, socket(1, 0, 0), at(100));
    let fast = sample_one(&mut tracker, socket(1, 90_000, 0), at(101)).stats;
    let slow = sample_one(&mut tracker, socket(1, 90_900, 0), at(102)).stats;
    assert_eq!(slow.peaks.out_bytes_per_s, 90_000.0);
    assert_eq!(fast.slot_rates.get().unwrap().out_bytes_per_s, 10_000.0);
    assert_eq!(slow.slot_rates.get().unwrap().out_bytes_per_s, 10_100.0);
    // Long after the slots: computed again only when bytes move.
    let idle = sample_one(&mut tracker, socket(1, 90_900, 0), at(150)).stats;
    assert_eq!((idle.slot_rates, idle.rates.get()), (slow.slot_rates, Some(Rates::ZERO)));
    let again = sample_one(&mut tracker, socket(1, 91_800, 0), at(151)).stats;
    assert_eq!(again.slot_rates.get().unwrap().out_bytes_per_s, 100.0);
}

#[test]
fn a_serial_is_given_once_and_removed_connections_are_listed() {
    let mut tracker = tracker();
    let first = sample_one(&mut tracker, socket(7, 0, 0), at(1));
    assert!(tracker.removed().is_empty());
    let second = sample_one(&mut tracker, socket(8, 0, 0), at(2));
    let removed: Vec<_> = tracker.removed().iter().map(|removed| removed.id).collect();
    assert_eq!(removed, [first.socket.id]);
    assert!(
        tracker.removed()[0].closed.value().is_none() && tracker.removed()[0].final_event.is_none()
    );
    let back = sample_one(&mut tracker, socket(7, 0, 0), at(3));
    let serials = [first, second, back].map(|connection| connection.stats.serial);
    assert_eq!(serials, [1, 2, 3]);
}

#[test]
fn age_is_known_if_the_kernel_reports_it_or_an_earlier_sample_lacked_the_connection() {
    let mut tracker = tracker();
    // Both ends have sent data, so the kernel does not report the age.
    let old = sample_one(&mut tracker, socket(1, 10, 10), at(1));
    assert_eq!(old.stats.age_us, Known::Unknown(Unknown::KernelDoesNotReport));
    assert_eq!(old.stats.least_age_us(at(4)), 3_000_000);
    sample_one(&mut tracker, socket(2, 10, 10), at(2));
    let later = sample_one(&mut tracker, socket(2, 10, 10), at(9));
    assert_eq!(later.stats.age_us, Known::Value(7_000_000, Source::Derived));
}

#[test]
fn each_connection_keeps_its_serial_in_any_order_of_samples() {
    let mut tracker = tracker();
    let mut serials = std::collections::HashMap::new();
    let mut dice = 1_u64;
    let mut given = std::collections::HashSet::new();
    for second in 1..40 {
        // From everything to almost nothing and back, backwards every other time.
        let share = [100, 50, 97, 3, 60, 0, 80][usize::try_from(second % 7).unwrap()];
        let mut cookies: Vec<u64> = (0..4000)
            .filter(|_| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (dice >> 33) % 100 < share
            })
            .collect();
        if second % 2 == 0 {
            cookies.reverse();
        }
        let rows = cookies.iter().map(|cookie| socket(*cookie, 0, 0)).collect();
        let snapshot = tracker.apply(vec![sockets(rows, at(second))]);
        let mut removed: Vec<u64> =
            tracker.removed().iter().map(|removed| removed.id.cookie).collect();
        let mut expected: Vec<u64> =
            serials.keys().copied().filter(|cookie| !cookies.contains(cookie)).collect();
        removed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(removed, expected);
        serials.retain(|cookie, _| cookies.contains(cookie));
        for (cookie, seen) in cookies.iter().zip(&snapshot.connections) {
            assert_eq!(seen.socket.id.cookie, *cookie);
            let is_new = !serials.contains_key(cookie);
            let serial = *serials.entry(*cookie).or_insert(seen.stats.serial);
            assert_eq!(seen.stats.serial, serial);
            assert_eq!(given.insert(serial), is_new);
        }
    }
}

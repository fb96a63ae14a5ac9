//! The replaying payload source under a replay clock, and how it is steered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use conns_contract::{Chunk, Clock, PayloadSource, ReplayClock, ReplaySource, Side, Want};
use conns_core::model::{ConnectionId, LossCause, Moment, SocketId};

fn connection(cookie: u64) -> ConnectionId {
    ConnectionId::of_socket(SocketId { netns: 1, cookie })
}

/// Chunks of ten bytes of the connection 1, one each second from second 1 on, received.
fn recording(count: u8) -> ReplaySource {
    let mut source = ReplaySource::new();
    for chunk in 0..count {
        let position = u64::from(chunk) * 10;
        source.push(Chunk {
            connection: connection(1),
            side: Side::Received,
            position,
            bytes: &[chunk; 10],
            at: Moment { monotonic_us: u64::from(chunk + 1) * 1_000_000, wall_us: 0 },
        });
    }
    source
}

/// Position, length and first byte of each chunk handed over.
fn drain(source: &mut ReplaySource, clock: &ReplayClock) -> Vec<(u64, usize, u8)> {
    let mut drained = Vec::new();
    let losses = source.drain(clock.now(), &mut |chunk| {
        drained.push((chunk.position, chunk.bytes.len(), chunk.bytes[0]));
    });
    assert_eq!(losses, []);
    drained
}

fn steer(source: &mut ReplaySource, want: Want) {
    source.steer(&[(connection(1), Side::Received, want)]);
}

#[test]
fn chunks_are_handed_over_when_the_clock_reaches_them() {
    let (mut source, clock) = (recording(3), ReplayClock::at(Moment::default()));
    steer(&mut source, Want::Whole);
    assert_eq!(drain(&mut source, &clock), []);
    clock.advance(Duration::from_secs(1));
    assert_eq!(drain(&mut source, &clock), [(0, 10, 0)]);
    assert_eq!(drain(&mut source, &clock), []);
    clock.advance(Duration::from_secs(2));
    assert_eq!(drain(&mut source, &clock), [(10, 10, 1), (20, 10, 2)]);
    assert!(source.is_finished());
}

#[test]
fn a_side_that_is_not_wanted_is_not_handed_over() {
    let (mut source, clock) = (recording(4), ReplayClock::at(Moment::default()));
    source.steer(&[
        (connection(2), Side::Received, Want::Whole),
        (connection(1), Side::Sent, Want::Whole),
    ]);
    clock.advance(Duration::from_secs(1));
    assert_eq!(drain(&mut source, &clock), []);
    steer(&mut source, Want::Whole);
    clock.advance(Duration::from_secs(1));
    assert_eq!(drain(&mut source, &clock), [(10, 10, 1)]);
    steer(&mut source, Want::NoMore);
    clock.advance(Duration::from_secs(9));
    assert_eq!(drain(&mut source, &clock), []);
    assert!(source.is_finished());
}

#[test]
fn skipped_bytes_leave_a_gap_in_the_positions() {
    let (mut source, clock) = (recording(5), ReplayClock::at(Moment::default()));
    steer(&mut source, Want::Whole);
    clock.advance(Duration::from_secs(1));
    assert_eq!(drain(&mut source, &clock), [(0, 10, 0)]);
    // The bytes 10 to 35 are skipped: two chunks, and a half of the third.
    steer(&mut source, Want::Skip(25));
    clock.advance(Duration::from_secs(3));
    assert_eq!(drain(&mut source, &clock), [(35, 5, 3)]);
    // What is skipped is skipped once.
    clock.advance(Duration::from_secs(1));
    assert_eq!(drain(&mut source, &clock), [(40, 10, 4)]);
}

#[test]
fn lost_payload_is_reported_once_with_its_bytes() {
    let (mut source, clock) = (recording(0), ReplayClock::at(Moment::default()));
    source.lose(700);
    let losses = source.drain(clock.now(), &mut |_| {});
    assert_eq!(losses.len(), 1);
    assert_eq!((&losses[0].cause, losses[0].count), (&LossCause::PayloadDropped, 700));
    assert_eq!(source.drain(clock.now(), &mut |_| {}), []);
}

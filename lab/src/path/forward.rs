//! The thread that carries one direction: it sleeps until a packet comes or one is due, and never spins.
//!
//! Reading and arriving interleave in small batches, so that a burst of arrivals cannot delay packets that are due.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::setpriority_process;
use rustix::thread::{gettid, set_current_timer_slack};
use tun_rs::SyncDevice;

use super::lane::{Counts, Fate, Lane, Shape};
use super::packet::tcp_payload_bytes;

const LARGEST_PACKET: usize = 2048;
/// Packets of a batch: serving a full one takes some 100 µs, far below the delays under test.
const BATCH: usize = 32;

/// A running direction; dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Carrier {
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    start: Instant,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    swallow: AtomicBool,
    passed_packets: AtomicU64,
    passed_bytes: AtomicU64,
    lost_packets: AtomicU64,
    dropped_packets: AtomicU64,
    swallowed_packets: AtomicU64,
    data_packets: AtomicU64,
    data_packets_missing: AtomicU64,
    late_us: AtomicU64,
    reordered_packets: AtomicU64,
    /// When the serialiser is idle again, nanoseconds since `start`.
    free_at: AtomicU64,
}

impl Carrier {
    pub(super) fn start(
        name: &str,
        from: Arc<SyncDevice>,
        to: Arc<SyncDevice>,
        shape: Shape,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let wake = Arc::new(
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .context("making an eventfd")?,
        );
        let start = Instant::now();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn({
                let shared = shared.clone();
                let wake = wake.clone();
                move || carry(&from, &to, Lane::new(shape), &shared, &wake, start)
            })
            .context("starting the thread of a path")?;
        Ok(Self { shared, wake, start, thread: Some(thread) })
    }

    pub(super) fn swallow(&self, on: bool) {
        self.shared.swallow.store(on, Relaxed);
    }

    /// How long a packet that comes in now waits for the serialiser.
    pub(super) fn queueing_delay(&self) -> Duration {
        let free_at = Duration::from_nanos(self.shared.free_at.load(Relaxed));
        free_at.saturating_sub(self.start.elapsed())
    }

    pub(super) fn counts(&self) -> Counts {
        let of = &self.shared;
        Counts {
            passed_packets: of.passed_packets.load(Relaxed),
            passed_bytes: of.passed_bytes.load(Relaxed),
            lost_packets: of.lost_packets.load(Relaxed),
            dropped_packets: of.dropped_packets.load(Relaxed),
            swallowed_packets: of.swallowed_packets.load(Relaxed),
            data_packets: of.data_packets.load(Relaxed),
            data_packets_missing: of.data_packets_missing.load(Relaxed),
            late_us: of.late_us.load(Relaxed),
            reordered_packets: of.reordered_packets.load(Relaxed),
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct InFlight {
    arrives_at: u64,
    /// Grows by one with each packet that came in.
    ordinal: u64,
    bytes: Vec<u8>,
}

/// Keeps the order of arrival; of packets that arrive at the same time, the order in which they came in.
fn insert(flying: &mut VecDeque<InFlight>, packet: InFlight) {
    if flying.back().is_none_or(|last| last.arrives_at <= packet.arrives_at) {
        return flying.push_back(packet);
    }
    let place = flying.partition_point(|other| other.arrives_at <= packet.arrives_at);
    flying.insert(place, packet);
}

fn carry(
    from: &SyncDevice,
    to: &SyncDevice,
    mut lane: Lane,
    shared: &Shared,
    wake: &OwnedFd,
    start: Instant,
) {
    // Both are for precision only, so a refusal is no failure: tests measure the delay anyhow.
    let _ = setpriority_process(Some(gettid()), -20);
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1));
    let now = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut flying: VecDeque<InFlight> = VecDeque::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    let (mut ordinal, mut highest_passed) = (0, 0);
    while !shared.stop.load(Relaxed) {
        for _ in 0..BATCH {
            if flying.front().is_none_or(|first| first.arrives_at > now()) {
                break;
            }
            let Some(packet) = flying.pop_front() else { break };
            shared.late_us.fetch_max(now().saturating_sub(packet.arrives_at) / 1000, Relaxed);
            // A refused write is the receiving stack's own business, as with a network card.
            let _ = to.send(&packet.bytes);
            shared.passed_packets.fetch_add(1, Relaxed);
            let is_reordered = packet.ordinal < highest_passed;
            shared.reordered_packets.fetch_add(u64::from(is_reordered), Relaxed);
            highest_passed = highest_passed.max(packet.ordinal);
            shared.passed_bytes.fetch_add(packet.bytes.len() as u64, Relaxed);
            spare.push(packet.bytes);
        }
        let mut read = 0;
        while read < BATCH {
            let mut bytes = spare.pop().unwrap_or_default();
            bytes.resize(LARGEST_PACKET, 0);
            let Ok(length) = from.recv(&mut bytes) else {
                spare.push(bytes);
                break;
            };
            read += 1;
            bytes.truncate(length);
            let carries_data = tcp_payload_bytes(&bytes) > 0;
            shared.data_packets.fetch_add(u64::from(carries_data), Relaxed);
            let counter = if shared.swallow.load(Relaxed) {
                &shared.swallowed_packets
            } else {
                let fate = lane.offer(now(), length as u64);
                shared.free_at.store(lane.free_at(), Relaxed);
                match fate {
                    Fate::Arrives(arrives_at) => {
                        ordinal += 1;
                        insert(&mut flying, InFlight { arrives_at, ordinal, bytes });
                        continue;
                    }
                    Fate::Lost => &shared.lost_packets,
                    Fate::Dropped => &shared.dropped_packets,
                }
            };
            counter.fetch_add(1, Relaxed);
            shared.data_packets_missing.fetch_add(u64::from(carries_data), Relaxed);
            spare.push(bytes);
        }
        if read == 0 {
            let due = flying.front().map(|first| first.arrives_at.saturating_sub(now()));
            sleep(from, wake, due.map(Duration::from_nanos));
        }
    }
}

fn sleep(from: &SyncDevice, wake: &OwnedFd, at_most: Option<Duration>) {
    if at_most == Some(Duration::ZERO) {
        return;
    }
    let timeout = at_most.and_then(|time| Timespec::try_from(time).ok());
    let mut watched = [
        PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
    ];
    // Interrupted or not, the loop checks everything again.
    let _ = poll(&mut watched, timeout.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_in_flight_are_ordered_by_arrival_and_then_by_ordinal() {
        let mut flying = VecDeque::new();
        for (ordinal, arrives_at) in [(1, 10), (2, 30), (3, 20), (4, 30), (5, 5), (6, 20)] {
            insert(&mut flying, InFlight { arrives_at, ordinal, bytes: Vec::new() });
        }
        let ordinals: Vec<u64> = flying.iter().map(|packet| packet.ordinal).collect();
        assert_eq!(ordinals, [5, 1, 3, 6, 2, 4]);
    }
}

//! Lifecycle events of TCP connections, read from the ring buffer that the programs of `bpf/events.h` write.
//! The programs record what they see; `decode` interprets it, where it can be tested.

mod decode;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aya::Btf;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use conns_contract::EventSource;
use conns_core::model::{DroppedEvents, Loss, LossCause, Moment, Observation, PairKey, Source};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::object::{self, attach};
use crate::row::SharedInterfaces;
use crate::shared_object::{self, SharedObject};
pub(crate) use decode::Decoder;

/// The size of the ring, as in `bpf/events.h`: it has room for 7 000 unread closed events, or 27 000 opened ones.
const RING_BYTES: u32 = 4 * 1024 * 1024;
/// Most events in one observation, about 1.5 kB each; the rest stays in the ring.
const MAX_BATCH: usize = 32_768;

/// Programs and tracepoints that find the process of an accepted connection by its first use; Linux 6.3.
const FIRST_USE_PROGRAMS: [(&str, &str); 2] =
    [("socket_read", "sock_recv_length"), ("socket_write", "sock_send_length")];

/// By `enum loss` of `bpf/shared.h`.
const LOSSES: [LossCause; 5] = [
    LossCause::RingFull { events: DroppedEvents::Opened, ring_bytes: RING_BYTES as u64 },
    LossCause::RingFull { events: DroppedEvents::Accepted, ring_bytes: RING_BYTES as u64 },
    LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: RING_BYTES as u64 },
    LossCause::RingFull { events: DroppedEvents::Failed, ring_bytes: RING_BYTES as u64 },
    LossCause::StorageFull { events: DroppedEvents::WithoutStorage },
];

/// The source of events.
pub struct Events {
    /// Keeps the programs attached.
    _programs: SharedObject,
    ring: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    lost_before: [u64; LOSSES.len()],
    decoder: Decoder,
}

impl Events {
    /// Attaches the programs; also returns why there are no accepted events, if there are none.
    pub(crate) fn open(
        shared: &SharedObject,
        types: &Btf,
        interfaces: SharedInterfaces,
        pair_key: PairKey,
    ) -> Result<(Self, Option<Box<str>>), Box<str>> {
        let mut programs = shared_object::lock(shared);
        let ring = object::map(&mut programs, "ring")?;
        let lost = object::map(&mut programs, "losses")?;
        attach(&mut programs, "receive_reset", "tcp_receive_reset", types)?;
        let no_accepts = FIRST_USE_PROGRAMS
            .into_iter()
            .try_for_each(|(program, tracepoint)| attach(&mut programs, program, tracepoint, types))
            .err();
        let events = Self {
            ring,
            lost,
            _programs: Arc::clone(shared),
            lost_before: [0; LOSSES.len()],
            decoder: Decoder::new(interfaces, pair_key),
        };
        Ok((events, no_accepts))
    }

    /// The ring, to wait for its wakeups.
    pub(crate) fn ring(&self) -> &RingBuf<MapData> {
        &self.ring
    }

    /// Events lost since the last call.
    fn losses(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for ((index, cause), before) in (0..).zip(LOSSES).zip(&mut self.lost_before) {
            let Ok(counts) = self.lost.get(&index, 0) else { continue };
            let count: u64 = counts.iter().sum();
            losses.extend(Loss::counted(Source::Ebpf, cause, count.saturating_sub(*before)));
            *before = count;
        }
        losses
    }
}

impl EventSource for Events {
    fn observe(&mut self, now: Moment) -> Observation {
        let mut lifecycle_events = Vec::new();
        self.decoder.begin(now);
        let mut refused = 0_u64;
        while lifecycle_events.len() < MAX_BATCH
            && let Some(record) = self.ring.next()
        {
            match self.decoder.read(&record) {
                Some(lifecycle_event) => lifecycle_events.push(lifecycle_event),
                None => refused += 1,
            }
        }
        let mut losses = self.losses();
        let unknown = LossCause::RecordsUnknown { are_events: true };
        losses.extend(Loss::counted(Source::Ebpf, unknown, refused));
        Observation::new(Source::Ebpf, now).with_lifecycle(lifecycle_events).with_losses(losses)
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        let timeout = Timespec::try_from(at_most).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

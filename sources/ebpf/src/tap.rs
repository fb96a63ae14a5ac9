//! Payload of TCP connections and UDP sockets, of these by their peers, read from the ring buffer that the programs of `bpf/tap.h` write, and what they
//! copy. They copy the first bytes of each side by themselves, then what has an entry in the map of wants.

mod early;
mod peers;
mod wants;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use aya::Btf;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
use conns_contract::{Ends, Payload, PayloadBatch, PayloadSource, Side, Steering};
use conns_core::decode::assembly::Segment;
use conns_core::model::{ConnectionId, Loss, LossCause, Moment, SocketId, Source};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use zerocopy::FromBytes;

use crate::events::Events;
use crate::kernel_clock::KernelClock;
use crate::layout::{
    LOST_PAYLOAD_BYTES, PAYLOAD_BEGINS, PAYLOAD_COPIED_BYTES, PAYLOAD_DATAGRAM, PAYLOAD_FIN,
    PAYLOAD_INBOUND, PAYLOAD_LISTENER, PAYLOAD_MOVED, PAYLOAD_OPENS, PAYLOAD_OUTBOUND,
    PAYLOAD_PEER, PAYLOAD_RECEIVED, PAYLOAD_SEGMENT, PAYLOAD_WHOLE, PayloadHeader,
};
use crate::object::{self, attach, why_not_program};
use crate::shared_object::{self, SharedObject};
use early::EarlySegments;
use peers::{Peers, of_peer};
use wants::Wants;

/// Most bytes of records in one batch, a quarter of the ring of `bpf/tap.h`: a few milliseconds of decoding.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Receives what was handed over.
type Sink<'a> = &'a mut dyn FnMut(ConnectionId, Moment, Payload<'_>);

/// The source of payload.
pub struct Tap {
    /// Keeps the programs attached.
    _programs: SharedObject,
    ring: RingBuf<MapData>,
    /// An epoll instance with the ring.
    wakeups: OwnedFd,
    counters: PerCpuArray<MapData, u64>,
    wants: Wants,
    peers: Peers,
    records: PayloadRecords,
    lost_before: u64,
}

impl Tap {
    /// Attaches the programs to the root cgroup; also returns why reads are not seen, if they are not.
    pub(crate) fn open(
        shared: &SharedObject,
        types: &Btf,
    ) -> Result<(Self, Option<Box<str>>), Box<str>> {
        let mut programs = shared_object::lock(shared);
        let wants = Wants::open(&mut programs)?;
        let peers = Peers::open(&mut programs)?;
        let ring = object::map(&mut programs, "payload")?;
        let counters = object::map(&mut programs, "payload_losses")?;
        let group = object::open_cgroup_root()?;
        for (name, direction) in [
            ("payload_out", CgroupSkbAttachType::Egress),
            ("payload_in", CgroupSkbAttachType::Ingress),
        ] {
            let program: &mut CgroupSkb = object::program(&mut programs, name)?;
            program.load().map_err(|error| why_not_program(&error))?;
            // Links always allow several programs; the mode is ignored.
            let attached = program.attach(&group, direction, CgroupAttachMode::Single);
            attached.map_err(|error| why_not_program(&error))?;
        }
        let no_reads =
            [("payload_read", "sock_recv_length"), ("payload_written", "sock_send_length")]
                .into_iter()
                .find_map(|(program, point)| attach(&mut programs, program, point, types).err());
        let wakeups = wakeups_of(&ring).map_err(|error| format!("epoll: {error}"))?;
        let records = PayloadRecords::default();
        let _programs = Arc::clone(shared);
        let tap =
            Self { _programs, ring, wakeups, counters, wants, peers, records, lost_before: 0 };
        Ok((tap, no_reads))
    }

    /// Lets [`PayloadSource::wait`] return for the wakeups of the ring of events too.
    pub(crate) fn wakes_for(&self, events: &Events) -> io::Result<()> {
        watch_wakeups(&self.wakeups, events.ring())
    }

    /// How many bytes of payload the programs copied so far.
    #[must_use]
    pub fn copied_bytes(&self) -> u64 {
        self.count(PAYLOAD_COPIED_BYTES)
    }

    /// A counter of the programs, summed over CPUs.
    fn count(&self, counter: u32) -> u64 {
        self.counters.get(&counter, 0).map_or(0, |counts| counts.iter().sum())
    }
}

/// An epoll instance that reports the wakeups of a ring, not that it has records: edge-triggered.
fn wakeups_of(ring: &RingBuf<MapData>) -> io::Result<OwnedFd> {
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    watch_wakeups(&instance, ring)?;
    Ok(instance)
}

fn watch_wakeups(instance: &OwnedFd, ring: &RingBuf<MapData>) -> io::Result<()> {
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    Ok(epoll::add(instance, ring, epoll::EventData::new_u64(0), flags)?)
}

impl PayloadSource for Tap {
    fn drain(&mut self, now: Moment, sink: Sink<'_>) -> PayloadBatch {
        self.records.begin(now);
        let (mut read, mut unknown) = (0, 0_u64);
        while read < MAX_BATCH_BYTES
            && let Some(record) = self.ring.next()
        {
            read += record.len();
            match self.records.read(&record, sink) {
                Some(Opens::Whole(cookie)) => self.wants.note_whole(cookie),
                Some(Opens::Peer(flow)) => self.peers.restore(flow),
                Some(Opens::Nothing) => {}
                None => unknown += 1,
            }
        }
        let lost = self.count(LOST_PAYLOAD_BYTES);
        let new = lost.saturating_sub(std::mem::replace(&mut self.lost_before, lost));
        let new = new + self.records.early.take_refused();
        let dropped = Loss::counted(Source::Wire, LossCause::PayloadDropped, new);
        let cause = LossCause::RecordsUnknown { are_events: true };
        let unknown = Loss::counted(Source::Wire, cause, unknown);
        PayloadBatch {
            losses: dropped.into_iter().chain(unknown).collect(),
            has_more: read >= MAX_BATCH_BYTES,
        }
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
        // What it returns is that there is payload, or none: the next drain reads what there is.
        let mut woken = [MaybeUninit::uninit()];
        match epoll::wait(&self.wakeups, &mut woken, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn steer(&mut self, steering: &[Steering<ConnectionId>]) {
        self.wants.steer(steering, self.records.now);
        steering.iter().for_each(|one| self.peers.steer(one));
    }

    fn close(&mut self, connection: ConnectionId) {
        match connection.flow {
            None => self.wants.close(connection.socket.cookie),
            Some(_) => self.peers.close(connection),
        }
    }
}

/// Interprets the records of the ring. Public for fuzzing by way of [`crate::Records`].
pub(crate) struct PayloadRecords {
    clock: KernelClock,
    now: Moment,
    early: EarlySegments,
}

/// What a record opens, as far as steering depends on it.
pub(crate) enum Opens {
    /// A connection that the programs hand over as a whole without steering, by the cookie of its socket.
    Whole(u64),
    /// The flow of a peer, whose entry the programs have just made.
    Peer(ConnectionId),
    /// Nothing, or a connection that waits for steering.
    Nothing,
}

impl Default for PayloadRecords {
    fn default() -> Self {
        let clock = KernelClock::new();
        Self { clock, now: Moment::default(), early: EarlySegments::default() }
    }
}

impl PayloadRecords {
    /// Sets the time at which the following records are read.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.now = now;
        self.clock.begin(now);
        self.early.expire(now);
    }

    /// Hands over what a record has; `None` if it is cut, or of a kind that this version does not know.
    pub(crate) fn read(&mut self, record: &[u8], sink: Sink<'_>) -> Option<Opens> {
        let (header, rest) = PayloadHeader::ref_from_prefix(record).ok()?;
        let bytes = rest.get(..usize::try_from(header.length.get()).ok()?)?;
        let (netns, cookie) = (header.netns.get().into(), header.cookie.get());
        let id = ConnectionId::of_socket(SocketId { netns, cookie });
        let at = self.clock.moment(header.at_ns.get());
        match header.kind {
            PAYLOAD_SEGMENT => Some(self.segment(header, bytes, id, at, sink)),
            PAYLOAD_LISTENER => {
                self.early.add(netns, header, bytes, at);
                Some(Opens::Nothing)
            }
            PAYLOAD_DATAGRAM => {
                let side = side(header);
                let is_peer = header.has(PAYLOAD_PEER);
                let id = if is_peer { of_peer(id, header.remote()) } else { id };
                let opens = header.has(PAYLOAD_OPENS);
                if opens {
                    sink(id, at, Payload::Opened { ends: ends(header), may_repeat: true });
                }
                sink(id, at, Payload::Datagram { side, bytes, cut: header.cut.get() });
                Some(if opens && is_peer { Opens::Peer(id) } else { Opens::Nothing })
            }
            PAYLOAD_MOVED => {
                let bytes_total = header.moved_bytes.get();
                sink(id, at, Payload::Moved { side: side(header), bytes_total });
                Some(Opens::Nothing)
            }
            _ => None,
        }
    }

    fn segment(
        &mut self,
        header: &PayloadHeader,
        bytes: &[u8],
        id: ConnectionId,
        at: Moment,
        sink: Sink<'_>,
    ) -> Opens {
        let side = side(header);
        if header.has(PAYLOAD_OPENS) {
            sink(id, at, Payload::Opened { ends: ends(header), may_repeat: false });
            self.early.hand_over(header, id, sink);
        }
        if header.has(PAYLOAD_BEGINS) {
            sink(id, at, begin_of(side, header.start.get()));
        }
        let segment = Segment {
            sequence: header.sequence.get(),
            syn: false,
            fin: header.has(PAYLOAD_FIN),
            bytes,
            cut: header.cut.get(),
            // The record names the bytes that were missed.
            ack: None,
        };
        sink(id, at, Payload::Segment { side, segment, before: header.before.get() });
        match header.has(PAYLOAD_OPENS) && header.has(PAYLOAD_WHOLE) {
            true => Opens::Whole(header.cookie.get()),
            false => Opens::Nothing,
        }
    }
}

fn side(header: &PayloadHeader) -> Side {
    if header.has(PAYLOAD_RECEIVED) { Side::Received } else { Side::Sent }
}

/// A SYN before the byte with this sequence number.
fn begin_of(side: Side, start: u32) -> Payload<'static> {
    let sequence = start.wrapping_sub(1);
    let segment = Segment { sequence, syn: true, ..Segment::default() };
    Payload::Segment { side, segment, before: sequence }
}

fn ends(header: &PayloadHeader) -> Ends {
    let opener = match (header.has(PAYLOAD_OUTBOUND), header.has(PAYLOAD_INBOUND)) {
        (true, _) => Some(Side::Sent),
        (false, true) => Some(Side::Received),
        (false, false) => None,
    };
    Ends { local: Some(header.local()), remote: Some(header.remote()), opener }
}

#[cfg(test)]
mod tests;

//! All TCP connections and UDP flows of a payload source: each is assembled, recognised and decoded;
//! what changed, and what the source is to hand over from now on, is taken from here.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Application, Moment, ResolvedName};

use super::assembly::{MAX_TOTAL_PENDING_BYTES, Room, Segment};
use super::budget::{Budget, Budgets, DecodeCounts};
use super::expected::{ExpectedFlows, Link};
use super::media::Publications;
use super::stream::{Common, Shared, Stream};
use super::{Ends, ProtocolSpec, Side, Want, registry};

/// Most connections that are read at a time: as many as the tracker keeps layers of.
pub const MAX_STREAMS: usize = 262_144;
/// Most first bytes that are held together: 8192 connections that sent as much as is kept, and no
/// protocol that is known.
pub const MAX_RECOGNITION_MEMORY: u64 = 64 << 20;
/// Most bytes that decoders hold together: 512 bytes for each of 131 072 connections.
pub const MAX_DECODER_MEMORY: u64 = 64 << 20;
/// Most names that are kept until they are taken: a resolver's answers of a second.
pub const MAX_UNTAKEN_NAMES: usize = 16_384;

/// The bounds of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections read at a time.
    pub streams: usize,
    /// Bytes held back behind gaps, all connections together.
    pub pending_bytes: u64,
    /// First bytes held, all connections together.
    pub recognition_bytes: u64,
    /// Bytes held by decoders, all connections together.
    pub decoder_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: MAX_STREAMS,
            pending_bytes: MAX_TOTAL_PENDING_BYTES,
            recognition_bytes: MAX_RECOGNITION_MEMORY,
            decoder_bytes: MAX_DECODER_MEMORY,
        }
    }
}

/// What a source is to hand over of one side from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steering<K> {
    /// The connection.
    pub key: K,
    /// The side.
    pub side: Side,
    /// What is wanted of it. Before the first steering it is every byte up to
    /// [`MAX_PREFIX_BYTES`](super::MAX_PREFIX_BYTES); more does no harm.
    pub want: Want,
    /// The sequence number of the next byte that is wanted, for sources that hand over segments.
    pub resume_at: Option<u32>,
}

/// The connections of a source, by a key of its choice.
#[derive(Debug)]
pub struct Streams<K> {
    /// Each on its own, so that the table is small when it grows.
    by_key: HashMap<K, Box<Entry<K>>, RandomState>,
    /// Those that hold back bytes behind gaps, by how many and by number.
    waiting: BTreeMap<(u64, u64), K>,
    /// The number of the last connection.
    last_number: u64,
    max_streams: usize,
    shared: Shared,
    changed: Vec<K>,
    steering: Vec<Steering<K>>,
    names: Vec<(K, ResolvedName)>,
    expected: ExpectedFlows<K>,
}

#[derive(Debug)]
struct Entry<K> {
    stream: Stream,
    number: u64,
    /// As in the list of those that wait.
    pending_bytes: u64,
    ends: Ends,
    /// Ports of the flows that it expects.
    announced: Vec<(u16, u16)>,
    /// Of a flow of datagrams: the connection that set it up.
    link: Option<Link<K>>,
    /// How many flows had been expected when that was looked up last.
    looked_up: u64,
}

impl<K: Copy + Eq + Hash> Default for Streams<K> {
    fn default() -> Self {
        Self::new(registry().collect(), Limits::default())
    }
}

impl<K: Copy + Eq + Hash> Streams<K> {
    /// Recognises these protocols, the first one first where several are possible.
    #[must_use]
    pub fn new(protocols: Vec<&'static ProtocolSpec>, limits: Limits) -> Self {
        let common = Common {
            protocols,
            budgets: Budgets {
                recognition: Budget::new(limits.recognition_bytes),
                decoders: Budget::new(limits.decoder_bytes),
            },
            counts: DecodeCounts::default(),
            publications: Publications::default(),
            names: Vec::new(),
            expected: Vec::new(),
        };
        Self {
            by_key: HashMap::default(),
            waiting: BTreeMap::new(),
            last_number: 0,
            max_streams: limits.streams,
            shared: Shared { room: Room::new(limits.pending_bytes), common },
            changed: Vec::new(),
            steering: Vec::new(),
            names: Vec::new(),
            expected: ExpectedFlows::default(),
        }
    }

    /// Begins a connection or a flow, or one anew that has this key. `false` if there are too many.
    pub fn open(&mut self, key: K, ends: Ends) -> bool {
        self.remove(key);
        if self.by_key.len() >= self.max_streams {
            self.shared.common.counts.streams_refused += 1;
            return false;
        }
        self.last_number += 1;
        let (stream, number) = (Stream::new(ends), self.last_number);
        let (announced, link) = (Vec::new(), None);
        let entry = Entry { stream, number, pending_bytes: 0, ends, announced, link, looked_up: 0 };
        self.by_key.insert(key, entry.into());
        true
    }

    /// Adds a segment of a connection. Without effect if that was not begun.
    pub fn segment(&mut self, key: K, side: Side, segment: Segment<'_>, at: Moment) {
        self.make_room(key, segment.bytes.len() as u64, at);
        self.change(key, |stream, shared| stream.segment(side, segment, at, shared));
    }

    /// The same of a source that knows that what is before the sequence number `before` and was not handed over will
    /// not be.
    pub fn segment_after(
        &mut self,
        key: K,
        side: Side,
        before: u32,
        segment: Segment<'_>,
        at: Moment,
    ) {
        self.make_room(key, segment.bytes.len() as u64, at);
        self.change(key, |stream, shared| {
            stream.lost(side, Some(before), at, shared);
            stream.segment(side, segment, at, shared);
        });
    }

    /// Adds a datagram of a flow, `cut` bytes of which were not captured. Without effect if the flow was
    /// not begun.
    pub fn datagram(&mut self, key: K, side: Side, bytes: &[u8], cut: u32, at: Moment) {
        let link = self.link(key);
        let protocol = link.map(|link| link.protocol);
        self.change(key, |stream, shared| {
            stream.datagram(side, bytes, cut, protocol, at, shared);
        });
        if let Some(link) = link {
            let side = link.side(side);
            self.change(link.owner, |stream, shared| {
                stream.flow_datagram(link.number, side, bytes, cut, at, shared);
            });
        }
    }

    /// The connection that set a flow up.
    fn link(&mut self, key: K) -> Option<Link<K>> {
        let entry = self.by_key.get_mut(&key)?;
        if entry.link.is_none() && entry.looked_up != self.expected.additions {
            entry.looked_up = self.expected.additions;
            entry.link = self.expected.find(entry.ends);
        }
        entry.link
    }

    /// Adds bytes of a connection that the source has put in order; `position` is that of the first
    /// one. Positions ascend, and missing ones that are wanted are a gap. Without effect if the
    /// connection was not begun.
    pub fn chunk(&mut self, key: K, side: Side, position: u64, bytes: &[u8], at: Moment) {
        self.change(key, |stream, shared| stream.chunk(side, position, bytes, at, shared));
    }

    /// The source lost segments of a side: those before the sequence number `until`, or an unknown
    /// number. Gaps before what is held back are given up.
    pub fn lost(&mut self, key: K, side: Side, until: Option<u32>, at: Moment) {
        self.change(key, |stream, shared| stream.lost(side, until, at, shared));
    }

    /// The process that owns this machine's end has written payload of [`Side::Sent`], or read payload
    /// of [`Side::Received`]: that many bytes since the connection began.
    pub fn moved_by_process(&mut self, key: K, side: Side, bytes_total: u64, at: Moment) {
        self.change(key, |stream, _| stream.moved_by_process(side, bytes_total, at));
    }

    /// Ends both sides of a connection. Its layers can be read until it is removed.
    pub fn close(&mut self, key: K, at: Moment) {
        self.change(key, |stream, shared| stream.close(at, shared));
        if let Some(entry) = self.by_key.get_mut(&key) {
            self.expected.remove(key, &mut entry.announced);
        }
    }

    /// Removes a connection.
    pub fn remove(&mut self, key: K) {
        if let Some(entry) = self.by_key.remove(&key) {
            let Entry { stream, number, pending_bytes, mut announced, .. } = *entry;
            self.expected.remove(key, &mut announced);
            self.waiting.remove(&(pending_bytes, number));
            let counts = stream.remove(&mut self.shared);
            self.shared.common.counts.assembly += counts;
        }
    }

    /// Gives up the gaps of those that hold back most, until there is room for as many bytes, or `key`
    /// itself holds back most: none has more than its share when there are many.
    fn make_room(&mut self, key: K, bytes: u64, at: Moment) {
        // Each part of a segment that overlaps others costs more than its bytes.
        let wanted = 2 * bytes + 1024;
        while !self.shared.room.has_room(wanted)
            && let Some((_, largest)) = self.waiting.last_key_value()
            && *largest != key
        {
            let largest = *largest;
            self.change(largest, |stream, shared| stream.make_room(at, shared));
        }
    }

    fn change(&mut self, key: K, step: impl FnOnce(&mut Stream, &mut Shared)) {
        let Some(entry) = self.by_key.get_mut(&key) else { return };
        let Entry { stream, number, pending_bytes, announced, .. } = &mut **entry;
        step(stream, &mut self.shared);
        for flow in self.shared.common.expected.drain(..) {
            self.expected.add(key, flow, announced);
        }
        let pending = stream.pending_bytes();
        if pending != *pending_bytes {
            self.waiting.remove(&(*pending_bytes, *number));
            if pending > 0 {
                self.waiting.insert((pending, *number), key);
            }
            *pending_bytes = pending;
        }
        for name in self.shared.common.names.drain(..) {
            if self.names.len() < MAX_UNTAKEN_NAMES {
                self.names.push((key, name));
            } else {
                self.shared.common.counts.names_refused += 1;
            }
        }
        if !std::mem::replace(&mut stream.is_listed, true) {
            self.changed.push(key);
        }
        for side in Side::ALL {
            if let Some((want, resume_at)) = stream.steering(side) {
                self.steering.push(Steering { key, side, want, resume_at });
            }
        }
    }

    /// Whether media is played of which servers may hold some back, or received of which a name is not known yet.
    #[must_use]
    pub fn is_media_unsettled(&self) -> bool {
        self.shared.common.publications.is_unsettled()
    }

    /// The source is read beyond the moment that is asked for: what only its later bytes need is kept from the begin on.
    pub fn read_further(&mut self) {
        self.shared.common.publications.read_further();
    }

    /// It is the moment that is asked for, and what follows is read to settle what media was then.
    pub fn mark_media(&mut self, at: Moment) {
        self.shared.common.publications.mark(at.monotonic_us);
    }

    /// Whether reading on shows no more of the moment of [`mark_media`](Self::mark_media).
    #[must_use]
    pub fn is_marked_media_settled(&self) -> bool {
        self.shared.common.publications.is_known()
    }

    /// Adopts from `ahead`, which read the same source further, what servers hold back now, and names of what they receive.
    pub fn adopt_media(&mut self, ahead: &Self) {
        self.shared.common.publications.adopt(&ahead.shared.common.publications);
    }

    /// The layers of a connection as the end that sends `seen_from` has them at the moment `now`;
    /// `None` if no protocol is recognised.
    #[must_use]
    pub fn application(&self, key: K, seen_from: Side, now: Moment) -> Option<Arc<Application>> {
        self.by_key.get(&key)?.stream.application(seen_from, now)
    }

    /// The connections whose layers may have changed since the last call.
    pub fn take_changed(&mut self) -> Vec<K> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.retain(|key| {
            let entry = self.by_key.get_mut(key);
            entry.is_some_and(|entry| std::mem::take(&mut entry.stream.is_listed))
        });
        changed
    }

    /// What the source is to hand over from now on, as far as it changed since the last call, oldest
    /// first.
    pub fn take_steering(&mut self) -> Vec<Steering<K>> {
        std::mem::take(&mut self.steering)
    }

    /// The names of addresses that were read since the last call, with the connection that they were
    /// read on, oldest first.
    pub fn take_names(&mut self) -> Vec<(K, ResolvedName)> {
        std::mem::take(&mut self.names)
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &DecodeCounts {
        &self.shared.common.counts
    }

    /// Bytes held: behind gaps, first bytes, decoders.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.shared.room.used() + self.decoding_memory()
    }

    /// Bytes held by first bytes and decoders, without what is behind gaps.
    #[must_use]
    pub fn decoding_memory(&self) -> u64 {
        self.shared.common.budgets.used()
    }

    /// The ends of a connection as it was begun; `None` if it was not.
    #[must_use]
    pub fn ends(&self, key: K) -> Option<Ends> {
        self.by_key.get(&key).map(|entry| entry.ends)
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

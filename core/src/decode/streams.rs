//! All TCP connections of a payload source: each is assembled, recognised and decoded; what changed,
//! and what the source is to hand over from now on, is taken from here.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Application, Moment};

use super::assembly::{MAX_TOTAL_PENDING_BYTES, Room, Segment};
use super::budget::{Budget, DecodeCounts};
use super::stream::{Common, Shared, Stream};
use super::{Ends, ProtocolSpec, Side, Want, registry};

/// Most connections that are read at a time: as many as the tracker keeps layers of.
pub const MAX_STREAMS: usize = 262_144;
/// Most bytes that first bytes and decoders hold together: 1 KiB for each of 131 072 connections.
pub const MAX_TOTAL_MEMORY: u64 = 128 << 20;

/// The bounds of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections read at a time.
    pub streams: usize,
    /// Bytes held back behind gaps, all connections together.
    pub pending_bytes: u64,
    /// Bytes held by first bytes and decoders, all connections together.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: MAX_STREAMS,
            pending_bytes: MAX_TOTAL_PENDING_BYTES,
            memory: MAX_TOTAL_MEMORY,
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
    by_key: HashMap<K, Stream, RandomState>,
    max_streams: usize,
    shared: Shared,
    changed: Vec<K>,
    steering: Vec<Steering<K>>,
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
            budget: Budget::new(limits.memory),
            counts: DecodeCounts::default(),
        };
        Self {
            by_key: HashMap::default(),
            max_streams: limits.streams,
            shared: Shared { room: Room::new(limits.pending_bytes), common },
            changed: Vec::new(),
            steering: Vec::new(),
        }
    }

    /// Begins a connection, or one anew that has this key. `false` if there are too many.
    pub fn open(&mut self, key: K, ends: Ends) -> bool {
        self.remove(key);
        if self.by_key.len() >= self.max_streams {
            self.shared.common.counts.streams_refused += 1;
            return false;
        }
        self.by_key.insert(key, Stream::new(ends));
        true
    }

    /// Adds a segment of a connection. Without effect if that was not begun.
    pub fn segment(&mut self, key: K, side: Side, segment: Segment<'_>, at: Moment) {
        self.change(key, |stream, shared| stream.segment(side, segment, at, shared));
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

    /// The process that owns this machine's end has read: that many bytes since the connection began.
    pub fn read_by_process(&mut self, key: K, bytes_total: u64, at: Moment) {
        self.change(key, |stream, _| stream.read_by_process(bytes_total, at));
    }

    /// Ends both sides of a connection. Its layers can be read until it is removed.
    pub fn close(&mut self, key: K, at: Moment) {
        self.change(key, |stream, shared| stream.close(at, shared));
    }

    /// Removes a connection.
    pub fn remove(&mut self, key: K) {
        if let Some(stream) = self.by_key.remove(&key) {
            let counts = stream.remove(&mut self.shared);
            self.shared.common.counts.assembly += counts;
        }
    }

    fn change(&mut self, key: K, step: impl FnOnce(&mut Stream, &mut Shared)) {
        let Some(stream) = self.by_key.get_mut(&key) else { return };
        step(stream, &mut self.shared);
        if !std::mem::replace(&mut stream.is_listed, true) {
            self.changed.push(key);
        }
        for side in Side::ALL {
            if let Some((want, resume_at)) = stream.steering(side) {
                self.steering.push(Steering { key, side, want, resume_at });
            }
        }
    }

    /// The layers of a connection as the end that sends `seen_from` has them at the moment `now`;
    /// `None` if no protocol is recognised.
    #[must_use]
    pub fn application(&self, key: K, seen_from: Side, now: Moment) -> Option<Arc<Application>> {
        self.by_key.get(&key)?.application(seen_from, now)
    }

    /// The connections whose layers may have changed since the last call.
    pub fn take_changed(&mut self) -> Vec<K> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.retain(|key| {
            let stream = self.by_key.get_mut(key);
            stream.is_some_and(|stream| std::mem::take(&mut stream.is_listed))
        });
        changed
    }

    /// What the source is to hand over from now on, as far as it changed since the last call, oldest
    /// first.
    pub fn take_steering(&mut self) -> Vec<Steering<K>> {
        std::mem::take(&mut self.steering)
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
        self.shared.common.budget.used()
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

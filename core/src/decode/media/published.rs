//! What is published, by server and name, so that a playback is compared with what it plays.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::fast::RandomState;

use crate::decode::{Ends, Side};

use super::held::HeldBack;
use super::input::{Input, Inputs, Played};
use super::messages::Messages;
use super::sealed::{Answer, Sealed, SealedConnections, waiting};
use super::track::{Counted, Offered};

/// Most names that are kept. Of more, playbacks are not compared.
const MAX_NAMES: usize = 16_384;
/// Most publications of one name, at as many servers.
const MAX_SAME_NAME: usize = 16;

/// A server of this machine, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct Server {
    /// `None` if it is this machine's end.
    address: Option<IpAddr>,
    port: u16,
}

impl Server {
    /// The end that the side `client` does not send; `None` if its port is not known.
    pub(in crate::decode) fn of(ends: Ends, client: Side) -> Option<Self> {
        match client {
            Side::Received => Some(Self { address: None, port: ends.local?.port }),
            Side::Sent => {
                let remote = ends.remote?;
                Some(Self { address: Some(remote.address), port: remote.port })
            }
        }
    }
}

/// The counters of a publication, which its connection writes and playbacks read.
#[derive(Debug, Default)]
pub(in crate::decode) struct Published {
    audio: Shared,
    video: Shared,
    bandwidth_kbit_per_s: AtomicU64,
    /// Parameter sets of video between its pictures.
    parameter_sets: AtomicU64,
    has_ended: AtomicBool,
    messages: Mutex<Messages>,
    /// What was published until the moment that is asked for.
    marked: OnceLock<Offered>,
}

#[derive(Debug, Default)]
struct Shared {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Shared {
    fn read(&self) -> Counted {
        Counted {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Published {
    fn of(&self, is_video: bool) -> &Shared {
        if is_video { &self.video } else { &self.audio }
    }

    /// A message begins that a server may send on as it is.
    pub(in crate::decode) fn message(&self, is_video: bool, timestamp: u32, length: u32) {
        let before = self.of(is_video).read();
        self.messages().add(is_video, timestamp, length, before);
    }

    /// Bytes held on the heap.
    pub(in crate::decode) fn memory(&self) -> usize {
        self.messages().memory()
    }

    pub(in crate::decode) fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk of a message was published; with the first one the message is offered.
    pub(in crate::decode) fn chunk(&self, is_video: bool, is_first: bool, bytes: u64) {
        let shared = self.of(is_video);
        shared.packets.fetch_add(is_first.into(), Ordering::Relaxed);
        shared.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What it declares of its bandwidth, kilobits a second; the last one is valid.
    pub(in crate::decode) fn declare(&self, bandwidth_kbit_per_s: u64) {
        self.bandwidth_kbit_per_s.store(bandwidth_kbit_per_s, Ordering::Relaxed);
    }

    pub(in crate::decode) fn bandwidth_kbit_per_s(&self) -> u64 {
        self.bandwidth_kbit_per_s.load(Ordering::Relaxed)
    }

    /// Parameter sets were published between pictures.
    pub(in crate::decode) fn parameter_sets(&self, number: u64) {
        self.parameter_sets.fetch_add(number, Ordering::Relaxed);
    }

    pub(in crate::decode) fn parameter_sets_so_far(&self) -> u64 {
        self.parameter_sets.load(Ordering::Relaxed)
    }

    /// No more is published.
    pub(in crate::decode) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    pub(in crate::decode) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn mark(&self) {
        self.marked.get_or_init(|| self.offered());
    }

    pub(in crate::decode) fn offered(&self) -> Offered {
        Offered { audio: self.audio.read(), video: self.video.read() }
    }
}

#[derive(Debug)]
struct Entry {
    server: Server,
    published: Arc<Published>,
}

/// All publications of the connections of a source.
#[derive(Debug, Clone, Default)]
pub struct Publications(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    names: Mutex<ByName>,
    held_back: HeldBack,
    inputs: Inputs,
    /// Whether a file is read beyond the moment that is asked for.
    is_further: AtomicBool,
    sealed: SealedConnections,
}

type ByName = HashMap<Arc<str>, Vec<Entry>, RandomState>;

impl Publications {
    /// Begins a publication; one of this name at this server before it is over.
    pub(in crate::decode) fn begin(&self, server: Server, name: &Arc<str>) -> Arc<Published> {
        let published = Arc::new(Published::default());
        if self.0.held_back.is_marked() {
            // It is after the moment.
            published.mark();
        }
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            return published;
        }
        let entries = names.entry(Arc::clone(name)).or_default();
        entries.retain(|entry| entry.server != server && !entry.published.has_ended());
        if entries.len() < MAX_SAME_NAME {
            entries.push(Entry { server, published: Arc::clone(&published) });
        }
        published
    }

    /// Ends a publication.
    pub(in crate::decode) fn end(&self, name: &str, published: &Arc<Published>) {
        published.end();
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = names.get_mut(name) {
            entries.retain(|entry| !Arc::ptr_eq(&entry.published, published));
            if entries.is_empty() {
                names.remove(name);
            }
        }
    }

    /// The publication of this name at this server; else the only one at its machine, since a server may
    /// have several ports.
    pub(in crate::decode) fn find(&self, server: Server, name: &str) -> Option<Arc<Published>> {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = names.get(name)?;
        let exact = entries.iter().find(|entry| entry.server == server);
        let found = exact.or_else(|| {
            let mut near = entries.iter().filter(|entry| entry.server.address == server.address);
            near.next().filter(|_| near.next().is_none())
        });
        found.map(|entry| Arc::clone(&entry.published))
    }

    /// Begins a playback, and returns its number.
    pub(in crate::decode) fn begin_playback(&self) -> u64 {
        self.0.held_back.begin()
    }

    pub(in crate::decode) fn end_playback(&self) {
        self.0.held_back.end();
    }

    /// Begins an input without a name, which the side `sender` sends; `plays` is what it is asked for.
    pub(in crate::decode) fn begin_input(
        &self,
        ends: Ends,
        sender: Side,
        plays: Option<&Arc<str>>,
    ) -> Option<Arc<Input>> {
        self.0.inputs.begin(ends, sender, plays)
    }

    /// The inputs without name that may be what is played.
    pub(in crate::decode) fn inputs_at(&self, played: &Played) -> Vec<Arc<Input>> {
        self.0.inputs.at(played)
    }

    /// What is played under a name is an input that had none.
    pub(in crate::decode) fn name_input(&self, input: &Input, name: &Arc<str>) {
        self.0.inputs.name(input, name);
    }

    /// Whether later bytes may show more of this moment.
    pub(in crate::decode) fn is_unsettled(&self) -> bool {
        self.0.held_back.has_playbacks() || self.0.inputs.has_unnamed()
    }

    /// The source is read beyond the moment that is asked for.
    pub(in crate::decode) fn read_further(&self) {
        self.0.is_further.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(in crate::decode) fn is_further(&self) -> bool {
        self.0.is_further.load(Ordering::Relaxed)
    }

    /// Begins an encrypted connection to a server at this address; `None` unless the source is read further.
    pub(in crate::decode) fn begin_sealed(&self, receiver: IpAddr) -> Option<Arc<Sealed>> {
        self.is_further().then(|| self.0.sealed.begin(receiver)).flatten()
    }

    /// A player in a tunnel at a server got these answers; if the last one is the first behind the moment that is asked
    /// for, they show what waited then.
    pub(in crate::decode) fn answered(&self, playback: u64, receiver: IpAddr, answers: &[Answer]) {
        let Some(at_us) = self.0.held_back.marked_us() else { return };
        let is_behind = |one: &Answer| one.after_us <= at_us && at_us < one.until_us;
        if answers.last().is_some_and(is_behind)
            && let Some(waiting) = waiting(answers, &self.0.sealed.at(receiver), at_us)
        {
            self.0.held_back.found(playback, waiting);
        }
    }

    /// It is the moment that is asked for: from now on, what playbacks send of before is held back.
    pub(in crate::decode) fn mark(&self, at_us: u64) {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.values().flatten().for_each(|entry| entry.published.mark());
        self.0.held_back.mark(at_us);
        self.0.inputs.mark();
    }

    /// A playback sends the message of this length; before it, `before` of its track was published.
    pub(in crate::decode) fn sent(
        &self,
        playback: u64,
        published: &Published,
        is_video: bool,
        before: Counted,
        length: u32,
    ) {
        if !self.0.held_back.is_marked() {
            return;
        }
        // One that ended before the moment was not marked.
        let marked = published.marked.get().copied().unwrap_or_else(|| published.offered());
        let marked = marked.of(is_video);
        let until_then = marked.bytes.saturating_sub(before.bytes).min(length.into());
        let is_before = before.packets < marked.packets;
        self.0.held_back.sent(playback, is_video, is_before.then_some(until_then));
    }

    /// Whether reading on shows no more of the moment.
    pub(in crate::decode) fn is_known(&self) -> bool {
        self.0.held_back.is_known() && !self.0.inputs.has_unnamed()
    }

    /// What was held back for a playback; `None` if it is not known.
    pub(in crate::decode) fn held_back(&self, playback: u64) -> Option<Offered> {
        self.0.held_back.of(playback)
    }

    /// Adopts what reading the same source further found.
    pub(in crate::decode) fn adopt(&self, ahead: &Self) {
        self.0.held_back.adopt(&ahead.0.held_back);
        self.0.inputs.adopt(&ahead.0.inputs);
    }
}

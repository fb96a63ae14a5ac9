//! What is published, by server and name, so that a playback is compared with what it plays.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::decode::{Ends, Side};

use super::track::Counted;

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

/// What was published of each track.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::decode) struct Offered {
    pub(in crate::decode) audio: Counted,
    pub(in crate::decode) video: Counted,
}

impl Published {
    fn of(&self, is_video: bool) -> &Shared {
        if is_video { &self.video } else { &self.audio }
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
pub struct Publications(Arc<Mutex<ByName>>);

type ByName = HashMap<Arc<str>, Vec<Entry>, RandomState>;

impl Publications {
    /// Begins a publication; one of this name at this server before it is over.
    pub(in crate::decode) fn begin(&self, server: Server, name: &Arc<str>) -> Arc<Published> {
        let published = Arc::new(Published::default());
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = names.get(name)?;
        let exact = entries.iter().find(|entry| entry.server == server);
        let found = exact.or_else(|| {
            let mut near = entries.iter().filter(|entry| entry.server.address == server.address);
            near.next().filter(|_| near.next().is_none())
        });
        found.map(|entry| Arc::clone(&entry.published))
    }
}

//! A playback beside what is published under its name: what was offered, and what was sent of it.

use std::sync::Arc;

use crate::decode::media::{Counted, Offered, Publications, Published, Server, Stream};

/// A playback's link to the publication of its name.
#[derive(Debug)]
pub(super) struct Playback {
    publications: Publications,
    server: Option<Server>,
    name: Arc<str>,
    link: Option<Link>,
    /// What was offered by publications that ended.
    before: Offered,
    /// Whether there was one ever.
    was_linked: bool,
}

#[derive(Debug)]
struct Link {
    published: Arc<Published>,
    /// What had been published before.
    begin: Offered,
}

impl Link {
    fn offered(&self) -> Offered {
        let now = self.published.offered();
        Offered {
            audio: now.audio.since(self.begin.audio),
            video: now.video.since(self.begin.video),
        }
    }
}

fn sum(a: Offered, b: Offered) -> Offered {
    let add = |a: Counted, b: Counted| Counted {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
    };
    Offered { audio: add(a.audio, b.audio), video: add(a.video, b.video) }
}

impl Playback {
    /// Begins now: what was published before is not offered.
    pub(super) fn new(publications: Publications, server: Option<Server>, name: Arc<str>) -> Self {
        let mut playback = Self {
            publications,
            server,
            name,
            link: None,
            before: Offered::default(),
            was_linked: false,
        };
        if let Some(published) = playback.find() {
            playback.link = Some(Link { begin: published.offered(), published });
            playback.was_linked = true;
        }
        playback
    }

    fn find(&self) -> Option<Arc<Published>> {
        self.publications.find(self.server?, &self.name)
    }

    /// Links to a publication that began since.
    pub(super) fn follow(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.published.has_ended()) {
            return;
        }
        if let Some(link) = self.link.take() {
            self.before = sum(self.before, link.offered());
        }
        if let Some(published) = self.find() {
            self.link = Some(Link { published, begin: Offered::default() });
            self.was_linked = true;
        }
    }

    /// Completes what is known of the stream: the link, what was offered, what was dropped.
    pub(super) fn complete(&self, stream: &mut Stream) {
        let linked = self.link.as_ref().filter(|link| !link.published.has_ended());
        let found = if linked.is_none() { self.find() } else { None };
        let is_linked = linked.is_some() || found.is_some();
        stream.is_linked = (is_linked || self.was_linked).then_some(is_linked);
        let mut offered = self.before;
        if let Some(link) = &self.link {
            offered = sum(offered, link.offered());
        }
        if let Some(published) = found {
            offered = sum(offered, published.offered());
        }
        if !is_linked && !self.was_linked {
            return;
        }
        for (track, offered) in
            [(&mut stream.tracks.audio, offered.audio), (&mut stream.tracks.video, offered.video)]
        {
            track.dropped = offered.since(track.sent);
            track.sent.packets += track.dropped.packets;
            track.sent.bytes += track.dropped.bytes;
        }
    }
}

/// Decoder configurations that a server sends. It inserts one before the first frame; one of the publisher is a
/// message as any other.
#[derive(Debug, Default)]
pub(super) struct Headers {
    in_a_row: u64,
    has_frames: bool,
}

impl Headers {
    /// A message was counted as sent: takes it back if the server inserted it.
    pub(super) fn message(&mut self, is_header: bool, bytes: u64, sent: &mut Counted) {
        if !is_header {
            self.has_frames = true;
            return;
        }
        self.in_a_row += 1;
        // Where the publisher sends its own while the playback waits for it, three are sent, one of which counts.
        let is_inserted = !self.has_frames && self.in_a_row != 3;
        if is_inserted {
            sent.packets = sent.packets.saturating_sub(1);
            sent.bytes = sent.bytes.saturating_sub(bytes);
        }
    }
}

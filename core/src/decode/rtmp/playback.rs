//! A playback beside what is published under its name: what was offered, and what was sent of it.

use std::sync::Arc;

use crate::decode::media::{
    Answer, Clock, Counted, Input, Offered, Played, Publications, Published, Server, Stream,
};

use super::chunks::{Header, VIDEO};

/// Messages after which it is decided of which input a playback is.
const COMPARED: u32 = 32;
/// How many times that is tried at most.
const MAX_COMPARISONS: u32 = 8;
/// Most answers in a tunnel that are kept.
const MAX_ANSWERS: usize = 16;
/// A server drops what a player does not get rather than holding back more, bytes: so an EMS as shipped.
const MAX_HELD_BACK: u64 = 512 * 1024;

/// A playback's link to the publication of its name.
#[derive(Debug)]
pub(super) struct Playback {
    publications: Publications,
    number: u64,
    server: Option<Server>,
    name: Arc<str>,
    link: Option<Link>,
    /// What was offered by publications that ended.
    before: Offered,
    /// Whether there was one ever.
    was_linked: bool,
    source: Source,
    /// The latest answers that had something, in a tunnel.
    answers: Vec<Answer>,
}

/// Of which input without name a playback is, while nothing is published under its own.
#[derive(Debug)]
struct Source {
    played: Option<Played>,
    compared: Vec<(Arc<Input>, Clock)>,
    messages: u32,
    /// Whether it is found, or is not searched for any more.
    is_decided: bool,
}

impl Source {
    /// A message is sent: after some it is the only input that has the same messages.
    fn message(&mut self, header: &Header, publications: &Publications) {
        let Some(played) = self.played.as_ref().filter(|_| !self.is_decided) else { return };
        if self.messages.is_multiple_of(COMPARED) {
            let inputs = publications.inputs_at(played).into_iter();
            self.compared = inputs.map(|input| (input, Clock::default())).collect();
        }
        self.messages += 1;
        for (input, clock) in &mut self.compared {
            let is_video = header.kind == VIDEO;
            clock.before(&input.messages(), is_video, header.timestamp, header.length);
        }
        if !self.messages.is_multiple_of(COMPARED) {
            return;
        }
        let mut same = self.compared.iter().filter(|(_, clock)| clock.found >= COMPARED / 2);
        if let (Some((input, _)), None) = (same.next(), same.next()) {
            publications.name_input(input, &played.1);
            self.is_decided = true;
        }
        if self.messages >= COMPARED * MAX_COMPARISONS {
            self.is_decided = true;
        }
        self.compared = Vec::new();
    }
}

#[derive(Debug)]
struct Link {
    published: Arc<Published>,
    /// What had been published before.
    begin: Offered,
    clock: Clock,
    /// What was published until the last message that was sent, with it.
    reached: Reached,
}

#[derive(Debug, Default)]
struct Reached {
    audio: Option<Counted>,
    video: Option<Counted>,
}

impl Link {
    fn new(published: Arc<Published>, begin: Offered) -> Self {
        Self { published, begin, clock: Clock::default(), reached: Reached::default() }
    }

    /// What was published since the last message that was sent of each track; unknown once it is more than a server
    /// holds back.
    fn unsent(&self) -> Option<Offered> {
        self.clock.is_known().then_some(())?;
        let now = self.published.offered();
        let since = |now: Counted, reached: Option<Counted>| now.since(reached.unwrap_or(now));
        let audio = since(now.audio, self.reached.audio);
        let video = since(now.video, self.reached.video);
        (audio.bytes + video.bytes <= MAX_HELD_BACK).then_some(Offered { audio, video })
    }

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
    pub(super) fn new(
        publications: Publications,
        server: Option<Server>,
        played: Option<Played>,
        name: Arc<str>,
    ) -> Self {
        let mut playback = Self {
            number: publications.begin_playback(),
            publications,
            server,
            name,
            link: None,
            before: Offered::default(),
            was_linked: false,
            source: Source { played, compared: Vec::new(), messages: 0, is_decided: false },
            answers: Vec::new(),
        };
        if let Some(published) = playback.find() {
            playback.link = Some(Link::new(Arc::clone(&published), published.offered()));
            playback.was_linked = true;
        }
        playback
    }

    fn find(&self) -> Option<Arc<Published>> {
        self.publications.find(self.server?, &self.name)
    }

    /// Links to a publication that began since. What one that ended left behind is still sent.
    pub(super) fn follow(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.published.has_ended()) {
            return;
        }
        if let Some(published) = self.find() {
            if let Some(link) = self.link.replace(Link::new(published, Offered::default())) {
                self.before = sum(self.before, link.offered());
            }
            self.was_linked = true;
        }
    }

    /// A message with content begins to be sent.
    pub(super) fn message(&mut self, header: &Header) {
        let Some(link) = &mut self.link else {
            return self.source.message(header, &self.publications);
        };
        let is_video = header.kind == VIDEO;
        let (timestamp, length) = (header.timestamp, header.length);
        let found = link.clock.before(&link.published.messages(), is_video, timestamp, length);
        let Some(before) = found else { return };
        self.publications.sent(self.number, &link.published, is_video, before, header.length);
        let reached = if is_video { &mut link.reached.video } else { &mut link.reached.audio };
        let packets = before.packets + 1;
        *reached = Some(Counted { packets, bytes: before.bytes + u64::from(header.length) });
    }

    /// In a tunnel: a message with content begins to be sent, in the answer with what came between these requests.
    pub(super) fn answered(&mut self, header: &Header, (after_us, until_us): (u64, u64)) {
        let is_same = |answer: &Answer| answer.until_us == until_us;
        if !self.answers.last().is_some_and(is_same) {
            self.answer_is_over();
            if self.answers.len() >= MAX_ANSWERS {
                self.answers.remove(0);
            }
            self.answers.push(Answer { after_us, until_us, messages: Vec::new() });
        }
        if let Some(answer) = self.answers.last_mut() {
            answer.messages.push((header.kind == VIDEO, header.length));
        }
    }

    fn answer_is_over(&self) {
        if let (None, Some(((address, _), _))) = (&self.link, &self.source.played) {
            self.publications.answered(self.number, *address, &self.answers);
        }
    }

    /// Completes what is known of the stream: the link, what was offered, what was dropped, what is not sent yet.
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
        let of_link = || self.link.as_ref()?.unsent();
        let unsent = self.publications.held_back(self.number).or_else(of_link);
        if !is_linked && !self.was_linked {
            // What encrypted connections publish.
            for is_video in [false, true] {
                let tracks = &mut stream.tracks;
                let track = if is_video { &mut tracks.video } else { &mut tracks.audio };
                track.unsent = unsent.map(|unsent| unsent.of(is_video));
                let unsent = track.unsent.unwrap_or_default();
                track.sent.packets += unsent.packets;
                track.sent.bytes += unsent.bytes;
            }
            return;
        }
        for is_video in [false, true] {
            let tracks = &mut stream.tracks;
            let track = if is_video { &mut tracks.video } else { &mut tracks.audio };
            track.unsent = unsent.map(|unsent| unsent.of(is_video));
            let missing = offered.of(is_video).since(track.sent);
            track.dropped = missing.since(track.unsent.unwrap_or_default());
            track.sent.packets += missing.packets;
            track.sent.bytes += missing.bytes;
        }
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        self.answer_is_over();
        self.publications.end_playback();
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

#[cfg(test)]
mod tests;

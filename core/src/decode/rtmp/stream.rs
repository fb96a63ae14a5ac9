//! A publication or a playback, and how its messages are counted.
//!
//! The rules are those of a media server: what is received is counted in chunks, what is sent in messages.
//! `docs/dialects/ems.md` states them.

use std::sync::Arc;

use crate::decode::media::{FlvTag, Publications, Published, Server, Stream, Track};
use crate::model::Moment;

use super::chunks::{AUDIO, Header, VIDEO};
use super::playback::{Headers, Playback};

/// Bytes of the header of a tag inside of an aggregate, and of the number behind it.
const TAG_HEADER: usize = 11;
const TAG_TRAILER: usize = 4;

/// A publication or a playback.
#[derive(Debug)]
pub(super) struct RtmpStream {
    /// The message stream.
    pub(super) id: u32,
    pub(super) stream: Stream,
    /// Of a publication: read by playbacks.
    published: Option<Arc<Published>>,
    /// Of a playback.
    pub(super) playback: Option<Playback>,
    audio: Tag,
    video: Tag,
}

/// The latest message of a track.
#[derive(Debug, Default)]
struct Tag {
    latest: Option<FlvTag>,
    headers: Headers,
}

impl RtmpStream {
    /// A publication at a server, with the name under which playbacks ask for it.
    pub(super) fn published(
        id: u32,
        stream: Stream,
        server: Option<Server>,
        publications: &Publications,
    ) -> Self {
        let named = server.zip(stream.name.as_ref());
        let published = named.map(|(server, name)| publications.begin(server, name));
        Self { published, ..Self::new(id, stream) }
    }

    /// A playback.
    pub(super) fn played(id: u32, stream: Stream, playback: Playback) -> Self {
        Self { playback: Some(playback), ..Self::new(id, stream) }
    }

    /// One that began before it was seen.
    pub(super) fn late(id: u32, stream: Stream) -> Self {
        Self::new(id, stream)
    }

    fn new(id: u32, stream: Stream) -> Self {
        Self {
            id,
            stream,
            published: None,
            playback: None,
            audio: Tag::default(),
            video: Tag::default(),
        }
    }

    pub(super) fn end(&mut self, publications: &Publications) {
        if let Some(published) = self.published.take() {
            publications.end(self.stream.name.as_deref().unwrap_or_default(), &published);
        }
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        let input = self.stream.input.as_ref().map_or(0, |input| input.messages().memory());
        self.published.as_ref().map_or(input, |published| published.memory())
    }

    /// Metadata states the bandwidth, kilobits a second.
    pub(super) fn declare(&mut self, bandwidth_kbit_per_s: u64) {
        self.stream.bandwidth_kbit_per_s = bandwidth_kbit_per_s;
        if let Some(published) = &self.published {
            published.declare(bandwidth_kbit_per_s);
        }
    }

    fn track(&mut self, kind: u8) -> (&mut Track, &mut Tag) {
        let tracks = &mut self.stream.tracks;
        match kind {
            VIDEO => (&mut tracks.video, &mut self.video),
            _ => (&mut tracks.audio, &mut self.audio),
        }
    }

    /// A message begins; of what a server sends in a tunnel, `requests` are those before and of its answer.
    pub(super) fn message_begun(
        &mut self,
        header: &Header,
        requests: Option<(u64, u64)>,
        at: Moment,
    ) {
        if let Some(playback) = &mut self.playback {
            playback.follow();
        }
        if header.length == 0 {
            return;
        }
        if let Some(playback) = &mut self.playback {
            playback.message(header);
            if let Some(requests) = requests {
                playback.answered(header, requests);
            }
        }
        let (track, tag) = self.track(header.kind);
        tag.latest = None;
        track.sent.add(header.length.into());
        track.frame(Some(header.timestamp.into()), false, at);
    }

    /// A chunk is complete; `kept` is the begin of its message.
    pub(super) fn chunk(
        &mut self,
        header: &Header,
        is_first: bool,
        bytes: u32,
        kept: &[u8],
        at: Moment,
    ) {
        if let Some(published) = &self.published
            && header.length > 0
        {
            let is_video = header.kind == VIDEO;
            if is_first {
                published.message(is_video, header.timestamp, header.length);
            }
            published.chunk(is_video, is_first, bytes.into());
        }
        if let Some(input) = self.stream.input.as_ref().filter(|_| is_first && header.length > 0) {
            input.message(header.kind == VIDEO, header.timestamp, header.length);
        }
        let (track, _) = self.track(header.kind);
        track.received.add(bytes.into());
        track.carried(bytes.into(), at);
        if is_first {
            self.tag(header, kept);
        }
    }

    /// Reads the first bytes of a message.
    fn tag(&mut self, header: &Header, kept: &[u8]) {
        let read = if header.kind == AUDIO { FlvTag::audio } else { FlvTag::video };
        let Some(found) = read(kept) else { return };
        let began_before = self.stream.began_before;
        let (track, tag) = self.track(header.kind);
        tag.latest = Some(found);
        track.codec = found.codec.or(track.codec);
        if found.is_key {
            track.key_frame(Some(header.timestamp.into()));
        }
        if found.is_configuration {
            track.frames = track.frames.saturating_sub(1);
        }
        // The configuration came before the first frame.
        track.is_configured |= began_before && !found.is_configuration;
        if let Some(format) = found.picture_format(kept) {
            track.format = Some(format);
        }
        // What is sent is counted without the headers that the server inserts.
        tag.headers.message(found.is_configuration, header.length.into(), &mut track.sent);
    }

    /// A message is complete, and all of it was kept.
    pub(super) fn message(&mut self, header: &Header, kept: &[u8]) {
        let (track, tag) = self.track(header.kind);
        if let Some(found) = tag.latest.filter(|found| found.is_configuration) {
            found.configure(kept, track);
        }
    }

    /// Audio and video inside of one message, each with a header of its own.
    pub(super) fn aggregate(&mut self, header: &Header, kept: &[u8], at: Moment) {
        let mut rest = kept;
        while let Some((tag, behind)) = rest.split_first_chunk::<TAG_HEADER>() {
            let [kind, l0, l1, l2, t0, t1, t2, t3, ..] = *tag;
            let length = u32::from_be_bytes([0, l0, l1, l2]);
            let Some((body, behind)) = behind.split_at_checked(length as usize) else { return };
            rest = behind.get(TAG_TRAILER..).unwrap_or_default();
            let timestamp = u32::from_be_bytes([t3, t0, t1, t2]);
            if matches!(kind, AUDIO | VIDEO) {
                let inner = Header { kind, length, timestamp, stream: header.stream };
                self.message_begun(&inner, None, at);
                self.chunk(&inner, true, length, body, at);
                self.message(&inner, body);
            }
        }
    }
}

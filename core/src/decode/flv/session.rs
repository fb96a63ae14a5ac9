//! A stream of tags as a publication, or as a playback if the server sends it.

use std::sync::Arc;

use crate::decode::media::{FlvTag, Publications, Published, Role, Server, Stream, Tracks};
use crate::decode::rtmp::amf;
use crate::decode::text::text;
use crate::decode::{BothSides, Ends, Side};
use crate::model::Moment;

use super::tags::{Event, Tag, TagKind, Tags};

/// One stream.
#[derive(Debug)]
pub(super) struct Session {
    ends: Ends,
    pub(super) sender: Side,
    pub(super) tags: Option<Tags>,
    /// Whether its begin was missed.
    began_before: bool,
    pub(super) tags_complete: u64,
    pub(super) stream: Option<Stream>,
    publications: Publications,
    published: Option<(Arc<str>, Arc<Published>)>,
}

impl Session {
    pub(super) fn new(
        sender: Side,
        ends: Ends,
        is_from_start: bool,
        publications: Publications,
    ) -> Self {
        Self {
            ends,
            sender,
            tags: Some(Tags::new(is_from_start)),
            began_before: !is_from_start,
            tags_complete: 0,
            stream: None,
            publications,
            published: None,
        }
    }

    /// Takes bytes, or passes over some.
    pub(super) fn with_tags(
        &mut self,
        at: Moment,
        step: impl FnOnce(&mut Tags, &mut dyn FnMut(Event<'_>)),
    ) {
        let Some(mut tags) = self.tags.take() else { return };
        step(&mut tags, &mut |event| match event {
            Event::Complete(tag, kept) => self.complete(tag, kept, at),
            Event::Carried(tag, bytes) => self.carried(tag, bytes, at),
        });
        self.tags = Some(tags);
    }

    fn carried(&mut self, tag: Tag, bytes: u64, at: Moment) {
        let tracks = &mut self.stream_at(at).tracks;
        match tag.kind {
            TagKind::Audio => tracks.audio.carried(bytes, at),
            TagKind::Video => tracks.video.carried(bytes, at),
            TagKind::Script => {}
        }
    }

    fn complete(&mut self, tag: Tag, kept: &[u8], at: Moment) {
        self.tags_complete += 1;
        let tracks = &mut self.stream_at(at).tracks;
        let (track, found) = match tag.kind {
            TagKind::Audio => (&mut tracks.audio, FlvTag::audio(kept)),
            TagKind::Video => (&mut tracks.video, FlvTag::video(kept)),
            TagKind::Script => return self.metadata(kept),
        };
        track.packet(tag.length.into());
        let is_video = tag.kind == TagKind::Video;
        let is_configuration = found.is_some_and(|found| found.is_configuration);
        if let Some(found) = found {
            track.codec = found.codec.or(track.codec);
            track.format = found.picture_format(kept).or(track.format);
            if is_configuration && kept.len() as u64 == u64::from(tag.length) {
                found.configure(kept, track);
            }
        }
        if !is_configuration {
            let is_key = found.is_some_and(|found| found.is_key);
            track.frame(Some(tag.timestamp_ms.into()), is_key, at);
        }
        if let Some(input) = self.stream.as_ref().and_then(|stream| stream.input.as_ref()) {
            input.message(is_video, tag.timestamp_ms, tag.length);
        }
    }

    /// The stream, which begins with its first tag.
    fn stream_at(&mut self, at: Moment) -> &mut Stream {
        let is_publication = self.ends.opener.is_none_or(|opener| opener == self.sender);
        let begin = || self.publications.begin_input(self.ends, self.sender, None);
        self.stream.get_or_insert_with(|| Stream {
            number: 1,
            role: if is_publication { Role::Publish } else { Role::Play },
            sender: self.sender,
            name: None,
            ingest_point: None,
            since: BothSides { sent: Some(at), received: Some(at) },
            bandwidth_kbit_per_s: 0,
            tracks: Tracks::default(),
            is_linked: None,
            input: is_publication.then(begin).flatten(),
            began_before: self.began_before,
        })
    }

    /// A name that metadata states is that under which it is played.
    fn metadata(&mut self, kept: &[u8]) {
        let values = amf::values(kept);
        let name = values.iter().find_map(|value| value.get("streamName")?.text());
        let Some(name) = name.map(|name| text(name.as_bytes())).filter(|name| !name.is_empty())
        else {
            return;
        };
        let name: Arc<str> = name.into();
        let Some(stream) = &mut self.stream else { return };
        stream.name = Some(Arc::clone(&name));
        stream.input = None;
        if stream.role == Role::Publish
            && self.published.is_none()
            && let Some(server) = Server::of(self.ends, self.sender)
        {
            let published = self.publications.begin(server, &name);
            self.published = Some((name, published));
        }
    }

    /// No more is published.
    pub(super) fn close(&mut self) {
        if let Some((name, published)) = self.published.take() {
            self.publications.end(&name, &published);
        }
    }

    pub(super) fn memory(&self) -> u64 {
        let tags = self.tags.as_ref().map_or(0, Tags::memory);
        let name = self.stream.as_ref().and_then(|stream| stream.name.as_ref());
        (size_of::<Self>() + tags + name.map_or(0, |name| name.len())) as u64
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

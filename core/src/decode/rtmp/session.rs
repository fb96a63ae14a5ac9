//! A connection between client and server: both sides cut into messages, and what these open and close.

use crate::decode::media::Publications;
use crate::decode::{BothSides, Ends, Opening, Side};
use crate::model::{Endpoint, Moment};

use super::RTMP;
use super::chunks::{self, AGGREGATE, AUDIO, Event, Header, UNKNOWN_STREAM, VIDEO};
use super::handshake::{Handshake, Version};
use super::pending::Pending;
use super::reader::Reader;
use super::stream::RtmpStream;

/// Most publications and playbacks that are listed at a time.
pub(super) const MAX_STREAMS: usize = 64;

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) ends: Ends,
    /// The side that the client sends.
    pub(super) client: Side,
    pub(super) handshakes: BothSides<Handshake>,
    pub(super) handshake_at: Option<Moment>,
    readers: BothSides<Option<Reader>>,
    /// Whether it began before it was seen.
    pub(super) is_late: bool,
    /// Messages that are neither audio nor video, by the side.
    pub(super) messages: BothSides<u64>,
    /// Audio and video messages that were begun, by the side.
    pub(super) media_messages: BothSides<u64>,
    pub(super) texts: Texts,
    pub(super) pending: Pending,
    pub(super) streams: Vec<RtmpStream>,
    pub(super) last_number: u64,
    /// What is published on all connections.
    pub(super) publications: Publications,
    /// Whether more streams were opened than are listed.
    pub(super) streams_refused: u64,
    /// In a tunnel that is read beyond the moment that is asked for: when the request before the answer that is read came,
    /// and its own one, microseconds.
    pub(super) requests: Option<(u64, u64)>,
}

/// What commands state.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) app: Option<Box<str>>,
    pub(super) tc_url: Option<Box<str>>,
    pub(super) swf_url: Option<Box<str>>,
    pub(super) page_url: Option<Box<str>>,
    pub(super) user_agent: Option<Box<str>>,
    pub(super) server: Option<Box<str>>,
    pub(super) client_id: Option<Box<str>>,
}

impl Session {
    pub(super) fn new(opening: &Opening<'_>) -> Self {
        let publications = opening.publications.clone();
        if opening.of(opening.first).is_from_start {
            return Self::with(opening.first, opening.ends, publications);
        }
        let mut session = Self::with(client_of(opening.ends), opening.ends, publications);
        session.is_late = true;
        session
    }

    pub(super) fn with(client: Side, ends: Ends, publications: Publications) -> Self {
        Self {
            ends,
            client,
            handshakes: BothSides::default(),
            handshake_at: None,
            readers: BothSides::default(),
            is_late: false,
            messages: BothSides::default(),
            media_messages: BothSides::default(),
            texts: Texts::default(),
            pending: Pending::default(),
            streams: Vec::new(),
            last_number: 0,
            publications,
            streams_refused: 0,
            requests: None,
        }
    }

    /// Whether all behind the handshake is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        let of = |side| self.handshakes.of(side).version() == Some(Version::Encrypted);
        of(self.client) || of(self.client.other())
    }

    /// Whether a side cannot be read any more.
    pub(super) fn is_lost(&self, side: Side) -> bool {
        self.readers.of(side).as_ref().is_some_and(Reader::is_lost)
    }

    pub(super) fn reader(&self, side: Side) -> Option<&Reader> {
        self.readers.of(side).as_ref()
    }

    pub(super) fn read(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let handshake = self.handshakes.of_mut(side);
        let mut rest = bytes;
        if !self.is_late && !handshake.is_complete() {
            rest = handshake.data(bytes);
            let are_complete = Side::ALL.iter().all(|side| self.handshakes.of(*side).is_complete());
            if are_complete && self.handshake_at.is_none() {
                self.handshake_at = Some(at);
            }
        }
        if !rest.is_empty() && !self.is_encrypted() {
            self.with_reader(side, at, |reader, sink| reader.data(rest, sink));
        }
    }

    pub(super) fn skip(&mut self, side: Side, bytes: u64, at: Moment) {
        self.with_reader(side, at, |reader, sink| reader.skip(bytes, sink));
    }

    pub(super) fn lose(&mut self, side: Side, at: Moment) {
        self.with_reader(side, at, |reader, _| reader.lose());
    }

    /// Takes the reader of a side out, so that the session can apply what it hands over.
    fn with_reader(
        &mut self,
        side: Side,
        at: Moment,
        read: impl FnOnce(&mut Reader, &mut dyn FnMut(Event<'_>)),
    ) {
        let begin = if self.is_late { Reader::late } else { Reader::new };
        let mut reader = self.readers.of_mut(side).take().unwrap_or_else(begin);
        read(&mut reader, &mut |event| self.apply(side, event, at));
        *self.readers.of_mut(side) = Some(reader);
    }

    fn apply(&mut self, side: Side, event: Event<'_>, at: Moment) {
        match event {
            Event::Begun(header) => {
                if matches!(header.kind, AUDIO | VIDEO) {
                    *self.media_messages.of_mut(side) += 1;
                    self.find_late(side, header.stream, at);
                    let requests = self.requests;
                    if let Some(stream) = self.stream(side, header.stream) {
                        stream.message_begun(header, requests, at);
                    }
                }
            }
            Event::Chunk { header, is_first, bytes, kept } => {
                if matches!(header.kind, AUDIO | VIDEO)
                    && let Some(stream) = self.stream(side, header.stream)
                {
                    stream.chunk(header, is_first, bytes, kept, at);
                }
            }
            Event::Message { header, kept } => self.message(side, header, kept, at),
        }
    }

    fn message(&mut self, side: Side, header: &Header, kept: &[u8], at: Moment) {
        let is_whole = kept.len() as u64 == u64::from(header.length);
        match header.kind {
            AUDIO | VIDEO => {
                if is_whole && let Some(stream) = self.stream(side, header.stream) {
                    stream.message(header, kept);
                }
            }
            AGGREGATE => {
                *self.media_messages.of_mut(side) += 1;
                if let Some(stream) = self.stream(side, header.stream) {
                    stream.aggregate(header, kept, at);
                }
            }
            kind => {
                *self.messages.of_mut(side) += 1;
                match kind {
                    chunks::COMMAND_AMF0 if is_whole => self.command(side, header, kept, at),
                    // The byte in front of the values marks them as AMF 0, which may hold AMF 3.
                    chunks::COMMAND_AMF3 if is_whole => {
                        self.command(side, header, kept.get(1..).unwrap_or_default(), at);
                    }
                    chunks::DATA_AMF0 if is_whole => self.metadata(side, header, kept),
                    _ => {}
                }
            }
        }
    }

    /// The stream of a message stream that this side sends.
    pub(super) fn stream(&mut self, side: Side, id: u32) -> Option<&mut RtmpStream> {
        let is_meant =
            |one: &RtmpStream| one.id == id || id == UNKNOWN_STREAM || one.id == UNKNOWN_STREAM;
        self.streams.iter_mut().find(|one| one.stream.sender == side && is_meant(one))
    }

    /// Media of a connection that began before it was seen belongs to a stream whose begin was not seen.
    fn find_late(&mut self, side: Side, id: u32, at: Moment) {
        if !self.is_late {
            return;
        }
        match self.stream(side, id) {
            Some(stream) if stream.id == UNKNOWN_STREAM => stream.id = id,
            Some(_) => {}
            None => self.add_late(side, id, at),
        }
    }

    /// Ends the streams of a message stream.
    pub(super) fn close(&mut self, id: u32) {
        self.streams.retain_mut(|stream| {
            let is_kept = stream.id != id;
            if !is_kept {
                stream.end(&self.publications);
            }
            is_kept
        });
    }

    /// Ends all streams, with the connection.
    pub(super) fn close_all(&mut self) {
        for stream in &mut self.streams {
            stream.end(&self.publications);
        }
    }

    pub(super) fn memory(&self) -> u64 {
        let of = |side| self.reader(side).map_or(0, Reader::memory);
        let readers = of(Side::Sent) + of(Side::Received);
        let held: usize = self.streams.iter().map(RtmpStream::memory).sum();
        let streams = self.streams.capacity() * size_of::<RtmpStream>() + held;
        (size_of::<Self>() + readers + streams) as u64 + self.pending.memory()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// The side that the client sends: that of the opener, else the one whose peer has a port of RTMP.
fn client_of(ends: Ends) -> Side {
    let is_server = |end: Option<Endpoint>| end.is_some_and(|end| RTMP.ports.contains(&end.port));
    match ends.opener {
        Some(opener) => opener,
        None if is_server(ends.local) => Side::Received,
        None => Side::Sent,
    }
}

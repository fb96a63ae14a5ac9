//! A connection between client and server: what it describes, sets up, records and plays.

use std::sync::Arc;

use crate::decode::media::{Publications, Published, Role, Server, Stream, Track, Tracks};
use crate::decode::rtp::{self, RTP, Read, Receiver};
use crate::decode::text::text;
use crate::decode::{BothSides, Ends, ExpectedFlow, FlowEnd, Opening, Side};
use crate::model::Moment;

use super::framing::{Framing, Part};
use super::head::{Begin, Head, HeadKind, begin, path};
use super::requests::{Request, Requests};
use super::sdp::{self, Description, Media, MediaKind};
use super::transport::{self, Transport};

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    ends: Ends,
    /// The side that the client sends.
    pub(super) client: Side,
    pub(super) framings: BothSides<Framing>,
    pub(super) requests: u64,
    pub(super) answers: u64,
    pub(super) awaited: Requests,
    pub(super) user_agent: Option<Box<str>>,
    pub(super) server: Option<Box<str>>,
    pub(super) path: Option<Arc<str>>,
    pub(super) title: Option<Arc<str>>,
    bandwidth_kbit_per_s: u64,
    /// What the description is for.
    role: Role,
    pub(super) media: Vec<SetUp>,
    pub(super) stream: Option<Stream>,
    last_number: u64,
    publications: Publications,
    /// Of a publication: read by playbacks of its name.
    published: Option<(Arc<str>, Arc<Published>)>,
    /// Of a playback: what it plays, and how many parameter sets had been published before.
    played: Option<(Arc<Published>, u64)>,
    /// Packets of media by the side that sends them, over the connection and its flows.
    pub(super) packets: BothSides<u64>,
    pub(super) expected: Vec<ExpectedFlow>,
}

/// A media of the description, and how it is carried once it is set up.
#[derive(Debug)]
pub(super) struct SetUp {
    media: Media,
    pub(super) transport: Option<Transport>,
    receiver: Receiver,
}

impl Session {
    pub(super) fn new(opening: &Opening<'_>) -> Self {
        let first = opening.of(opening.first);
        // Of a connection that is joined late, an answer may come first, and media of either end.
        let client = opening.ends.opener.unwrap_or(if first.bytes.starts_with(b"RTSP/") {
            opening.first.other()
        } else {
            opening.first
        });
        let framing = |side| {
            let prefix = opening.of(side);
            let is_message = prefix.bytes.is_empty() || begin(prefix.bytes) != Begin::Other;
            let begins = prefix.is_from_start || is_message;
            if begins { Framing::default() } else { Framing::lost() }
        };
        Self {
            ends: opening.ends,
            client,
            framings: BothSides { sent: framing(Side::Sent), received: framing(Side::Received) },
            requests: 0,
            answers: 0,
            awaited: Requests::default(),
            user_agent: None,
            server: None,
            path: None,
            title: None,
            bandwidth_kbit_per_s: 0,
            role: Role::Play,
            media: Vec::new(),
            stream: None,
            last_number: 0,
            publications: opening.publications.clone(),
            published: None,
            played: None,
            packets: BothSides::default(),
            expected: Vec::new(),
        }
    }

    /// Takes bytes of a side.
    pub(super) fn read(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let mut framing = std::mem::take(self.framings.of_mut(side));
        framing.data(bytes, &mut |part| match part {
            Part::Message(head, body) => self.message(side, head, body, at),
            Part::Frame { channel, bytes, cut } => self.frame(side, channel, bytes, cut, at),
        });
        *self.framings.of_mut(side) = framing;
    }

    fn message(&mut self, side: Side, head: Head, body: &[u8], at: Moment) {
        match head.kind {
            // Servers send requests as well, which change nothing.
            HeadKind::Request { ref method, ref url } if side == self.client => {
                self.requests += 1;
                let request = self.request(method, url, body, at);
                self.awaited.push(head.number, request);
                self.user_agent = head.user_agent.or(self.user_agent.take());
            }
            HeadKind::Answer { status } if side != self.client => {
                self.answers += 1;
                self.server = head.server.or(self.server.take());
                let is_success = (200..300).contains(&status);
                let transport = head.transport.as_deref().map(transport::read);
                match self.awaited.answered(head.number) {
                    Some(Request::Describe) if is_success && !body.is_empty() => {
                        self.describe(&sdp::read(body));
                    }
                    Some(Request::SetUp(index)) if is_success => {
                        self.carry(index, transport.unwrap_or_default());
                    }
                    Some(Request::Record) if !is_success => self.close(),
                    _ => {}
                }
            }
            HeadKind::Request { .. } | HeadKind::Answer { .. } => {}
        }
        self.follow();
    }

    fn request(&mut self, method: &str, url: &[u8], body: &[u8], at: Moment) -> Request {
        match method {
            "DESCRIBE" => {
                self.at_path(url);
                self.role = Role::Play;
                Request::Describe
            }
            "ANNOUNCE" => {
                self.at_path(url);
                self.role = Role::Publish;
                self.describe(&sdp::read(body));
                Request::Other
            }
            "SETUP" => {
                // A playback exists from here on, a publication once it is recorded.
                if self.role == Role::Play {
                    self.begin(at);
                }
                self.index_of(url).map_or(Request::Other, Request::SetUp)
            }
            "PLAY" => {
                self.begin(at);
                Request::Other
            }
            "RECORD" => {
                self.role = Role::Publish;
                self.begin(at);
                Request::Record
            }
            "TEARDOWN" => {
                self.close();
                self.media.iter_mut().for_each(|media| media.transport = None);
                Request::Other
            }
            _ => Request::Other,
        }
    }

    fn at_path(&mut self, url: &[u8]) {
        self.path = Some(text(path(url)).into());
    }

    fn describe(&mut self, description: &Description) {
        if self.stream.is_some() {
            return;
        }
        self.title = description.title.as_deref().map(Into::into);
        self.bandwidth_kbit_per_s = description.bandwidth_kbit_per_s;
        self.media = description.media.iter().cloned().map(SetUp::new).collect();
    }

    /// The media that a URL sets up: that of this end of the URL, else the next one.
    fn index_of(&self, url: &[u8]) -> Option<usize> {
        let is_named = |one: &SetUp| {
            let control = path(one.media.control.as_bytes());
            !control.is_empty() && path(url).ends_with(control)
        };
        let next = || self.media.iter().position(|one| one.transport.is_none());
        self.media.iter().position(is_named).or_else(next)
    }

    /// A media is carried in this way from now on.
    fn carry(&mut self, index: usize, transport: Transport) {
        let Some(media) = self.media.get_mut(index) else { return };
        media.transport = Some(transport);
        let (Some(client), Some(server)) = (transport.client_ports, transport.server_ports) else {
            return;
        };
        let own = match self.client {
            Side::Sent => self.ends.local,
            Side::Received => self.ends.remote,
        };
        // A server may have several addresses.
        let address = own.map(|end| end.address);
        for (of_pair, client, server) in [(0, client.0, server.0), (1, client.1, server.1)] {
            let number = 2 * index as u32 + of_pair;
            let server = FlowEnd { address: None, port: server };
            let mut ends = BothSides { sent: server, received: server };
            *ends.of_mut(self.client) = FlowEnd { address, port: client };
            self.expected.push(ExpectedFlow { number, protocol: &RTP, ends });
        }
    }

    /// The stream begins, if there is none.
    fn begin(&mut self, at: Moment) {
        if self.stream.is_some() {
            return;
        }
        let first = |kind| self.media.iter().map(|one| &one.media).find(|media| media.kind == kind);
        let track = |kind| {
            let Some(media) = first(kind) else { return Track::default() };
            let mut track = Track::default();
            track.codec = media.codec;
            track.is_configured = media.is_configured;
            track.format = media.video;
            track
        };
        self.last_number += 1;
        let is_publication = self.role == Role::Publish;
        let name = self.title.clone().or_else(|| self.path.clone());
        let tracks = Tracks { audio: track(MediaKind::Audio), video: track(MediaKind::Video) };
        if is_publication
            && let Some(name) = &name
            && let Some(server) = Server::of(self.ends, self.client)
        {
            let published = self.publications.begin(server, name);
            published.declare(self.bandwidth_kbit_per_s);
            self.published = Some((Arc::clone(name), published));
        }
        self.stream = Some(Stream {
            number: self.last_number,
            role: self.role,
            sender: if is_publication { self.client } else { self.client.other() },
            name,
            ingest_point: None,
            since: BothSides { sent: Some(at), received: Some(at) },
            bandwidth_kbit_per_s: self.bandwidth_kbit_per_s,
            tracks,
            is_linked: None,
            input: None,
            began_before: false,
        });
        self.follow();
    }

    /// The stream ends, if there is one.
    pub(super) fn close(&mut self) {
        (self.stream, self.played) = (None, None);
        if let Some((name, published)) = self.published.take() {
            self.publications.end(&name, &published);
        }
    }

    /// Links a playback to what it plays, if that is published at the same server.
    fn follow(&mut self) {
        let is_over = |(played, _): &(Arc<Published>, u64)| played.has_ended();
        let is_unlinked = self.played.as_ref().is_none_or(is_over);
        if let Some(Stream { role: Role::Play, name: Some(name), .. }) = &self.stream
            && is_unlinked
            && let Some(server) = Server::of(self.ends, self.client)
            && let Some(published) = self.publications.find(server, name)
        {
            let before = published.parameter_sets_so_far();
            self.played = Some((published, before));
        }
    }

    /// The stream, with what is known of it from what it plays.
    pub(super) fn completed(&self) -> Option<Stream> {
        let mut stream = self.stream.clone()?;
        if let Some((played, before)) = &self.played {
            stream.is_linked = Some(!played.has_ended());
            stream.bandwidth_kbit_per_s = played.bandwidth_kbit_per_s();
            // A media server counts parameter sets between pictures of RTP, which it does not send, as empty.
            stream.tracks.video.sent.packets +=
                played.parameter_sets_so_far().saturating_sub(*before);
        }
        Some(stream)
    }

    fn frame(&mut self, side: Side, channel: u8, bytes: &[u8], cut: u64, at: Moment) {
        let is_of = |one: &SetUp| {
            let channels = one.transport.and_then(|transport| transport.interleaved);
            channels.is_some_and(|(media, _)| media == channel)
        };
        let index = self.media.iter().position(is_of);
        self.packet(side, index, bytes, cut, at);
    }

    /// A packet of a media, or of one that is not known.
    pub(super) fn packet(
        &mut self,
        side: Side,
        index: Option<usize>,
        bytes: &[u8],
        cut: u64,
        at: Moment,
    ) {
        let Read::Media(packet) = rtp::read(bytes, cut) else { return };
        // Players send empty packets to open the way through a firewall.
        if packet.length == 0 {
            return;
        }
        *self.packets.of_mut(side) += 1;
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.sender == side) else {
            return;
        };
        let Some(index) = index else { return };
        let kind_of = |one: &SetUp| one.media.kind;
        let Some(kind) = self.media.get(index).map(kind_of) else { return };
        // Of several media of a kind, the first one that is set up is counted.
        let is_first = |one: &SetUp| one.transport.is_some() && one.media.kind == kind;
        if self.media.iter().position(is_first) != Some(index) {
            return;
        }
        let track = match kind {
            MediaKind::Audio => &mut stream.tracks.audio,
            MediaKind::Video => &mut stream.tracks.video,
            MediaKind::Other => return,
        };
        if let Some(one) = self.media.get_mut(index) {
            let parameter_sets = one.receiver.packet(&packet, track, at);
            if let Some((_, published)) = &self.published {
                published.parameter_sets(parameter_sets);
            }
        }
    }

    pub(super) fn memory(&self) -> u64 {
        let framings = self.framings.sent.memory() + self.framings.received.memory();
        let media = self.media.capacity() * size_of::<SetUp>()
            + self.media.iter().map(|one| one.media.control.capacity()).sum::<usize>();
        let texts = [&self.user_agent, &self.server].into_iter().flatten();
        let texts = texts.map(|text| text.len()).sum::<usize>();
        let names = [&self.path, &self.title].into_iter().flatten();
        let names = names.map(|name| name.len()).sum::<usize>();
        let own = size_of::<Self>() + self.awaited.memory();
        (own + framings + media + texts + names) as u64
    }
}

impl SetUp {
    fn new(media: Media) -> Self {
        let receiver = Receiver::new(media.format, media.clock_hz);
        Self { media, transport: None, receiver }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

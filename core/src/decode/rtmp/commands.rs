//! Commands and metadata: what they open, close and state.

use std::sync::Arc;

use crate::decode::media::{Role, Server, Stream, Tracks, played};
use crate::decode::{BothSides, Side};
use crate::model::Moment;

use super::amf::{self, Value};
use super::chunks::Header;
use super::pending::{CallKind, Publication};
use super::playback::Playback;
use super::session::{MAX_STREAMS, Session};
use super::stream::RtmpStream;
use crate::decode::credentials::shown;
use crate::decode::text::text;

impl Session {
    pub(super) fn command(&mut self, side: Side, header: &Header, bytes: &[u8], at: Moment) {
        let values = amf::values(bytes);
        let Some(name) = values.first().and_then(Value::text) else { return };
        let transaction = values.get(1).and_then(Value::number);
        let argument = values.get(3);
        if side == self.client {
            match name {
                "connect" => {
                    self.pending.call(transaction, CallKind::Connect);
                    self.connect(values.get(2));
                }
                "createStream" => self.pending.call(transaction, CallKind::CreateStream),
                "publish" => self.publish(header.stream, argument, at),
                "play" | "play2" => self.play(header.stream, argument, at),
                "closeStream" => self.close(header.stream),
                "deleteStream" => {
                    let id = argument.and_then(Value::number).unwrap_or_default();
                    self.close(id as u32);
                }
                _ => {}
            }
        } else {
            match name {
                "_result" => match self.pending.returned(transaction) {
                    Some(CallKind::Connect) => {
                        let version = values.get(2).and_then(|properties| properties.get("fmsVer"));
                        self.texts.server = kept(version).or(self.texts.server.take());
                    }
                    Some(CallKind::CreateStream) => {
                        let id = argument.and_then(Value::number).unwrap_or_default();
                        self.pending.created(id as u32, at);
                    }
                    None => {}
                },
                "_error" => {
                    self.pending.returned(transaction);
                }
                "onStatus" => self.status(header.stream, argument, at),
                _ => {}
            }
        }
    }

    fn connect(&mut self, properties: Option<&Value>) {
        let property = |name| kept(properties.and_then(|properties| properties.get(name)));
        let texts = &mut self.texts;
        texts.app = property("app");
        texts.tc_url = property("tcUrl");
        texts.swf_url = property("swfUrl");
        texts.page_url = property("pageUrl");
        texts.user_agent = property("flashVer");
    }

    fn publish(&mut self, id: u32, argument: Option<&Value>, at: Moment) {
        let Some(argument) = argument.and_then(Value::text) else { return };
        self.pending.publish(Publication { id, argument: text(argument.as_bytes()), at });
    }

    fn play(&mut self, id: u32, argument: Option<&Value>, at: Moment) {
        let Some(name) = argument.and_then(Value::text) else { return };
        let name: Arc<str> = shown(&text(name.as_bytes())).into();
        self.close(id);
        let server = self.client.other();
        // The client creates its stream with the message stream, the server with the command.
        let mut since = BothSides::default();
        *since.of_mut(self.client) = Some(self.pending.created_at(id).unwrap_or(at));
        *since.of_mut(server) = Some(at);
        let mut stream = self.new_stream(Role::Play, server, Arc::clone(&name), None, since);
        stream.input = self.publications.begin_input(self.ends, server, Some(&name));
        let place = Server::of(self.ends, self.client);
        // Parameters are for the server; publications have none in their names.
        let published: Arc<str> = name.split('?').next().unwrap_or_default().trim().into();
        let played = played(self.ends, self.client, &published);
        let playback = Playback::new(self.publications.clone(), place, played, published);
        self.add(RtmpStream::played(id, stream, playback));
    }

    fn new_stream(
        &mut self,
        role: Role,
        sender: Side,
        name: Arc<str>,
        ingest_point: Option<Arc<str>>,
        since: BothSides<Option<Moment>>,
    ) -> Stream {
        self.last_number += 1;
        Stream {
            number: self.last_number,
            role,
            sender,
            name: Some(name),
            ingest_point,
            since,
            bandwidth_kbit_per_s: 0,
            tracks: Tracks::default(),
            is_linked: None,
            input: None,
            began_before: false,
        }
    }

    /// Adds the stream of a message stream that was opened before the connection was seen.
    pub(super) fn add_late(&mut self, sender: Side, id: u32, at: Moment) {
        let role = if sender == self.client { Role::Publish } else { Role::Play };
        let since = BothSides { sent: Some(at), received: Some(at) };
        let mut stream = self.new_stream(role, sender, "".into(), None, since);
        stream.name = None;
        stream.began_before = true;
        self.add(RtmpStream::late(id, stream));
    }

    fn add(&mut self, stream: RtmpStream) {
        if self.streams.len() < MAX_STREAMS {
            self.streams.push(stream);
        } else {
            self.streams_refused += 1;
        }
    }

    /// A status that the server reports of a message stream.
    fn status(&mut self, id: u32, status: Option<&Value>, at: Moment) {
        let property = |name| status.and_then(|status| status.get(name));
        self.texts.client_id = kept(property("clientid")).or(self.texts.client_id.take());
        let is_error = property("level").and_then(Value::text) == Some("error");
        match property("code").and_then(Value::text) {
            Some("NetStream.Publish.Start") => self.published(id, at),
            Some(code) if is_error && code.starts_with("NetStream.Publish.") => {
                self.pending.take_publication(id);
            }
            Some(code) if is_error && code.starts_with("NetStream.Play.") => self.close(id),
            _ => {}
        }
    }

    /// The server accepted a publication.
    fn published(&mut self, id: u32, at: Moment) {
        let Some(Publication { id, argument, at: asked }) = self.pending.take_publication(id)
        else {
            return;
        };
        self.close(id);
        let name = argument.split('?').next().unwrap_or_default().trim();
        let argument: Arc<str> = shown(&argument).into();
        // The server creates its stream with the command, the client with the answer.
        let mut since = BothSides::default();
        *since.of_mut(self.client) = Some(at);
        *since.of_mut(self.client.other()) = Some(asked);
        let client = self.client;
        let point = Some(Arc::clone(&argument));
        let stream = self.new_stream(Role::Publish, client, name.into(), point, since);
        for other in &mut self.streams {
            if other.stream.role == Role::Publish {
                other.stream.ingest_point = Some(Arc::clone(&argument));
            }
        }
        let server = Server::of(self.ends, client);
        let stream = RtmpStream::published(id, stream, server, &self.publications);
        self.add(stream);
    }

    /// `onMetaData`: the bandwidth that it declares, in numbers only.
    pub(super) fn metadata(&mut self, side: Side, header: &Header, bytes: &[u8]) {
        let values = amf::values(bytes);
        let mut rest = values.iter().skip_while(|value| value.text() == Some("@setDataFrame"));
        if rest.next().and_then(Value::text) != Some("onMetaData") {
            return;
        }
        let Some(properties) = rest.next() else { return };
        let number = |name| properties.get(name).and_then(Value::number);
        let rates =
            || number("audiodatarate").unwrap_or(0.0) + number("videodatarate").unwrap_or(0.0);
        let kilobits = number("bandwidth").unwrap_or_else(rates);
        if let Some(stream) = self.stream(side, header.stream) {
            stream.declare(kilobits.floor().max(0.0) as u64);
        }
    }
}

/// A text that is shown.
fn kept(value: Option<&Value>) -> Option<Box<str>> {
    let value = text(value?.text()?.as_bytes());
    Some(shown(&value).into())
}

//! One connection: requests of one end, answers of the other one.

use std::collections::VecDeque;

use crate::decode::flv::{self, FLV};
use crate::decode::http2::HTTP2;
use crate::decode::media::Publications;
use crate::decode::named::Named;
use crate::decode::tls::{self, TLS};
use crate::decode::ts::{self, TS};
use crate::decode::websocket::WEBSOCKET;
use crate::decode::{BothSides, Decoder, Ends, Inner, Opening, ProtocolSpec, Side, Want};
use crate::model::{Certainty, Known, Moment, Scalar, Source, Unknown};

use super::head::{Answer, Body, Head, MAX_HEAD, Request, read};
use super::message::{Messages, Next};

/// Most requests whose answers are awaited at a time. Clients that pipeline send a few; of more, the
/// answers are not joined with their requests.
const MAX_AWAITED: usize = 32;
/// A head of each side, whose buffer may have grown to twice of what it needs; texts; the largest of the protocols
/// inside.
pub(super) const MAX_MEMORY: u64 = 4 * MAX_HEAD as u64 + 8192 + MAX_INNER;
const MAX_INNER: u64 = max(tls::MAX_MEMORY, max(flv::MAX_MEMORY, ts::MAX_MEMORY));

const fn max(one: u64, other: u64) -> u64 {
    if one > other { one } else { other }
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    ends: Ends,
    publications: Publications,
    sides: BothSides<Messages>,
    awaited: VecDeque<Awaited>,
    /// Whether requests or answers were missed, so that it is not known what an answer belongs to.
    is_unpaired: bool,
    method: Option<Box<str>>,
    host: Option<Box<str>>,
    /// The host of a request that a proxy is to forward.
    proxied_host: Option<Box<str>>,
    status: Option<u16>,
    server: Option<Box<str>>,
    requests: u64,
    answers: u64,
    first_byte_us: Option<u64>,
    upgrade: Option<Box<str>>,
    /// Whether a tunnel was opened of which no byte was seen yet.
    is_tunnel_new: bool,
    inner: Option<InnerProtocol>,
}

/// A request without answer yet.
#[derive(Debug)]
struct Awaited {
    kind: Kind,
    at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Connect,
    Other,
}

#[derive(Debug)]
struct InnerProtocol {
    protocol: &'static ProtocolSpec,
    since: Moment,
    decoder: Box<dyn Decoder>,
}

impl Session {
    pub(super) fn new(opening: &Opening<'_>) -> Self {
        let publications = opening.publications.clone();
        Self { ends: opening.ends, publications, ..Self::default() }
    }

    fn request(&mut self, side: Side, request: Request, at: Moment) {
        self.requests += 1;
        let kind = match &*request.method {
            "HEAD" => Kind::Head,
            "CONNECT" => Kind::Connect,
            _ => Kind::Other,
        };
        self.method = Some(request.method);
        let is_proxied = kind == Kind::Connect || request.is_absolute;
        (self.host, self.proxied_host) =
            if is_proxied { (None, request.host) } else { (request.host, None) };
        if self.awaited.len() < MAX_AWAITED {
            self.awaited.push_back(Awaited { kind, at });
        } else {
            self.is_unpaired = true;
        }
        // Behind a request to connect the bytes of the tunnel follow.
        let body = (kind != Kind::Connect).then_some(request.body);
        self.sides.of_mut(side).begin_body(body.or(Some(Body::Unstated)));
    }

    fn answer(&mut self, side: Side, answer: Answer, since: Moment, at: Moment) {
        let Answer { status, server, upgrade, content_type, body } = answer;
        let is_interim = (100..200).contains(&status) && status != 101;
        if is_interim {
            return self.sides.of_mut(side).begin_body(Some(Body::Length(0)));
        }
        self.answers += 1;
        self.status = Some(status);
        self.server = server.or(self.server.take());
        let request = self.awaited.pop_front().filter(|_| !self.is_unpaired);
        if let Some(request) = &request {
            let micros = since.monotonic_us.saturating_sub(request.at.monotonic_us);
            self.first_byte_us = Some(micros);
        }
        if self.awaited.is_empty() && request.is_some() {
            self.is_unpaired = false;
        }
        let kind = request.map_or(Kind::Other, |request| request.kind);
        let is_tunnel = kind == Kind::Connect && (200..300).contains(&status);
        if status == 101 || is_tunnel {
            self.upgrade = if is_tunnel { Some("connect".into()) } else { upgrade };
            self.is_tunnel_new = is_tunnel;
            for side in Side::ALL {
                self.sides.of_mut(side).begin_body(None);
            }
            let inner = match self.upgrade.as_deref() {
                Some("websocket") => Some((&WEBSOCKET, Box::new(Named) as Box<dyn Decoder>)),
                Some("h2c") => Some((&HTTP2, Box::new(Named) as Box<dyn Decoder>)),
                _ => None,
            };
            self.inner =
                inner.map(|(protocol, decoder)| InnerProtocol { protocol, since: at, decoder });
            return;
        }
        let has_none = kind == Kind::Head || status == 204 || status == 304;
        let body = match body {
            _ if has_none => Some(Body::Length(0)),
            Body::Unstated => None,
            stated => Some(stated),
        };
        let media = match content_type.as_deref() {
            _ if body == Some(Body::Length(0)) => None,
            Some("video/x-flv" | "video/flv") => {
                let publications = self.publications.clone();
                Some((&FLV, flv::inner(side, self.ends, publications)))
            }
            Some("video/mp2t") => Some((&TS, ts::inner(side, self.ends))),
            _ => None,
        };
        self.sides.of_mut(side).read_bodies(media.is_some());
        self.inner =
            media.map(|(protocol, decoder)| InnerProtocol { protocol, since: at, decoder });
        self.sides.of_mut(side).begin_body(body);
    }

    /// Bytes of the protocol that it was upgraded to.
    fn opaque(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if std::mem::take(&mut self.is_tunnel_new) && tls::begins(bytes) {
            let decoder = tls::decoder();
            self.inner = Some(InnerProtocol { protocol: &TLS, since: at, decoder });
        }
        if let Some(inner) = &mut self.inner {
            inner.decoder.data(side, bytes, at);
        }
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, mut bytes: &[u8], at: Moment) {
        loop {
            match self.sides.of_mut(side).next(&mut bytes, at) {
                Next::Head(head, since) => match read(&head) {
                    Head::Request(request) => self.request(side, request, at),
                    Head::Answer(answer) => self.answer(side, answer, since, at),
                    Head::Malformed => {
                        self.is_unpaired = true;
                        self.sides.of_mut(side).gap(1);
                    }
                },
                Next::Opaque(bytes) | Next::Body(bytes) => self.opaque(side, bytes, at),
                Next::Malformed => self.is_unpaired = true,
                Next::Nothing => return,
            }
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.sides.of_mut(side).skipped(bytes);
        if let Some(inner) = &mut self.inner {
            inner.decoder.skipped(side, bytes, at);
        }
    }

    fn gap(&mut self, side: Side, bytes: u64, at: Moment) {
        self.sides.of_mut(side).gap(bytes);
        if let Some(inner) = &mut self.inner {
            inner.decoder.gap(side, bytes, at);
        }
        // Heads may be among what is missing.
        if self.sides.of(side).is_lost() {
            self.is_unpaired = true;
            self.awaited.clear();
        }
    }

    fn want(&self, side: Side) -> Want {
        match (self.sides.of(side).want(), &self.inner) {
            (Want::NoMore, Some(inner)) => inner.decoder.want(side),
            // What is in a tunnel shows with its first bytes.
            (Want::NoMore, None) if self.is_tunnel_new => Want::Whole,
            (want, _) => want,
        }
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let known = |scalar| Known::Value(scalar, Source::Wire);
        let text = |text: &str| Scalar::Text(text.into());
        let optional = |seen: bool, value: Option<Scalar>| match value {
            Some(scalar) => known(scalar),
            None if seen => Known::NotApplicable,
            None => Known::Unknown(Unknown::NothingMeasured),
        };
        let (requested, answered) = (self.requests > 0, self.answers > 0);
        Box::new([
            optional(false, self.method.as_deref().map(text)),
            optional(requested, self.host.as_deref().map(text)),
            optional(false, self.status.map(|status| Scalar::Count(status.into()))),
            optional(answered, self.server.as_deref().map(text)),
            known(Scalar::Count(self.requests)),
            known(Scalar::Count(self.answers)),
            match self.first_byte_us {
                Some(micros) => Known::Value(Scalar::Micros(micros), Source::Derived),
                None => Known::Unknown(Unknown::NothingMeasured),
            },
            optional(true, self.upgrade.as_deref().map(text)),
            optional(requested, self.proxied_host.as_deref().map(text)),
        ])
    }

    fn memory(&self) -> u64 {
        let texts = [&self.method, &self.host, &self.proxied_host, &self.server, &self.upgrade];
        let texts = texts.into_iter().flatten().map(|text| text.len()).sum::<usize>();
        let awaited = self.awaited.capacity() * size_of::<Awaited>();
        let heads = self.sides.sent.memory() + self.sides.received.memory();
        let inner = self.inner.as_ref().map_or(0, |inner| inner.decoder.memory());
        (size_of::<Self>() + texts + awaited + heads) as u64 + inner
    }

    fn inner(&self) -> Option<Inner<'_>> {
        let InnerProtocol { protocol, since, decoder } = self.inner.as_ref()?;
        let certainty = Certainty::Certain;
        Some(Inner { protocol, certainty, since: *since, decoder: decoder.as_ref() })
    }
}

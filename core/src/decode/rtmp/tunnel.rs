//! RTMPT (Adobe, RTMPT specification of 2009): RTMP in the bodies of HTTP requests and their answers.
//!
//! The client opens a session, then sends and asks for bytes in turn. The first byte of each answer is the interval
//! of the next request, the rest is RTMP.

use std::collections::VecDeque;

use crate::decode::{
    BothSides, Decoder, Ends, Inner, Opening, Probe, ProtocolSpec, Side, StreamProtocol, Want,
    field,
};
use crate::model::{Certainty, FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown};

use super::RTMP;
use super::session::Session;

/// RTMPT.
pub(in crate::decode) static RTMPT: ProtocolSpec = ProtocolSpec {
    name: "rtmpt",
    meaning: "RTMP in the bodies of HTTP",
    fields: FIELDS,
    ports: &[],
    stream: Some(StreamProtocol {
        probe,
        decoder: |opening| Box::new(Tunnel::new(opening)),
        max_memory: super::MAX_MEMORY + 2 * MAX_HEAD as u64,
    }),
    datagram: None,
};

/// In the order of [`Tunnel::values`](Decoder::values).
static FIELDS: &[FieldSpec] = &[
    field("rtmpt.requests", Kind::Count, "Requests of the tunnel.", "RTMPT: request lines"),
    field("rtmpt.polls", Kind::Count, "Requests that only ask for bytes.", "RTMPT: idle requests"),
];

/// Longest head, bytes.
const MAX_HEAD: usize = 8192;
/// Most header fields of a head.
const MAX_FIELDS: usize = 32;
/// Most requests without answer.
const MAX_AWAITED: usize = 64;
/// Requests of a tunnel.
const FIRST_REQUESTS: [&[u8]; 2] = [b"POST /open/", b"POST /fcs/ident"];

fn probe(opening: &Opening<'_>) -> Probe {
    let client = opening.of(opening.first);
    let begins = |opening: &&[u8]| client.bytes.starts_with(opening);
    let may_begin = |opening: &&[u8]| opening.starts_with(client.bytes);
    match () {
        () if !client.is_from_start => Probe::NotMine,
        () if FIRST_REQUESTS.iter().any(begins) => Probe::Certain,
        () if FIRST_REQUESTS.iter().any(may_begin) && !client.is_complete => Probe::NeedMore,
        () => Probe::NotMine,
    }
}

/// A tunnel.
#[derive(Debug)]
struct Tunnel {
    client: Side,
    sides: BothSides<Part>,
    /// What the requests without answer are.
    awaited: VecDeque<(Request, (u64, u64))>,
    /// When the last request came, microseconds.
    requested_us: u64,
    requests: u64,
    polls: u64,
    since: Option<Moment>,
    session: Session,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// Its body is RTMP, and so is its answer behind the interval.
    Send,
    /// Its body is one byte without meaning; its answer is as the other.
    Idle,
    /// Neither body is RTMP.
    Other,
}

/// Where a side is.
#[derive(Debug)]
enum Part {
    Head(Vec<u8>),
    /// In a body: bytes left, whether the interval comes first, whether it is RTMP.
    Body {
        left: u64,
        has_interval: bool,
        is_rtmp: bool,
    },
    Lost,
}

impl Default for Part {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Tunnel {
    fn new(opening: &Opening<'_>) -> Self {
        let ends: Ends = opening.ends;
        Self {
            client: opening.first,
            sides: BothSides::default(),
            awaited: VecDeque::new(),
            requested_us: 0,
            requests: 0,
            polls: 0,
            since: None,
            session: Session::with(opening.first, ends, opening.publications.clone()),
        }
    }

    /// The body behind a complete head; `None` if it cannot be read.
    fn body(&mut self, side: Side, head: &[u8]) -> Option<Part> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        if side == self.client {
            let mut request = httparse::Request::new(&mut fields);
            request.parse(head).ok()?;
            let kind = match request.path?.split('/').nth(1)? {
                "send" => Request::Send,
                "idle" => Request::Idle,
                _ => Request::Other,
            };
            let left = length(request.headers)?;
            self.requests += 1;
            self.polls += u64::from(kind == Request::Idle);
            if self.awaited.len() >= MAX_AWAITED {
                return None;
            }
            self.awaited.push_back((kind, (0, 0)));
            return Some(Part::Body { left, has_interval: false, is_rtmp: kind == Request::Send });
        }
        let mut answer = httparse::Response::new(&mut fields);
        answer.parse(head).ok()?;
        let (kind, requests) = self.awaited.pop_front()?;
        self.session.requests = self.session.publications.is_further().then_some(requests);
        let is_rtmp = answer.code == Some(200) && kind != Request::Other;
        Some(Part::Body { left: length(answer.headers)?, has_interval: is_rtmp, is_rtmp })
    }

    /// Reads what is in one head or one body; returns the rest.
    fn step<'a>(&mut self, side: Side, bytes: &'a [u8], at: Moment) -> &'a [u8] {
        match self.sides.of_mut(side) {
            Part::Lost => &[],
            Part::Head(head) => {
                let before = head.len();
                head.extend_from_slice(bytes);
                let from = before.saturating_sub(3);
                let searched = head.get(from..).unwrap_or_default();
                let Some(end) = searched.windows(4).position(|end| end == b"\r\n\r\n") else {
                    if head.len() > MAX_HEAD {
                        *self.sides.of_mut(side) = Part::Lost;
                    }
                    return &[];
                };
                let length = from + end + 4;
                let rest = bytes.get(length.saturating_sub(before)..).unwrap_or_default();
                let mut head = std::mem::take(head);
                head.truncate(length);
                *self.sides.of_mut(side) = self.body(side, &head).unwrap_or(Part::Lost);
                rest
            }
            Part::Body { left, has_interval, is_rtmp } => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                let (body, rest) = bytes.split_at_checked(taken as usize).unwrap_or((bytes, &[]));
                let (has, is_rtmp, is_over) = (*has_interval, *is_rtmp, *left == 0);
                if !body.is_empty() {
                    *has_interval = false;
                }
                let body = body.get(usize::from(has)..).unwrap_or_default();
                if is_rtmp && !body.is_empty() {
                    self.since.get_or_insert(at);
                    self.session.read(side, body, at);
                }
                // A request is answered when its body is complete.
                if is_over && side == self.client {
                    let before_us = std::mem::replace(&mut self.requested_us, at.monotonic_us);
                    if let Some((_, requests)) = self.awaited.back_mut() {
                        *requests = (before_us, at.monotonic_us);
                    }
                }
                if is_over {
                    *self.sides.of_mut(side) = Part::default();
                }
                rest
            }
        }
    }
}

/// The length of a body that its head states.
fn length(fields: &[httparse::Header<'_>]) -> Option<u64> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(field.value).ok()?.trim().parse().ok()
}

impl Decoder for Tunnel {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let mut rest = bytes;
        loop {
            let is_empty_body = matches!(self.sides.of(side), Part::Body { left: 0, .. });
            if rest.is_empty() && !is_empty_body {
                return;
            }
            rest = self.step(side, rest, at);
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.gap(side, bytes, at);
    }

    fn gap(&mut self, side: Side, _bytes: u64, at: Moment) {
        *self.sides.of_mut(side) = Part::Lost;
        self.session.lose(side, at);
    }

    fn end(&mut self, side: Side, at: Moment) {
        Decoder::end(&mut self.session, side, at);
    }

    fn want(&self, side: Side) -> Want {
        if matches!(self.sides.of(side), Part::Lost) { Want::NoMore } else { Want::Whole }
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        [self.requests, self.polls]
            .map(|count| {
                Known::from_option(
                    Some(Scalar::Count(count)),
                    Source::Wire,
                    Unknown::NothingMeasured,
                )
            })
            .into()
    }

    fn memory(&self) -> u64 {
        let head = |side| match self.sides.of(side) {
            Part::Head(head) => head.capacity(),
            _ => 0,
        };
        let heads = head(Side::Sent) + head(Side::Received) + self.awaited.capacity();
        heads as u64 + Session::memory(&self.session)
    }

    fn inner(&self) -> Option<Inner<'_>> {
        let since = self.since?;
        let (protocol, certainty) = (&RTMP, Certainty::Certain);
        Some(Inner { protocol, certainty, since, decoder: &self.session })
    }
}

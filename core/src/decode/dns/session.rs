//! One connection or flow: queries and their answers.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::decode::text::host_name;
use crate::decode::{BothSides, Decoder, Side, Want};
use crate::model::{Known, Moment, ResolvedName, Scalar, Source, Unknown};

use super::message::Message;

/// Most queries whose answers are awaited. A resolver that forwards has its own flow for each.
const MAX_AWAITED: usize = 64;
/// Longest message over TCP that is read, bytes; longer ones are transfers of zones.
const MAX_MESSAGE: usize = 4096;
/// The message of each side, whose buffer may have grown to twice of what it needs; what is awaited; texts.
pub(super) const MAX_MEMORY: u64 = 4 * MAX_MESSAGE as u64 + 16 * 1024;

/// One connection or flow.
#[derive(Debug)]
pub(super) struct Session {
    /// Of a stream: the bytes of the message so far of each side; `None` over datagrams.
    sides: Option<BothSides<Framing>>,
    awaited: VecDeque<Awaited>,
    queries: u64,
    answers: u64,
    last_query: Option<(Box<str>, Box<str>)>,
    last_code: Option<Box<str>>,
    answer_us: Option<u64>,
    names: Vec<ResolvedName>,
}

/// A query without answer yet.
#[derive(Debug)]
struct Awaited {
    id: u16,
    side: Side,
    name: Box<str>,
    at: Moment,
}

/// Messages in a stream.
#[derive(Debug, Default)]
struct Framing {
    bytes: Vec<u8>,
    /// Bytes of a long message that are passed over.
    passed: u64,
    /// Bytes are missing, so that it is not known where the next one begins.
    is_lost: bool,
}

impl Session {
    pub(super) fn over_stream() -> Self {
        Self { sides: Some(BothSides::default()), ..Self::over_datagrams() }
    }

    pub(super) fn over_datagrams() -> Self {
        Self {
            sides: None,
            awaited: VecDeque::new(),
            queries: 0,
            answers: 0,
            last_query: None,
            last_code: None,
            answer_us: None,
            names: Vec::new(),
        }
    }

    fn message(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let Some(message) = Message::read(bytes) else { return };
        let name: Box<str> = message.name.into();
        if !message.is_response {
            self.queries += 1;
            // The oldest one is lost.
            if self.awaited.len() >= MAX_AWAITED {
                self.awaited.pop_front();
            }
            self.awaited.push_back(Awaited { id: message.id, side, name: name.clone(), at });
            self.last_query = Some((name, message.kind.into()));
            return;
        }
        self.answers += 1;
        self.last_code = Some(message.code.into());
        // Only what was asked for is accepted, as the resolver does.
        let is_asked =
            |query: &Awaited| query.id == message.id && query.side != side && query.name == name;
        let Some(query) =
            self.awaited.iter().position(is_asked).and_then(|at| self.awaited.remove(at))
        else {
            return;
        };
        self.answer_us = Some(at.monotonic_us.saturating_sub(query.at.monotonic_us));
        // A name of a service, such as `_ldap._tcp.example`, names no host.
        let Some(host) = host_name(name.as_bytes()).filter(|host| !host.contains('_')) else {
            return;
        };
        let name: Arc<str> = host.into();
        self.names.extend(message.addresses.into_iter().map(|(address, ttl_s)| ResolvedName {
            address,
            name: Arc::clone(&name),
            at,
            ttl_s,
        }));
    }
}

impl Framing {
    /// Takes bytes up to the end of the next message.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        loop {
            if self.is_lost || bytes.is_empty() {
                return None;
            }
            if self.passed > 0 {
                let passed = self.passed.min(bytes.len() as u64);
                *bytes = bytes.get(passed as usize..).unwrap_or_default();
                self.passed -= passed;
                continue;
            }
            let wanted = match self.bytes.first_chunk::<2>() {
                Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
                None => 2,
            };
            if wanted > 2 + MAX_MESSAGE {
                self.passed = (wanted - self.bytes.len()) as u64;
                self.bytes.clear();
                continue;
            }
            let (new, rest) = bytes.split_at((wanted - self.bytes.len()).min(bytes.len()));
            self.bytes.extend_from_slice(new);
            *bytes = rest;
            // A message without bytes has a length all the same.
            if self.bytes.len() == wanted && wanted > 2 || self.bytes == [0, 0] {
                return Some(std::mem::take(&mut self.bytes));
            }
        }
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if self.sides.is_none() {
            return self.message(side, bytes, at);
        }
        let mut rest = bytes;
        while let Some(sides) = &mut self.sides
            && let Some(message) = sides.of_mut(side).next(&mut rest)
        {
            self.message(side, message.get(2..).unwrap_or_default(), at);
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.gap(side, bytes, at);
    }

    fn gap(&mut self, side: Side, bytes: u64, _at: Moment) {
        let Some(sides) = &mut self.sides else { return };
        let framing = sides.of_mut(side);
        if framing.passed >= bytes {
            framing.passed -= bytes;
        } else {
            *framing = Framing { is_lost: true, ..Framing::default() };
        }
    }

    fn want(&self, side: Side) -> Want {
        match self.sides.as_ref().map(|sides| sides.of(side)) {
            Some(Framing { is_lost: true, .. }) => Want::NoMore,
            Some(Framing { passed: passed @ 1.., .. }) => Want::Skip(*passed),
            _ => Want::Whole,
        }
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let known = |scalar| Known::Value(scalar, Source::Wire);
        let text = |text: Option<&str>| match text {
            Some(text) => known(Scalar::Text(text.into())),
            None => Known::Unknown(Unknown::NothingMeasured),
        };
        let answer_time = match self.answer_us {
            Some(micros) => Known::Value(Scalar::Micros(micros), Source::Derived),
            None => Known::Unknown(Unknown::NothingMeasured),
        };
        Box::new([
            known(Scalar::Count(self.queries)),
            known(Scalar::Count(self.answers)),
            text(self.last_query.as_ref().map(|(name, _)| &**name)),
            text(self.last_query.as_ref().map(|(_, kind)| &**kind)),
            text(self.last_code.as_deref()),
            answer_time,
        ])
    }

    fn memory(&self) -> u64 {
        let sides = self.sides.as_ref();
        let bytes =
            sides.map_or(0, |sides| sides.sent.bytes.capacity() + sides.received.bytes.capacity());
        let awaited = self.awaited.iter().map(|query| size_of::<Awaited>() + query.name.len());
        let texts = self.last_query.as_ref().map_or(0, |(name, kind)| name.len() + kind.len());
        (size_of::<Self>() + bytes + awaited.sum::<usize>() + texts) as u64
    }

    fn take_names(&mut self) -> Vec<ResolvedName> {
        std::mem::take(&mut self.names)
    }
}

//! Protocols that begin in clear and become TLS: SMTP and FTP by a command, PostgreSQL and MySQL by a packet.
//!
//! Each side is cut into lines or packets. No line and no packet begins like a record of TLS, so where one does, TLS
//! has begun: which command asked for it, and whether that was granted, need not be read.

use crate::model::{Certainty, Known, Moment, Scalar};

use super::first_words::{self, FirstWords};
use super::tls::{self, TLS};
use super::{BothSides, Decoder, Inner, Side, Want};

/// Most bytes of a side in which TLS has to begin: no more than is handed over of every connection.
const MAX_CLEAR_BYTES: usize = 4096;
/// Bytes of a record that are compared.
const RECORD_BYTES: usize = 7;
/// The first words, what is cut of both sides, whose buffers may have grown to twice of what they need, and TLS.
pub(super) const MAX_MEMORY: u64 =
    first_words::MAX_MEMORY + 4 * MAX_CLEAR_BYTES as u64 + tls::MAX_MEMORY;

/// What follows in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// It is not complete.
    NeedMore,
    /// A line or packet of that many bytes, after which TLS may begin.
    Bytes(usize),
    /// What comes only where TLS does not, such as a login.
    Other,
}

/// Cuts the next line or packet off; `is_client` is whether the client sent it.
pub(super) type Cut = fn(bytes: &[u8], is_client: bool) -> Chunk;

/// What clients of SMTP and FTP send before TLS. Other commands are not read.
const COMMANDS: &[&[u8]] = &[
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"STARTTLS",
    b"NOOP",
    b"RSET",
    b"HELP",
    b"AUTH TLS",
    b"AUTH SSL",
    b"FEAT",
    b"SYST",
    b"HOST",
    b"CLNT",
];

/// Lines.
pub(super) fn line(bytes: &[u8], is_client: bool) -> Chunk {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Chunk::NeedMore };
    let begins = |command: &&[u8]| {
        bytes.get(..command.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(command))
    };
    if is_client && !COMMANDS.iter().any(begins) {
        return Chunk::Other;
    }
    Chunk::Bytes(end + 1)
}

/// One connection.
#[derive(Debug)]
pub(super) struct StartTls {
    clear: FirstWords,
    client: Side,
    cut: Cut,
    sides: BothSides<Beginning>,
    tls: Option<(Box<dyn Decoder>, Moment)>,
}

/// The begin of one side.
#[derive(Debug, Default)]
struct Beginning {
    kept: Vec<u8>,
    /// How many bytes were cut.
    cut: usize,
    is_tls: bool,
    /// Whether TLS did not begin where it may.
    is_over: bool,
}

impl StartTls {
    /// Follows `clear`, whose client sends `client`.
    pub(super) fn new(clear: FirstWords, client: Side, cut: Cut) -> Self {
        Self { clear, client, cut, sides: BothSides::default(), tls: None }
    }

    /// Cuts what came, up to the first record of TLS.
    fn search(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let is_client = side == self.client;
        let has_tls = self.tls.is_some();
        let beginning = self.sides.of_mut(side);
        beginning.kept.extend_from_slice(bytes);
        loop {
            match begins_tls(&beginning.kept, is_client, has_tls) {
                Some(true) => {
                    beginning.is_tls = true;
                    let record = std::mem::take(&mut beginning.kept);
                    let (tls, _) = self.tls.get_or_insert_with(|| (tls::decoder(), at));
                    return tls.data(side, &record, at);
                }
                Some(false) => {}
                None => break,
            }
            match (self.cut)(&beginning.kept, is_client) {
                Chunk::Bytes(length @ 1..) if length <= beginning.kept.len() => {
                    beginning.kept.drain(..length);
                    beginning.cut += length;
                }
                Chunk::Bytes(_) | Chunk::NeedMore => break,
                Chunk::Other => return self.give_up(side),
            }
        }
        if beginning.cut + beginning.kept.len() >= MAX_CLEAR_BYTES {
            self.give_up(side);
        }
    }

    /// Searches for TLS no longer: on both sides, if none has begun it.
    fn give_up(&mut self, side: Side) {
        for other in Side::ALL {
            if other == side || self.tls.is_none() {
                let beginning = self.sides.of_mut(other);
                beginning.kept = Vec::new();
                beginning.is_over = true;
            }
        }
    }
}

/// Whether these bytes begin a record of TLS: of the client its hello, of the server the answer; `None` if they are too few.
fn begins_tls(bytes: &[u8], is_client: bool, has_tls: bool) -> Option<bool> {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    let [kind, rest @ ..] = bytes else { return None };
    let is_record = *kind == HANDSHAKE || *kind == ALERT && has_tls && !is_client;
    if !is_record || rest.first().is_some_and(|major| *major != 3) {
        return Some(false);
    }
    if bytes.len() < RECORD_BYTES {
        return None;
    }
    let begins_hello = |kind| bytes.get(5) == Some(&kind);
    Some(if is_client { tls::begins(bytes) } else { has_tls || begins_hello(2) })
}

impl Decoder for StartTls {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if let Some((tls, _)) = self.tls.as_mut().filter(|_| self.sides.of(side).is_tls) {
            return tls.data(side, bytes, at);
        }
        self.clear.data(side, bytes, at);
        if !self.sides.of(side).is_over {
            self.search(side, bytes, at);
        }
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, side: Side, bytes: u64, at: Moment) {
        match &mut self.tls {
            Some((tls, _)) if self.sides.of(side).is_tls => tls.gap(side, bytes, at),
            _ => {
                self.clear.gap(side, bytes, at);
                // Where the next line begins is not known any more.
                self.give_up(side);
            }
        }
    }

    fn want(&self, side: Side) -> Want {
        match &self.tls {
            Some((tls, _)) if self.sides.of(side).is_tls => tls.want(side),
            _ if self.sides.of(side).is_over => self.clear.want(side),
            _ => Want::Whole,
        }
    }

    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]> {
        self.clear.values(seen_from, now)
    }

    fn memory(&self) -> u64 {
        let kept = self.sides.sent.kept.capacity() + self.sides.received.kept.capacity();
        let tls = self.tls.as_ref().map_or(0, |(tls, _)| tls.memory());
        (size_of::<Self>() - size_of::<FirstWords>() + kept) as u64 + self.clear.memory() + tls
    }

    fn inner(&self) -> Option<Inner<'_>> {
        let (decoder, since) = self.tls.as_ref()?;
        let (protocol, certainty) = (&TLS, Certainty::Certain);
        Some(Inner { protocol, certainty, since: *since, decoder: decoder.as_ref() })
    }
}

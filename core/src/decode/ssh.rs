//! SSH (RFC 4253): the identification strings that both ends send in clear first. Everything else is
//! encrypted, and not read.

use std::sync::Arc;

use crate::model::{FieldSpec, Known, Moment, Scalar, Source, Unknown};

use super::first_words::text_field;
use super::text::text;
use super::{BothSides, Decoder, Opening, Probe, ProtocolSpec, Side, StreamProtocol, Want};

/// The declaration of the protocol.
pub(super) static SSH: ProtocolSpec = ProtocolSpec {
    name: "ssh",
    meaning: "secure shell",
    fields: FIELDS,
    ports: &[22],
    stream: Some(StreamProtocol {
        probe,
        decoder: |_| Box::new(Session::default()),
        max_memory: 4096,
    }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[
    software("ssh.version", "Software that this end names, with its comment."),
    software("ssh.peer_version", "Software that the peer names, with its comment."),
];

const fn software(name: &'static str, meaning: &'static str) -> FieldSpec {
    text_field(name, meaning, "identification string, RFC 4253 section 4.2")
}

/// Begins an identification string; the version of the protocol and the software follow.
const BEGIN: &[u8] = b"SSH-";
/// Longest identification string, its line end included.
const MAX_LINE: usize = 255;
/// Longest text that a server may send before it.
const MAX_BEFORE: usize = 4096;

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    let length = prefix.bytes.len().min(BEGIN.len());
    if !prefix.is_from_start || prefix.bytes.get(..length) != BEGIN.get(..length) {
        return Probe::NotMine;
    }
    match prefix.bytes.get(BEGIN.len()..BEGIN.len() + 2) {
        None => Probe::NeedMore,
        Some(b"2." | b"1.") => Probe::Certain,
        Some(_) => Probe::NotMine,
    }
}

/// One connection.
#[derive(Debug, Default)]
struct Session {
    lines: BothSides<Line>,
}

/// The identification of one end.
#[derive(Debug)]
enum Line {
    /// Not complete yet; how many bytes came before it.
    Reading(Vec<u8>, usize),
    /// The software.
    Read(Arc<str>),
    Missed,
}

impl Default for Line {
    fn default() -> Self {
        Self::Reading(Vec::new(), 0)
    }
}

impl Line {
    fn data(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Self::Reading(line, before) = self else { return };
            if *byte != b'\n' {
                line.push(*byte);
                // Other lines may come before, and of those only the begin matters.
                if line.len() > MAX_LINE || *before > MAX_BEFORE {
                    *self = Self::Missed;
                }
                continue;
            }
            if line.starts_with(BEGIN) {
                let software = line.splitn(3, |byte| *byte == b'-').nth(2).unwrap_or_default();
                *self = Self::Read(text(software).into());
                return;
            }
            *before += line.len() + 1;
            line.clear();
        }
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], _at: Moment) {
        self.lines.of_mut(side).data(bytes);
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, side: Side, _bytes: u64, _at: Moment) {
        let line = self.lines.of_mut(side);
        if matches!(line, Line::Reading(..)) {
            *line = Line::Missed;
        }
    }

    fn want(&self, side: Side) -> Want {
        match self.lines.of(side) {
            Line::Reading(..) => Want::Whole,
            Line::Read(_) | Line::Missed => Want::NoMore,
        }
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let value = |side| match self.lines.of(side) {
            Line::Read(software) => Known::Value(Scalar::Text(Arc::clone(software)), Source::Wire),
            Line::Reading(..) => Known::Unknown(Unknown::NothingMeasured),
            Line::Missed => Known::Unknown(Unknown::SourceDoesNotReport),
        };
        Box::new([value(seen_from), value(seen_from.other())])
    }

    fn memory(&self) -> u64 {
        let of = |line: &Line| match line {
            Line::Reading(line, _) => line.capacity(),
            Line::Read(software) => software.len(),
            Line::Missed => 0,
        };
        (size_of::<Self>() + of(&self.lines.sent) + of(&self.lines.received)) as u64
    }
}

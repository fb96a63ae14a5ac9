//! The fields of the protocol, and their values as one end has them.

use std::fmt::Write as _;

use crate::decode::media::{STREAMS, records};
use crate::decode::{Side, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown};

use super::program::Program;
use super::session::Session;

/// In the order of [`values`].
pub(super) static FIELDS: &[FieldSpec] = &[
    field("ts.packets", Kind::Count, "Packets of the transport stream.", "MPEG-TS: packets"),
    field("ts.programs", Kind::Count, "Programs that are listed.", "MPEG-TS: PAT"),
    field("ts.pids", Kind::Count, "Different numbers of packets that were seen.", "MPEG-TS: PID"),
    field(
        "ts.program_pids",
        Kind::Text,
        "Numbers of the elementary streams of each program, as in 1:256,257.",
        "MPEG-TS: PMT",
    ),
    field(
        "ts.discontinuities",
        Kind::Count,
        "How often the counter of an elementary stream was not the next one.",
        "MPEG-TS: continuity_counter",
    ),
    field(
        "ts.resynchronised",
        Kind::Count,
        "How often packets had to be searched for, because bytes were missing or damaged.",
        "MPEG-TS: sync_byte",
    ),
    field("ts.streams", Kind::List(&STREAMS), "The first video and audio of each program.", "PMT"),
];

/// The values as the end that sends `own` has them.
pub(super) fn values(session: &Session, own: Side, now: Moment) -> Box<[Known<Scalar>]> {
    let known =
        |value: Option<Scalar>| Known::from_option(value, Source::Wire, Unknown::NothingMeasured);
    let count = |count: u64| known(Some(Scalar::Count(count)));
    let streams = session.programs.iter().filter_map(|program| program.stream.as_ref());
    let discontinuities = session.programs.iter().map(Program::discontinuities).sum();
    Box::new([
        count(session.packets),
        count(session.programs.len() as u64),
        count(session.pids_seen()),
        known(program_pids(&session.programs).map(|pids| Scalar::Text(pids.into()))),
        count(discontinuities),
        count(session.sync.as_ref().map_or(0, |sync| sync.searches)),
        known(Some(records(streams, own, now))),
    ])
}

/// `None` before a program lists its streams.
fn program_pids(programs: &[Program]) -> Option<String> {
    /// Longest text.
    const MAX_TEXT: usize = 200;
    let mut text = String::new();
    for program in programs.iter().filter(|program| !program.pids.is_empty()) {
        let pids: Vec<_> = program.pids.iter().map(u16::to_string).collect();
        let between = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{between}{}:{}", program.number, pids.join(","));
        if text.len() > MAX_TEXT {
            break;
        }
    }
    (!text.is_empty()).then_some(text)
}

//! The fields of the protocol, and their values as one end has them.

use crate::decode::media::{STREAMS, records};
use crate::decode::{Side, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown};

use super::session::Session;

/// In the order of [`values`].
pub(super) static FIELDS: &[FieldSpec] = &[
    field("flv.stream", Kind::Text, "Name of the stream.", "FLV: streamName of metadata"),
    field("flv.tags", Kind::Count, "Tags that are complete.", "FLV: tags"),
    field(
        "flv.resynchronised",
        Kind::Count,
        "How often a tag had to be searched for, because bytes were missing or damaged.",
        "FLV: tag headers",
    ),
    field("flv.streams", Kind::List(&STREAMS), "The stream.", "FLV: tags"),
];

/// The values as the end that sends `own` has them.
pub(super) fn values(session: &Session, own: Side, now: Moment) -> Box<[Known<Scalar>]> {
    let known =
        |value: Option<Scalar>| Known::from_option(value, Source::Wire, Unknown::NothingMeasured);
    let count = |count: u64| known(Some(Scalar::Count(count)));
    let name = session.stream.as_ref().and_then(|stream| stream.name.clone());
    Box::new([
        known(name.map(Scalar::Text)),
        count(session.tags_complete),
        count(session.tags.as_ref().map_or(0, |tags| tags.searches)),
        known(Some(records(session.stream.iter(), own, now))),
    ])
}

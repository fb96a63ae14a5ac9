//! What the media protocols have in common: codecs, the counters of a track, and the record of a stream.
//!
//! A stream is one publication or one playback on a connection. RTMP, RTSP, MPEG-TS and FLV list theirs in a
//! field `streams` of the same columns, which [`MediaStream`] reads.

mod codec;
mod columns;
mod flv_tag;
mod held;
mod input;
mod messages;
mod published;
mod rates;
mod sealed;
pub(in crate::decode) mod sps;
mod track;
mod view;

pub(in crate::decode) use codec::Codec;
pub(in crate::decode) use columns::{Role, Stream, Tracks, records};
pub(in crate::decode) use flv_tag::FlvTag;
pub(in crate::decode) use input::{Input, Played, played};
pub(in crate::decode) use messages::Clock;
pub use published::Publications;
pub(in crate::decode) use published::{Published, Server};
pub(in crate::decode) use sealed::{Answer, Sealed};
pub(in crate::decode) use track::{Counted, Offered, Track};
pub use view::MediaStream;

use crate::model::ListSpec;

use columns::COLUMNS;

/// The columns of a stream, in the order of the values of its record.
pub static MEDIA_COLUMNS: &[crate::model::ListColumn] = COLUMNS;

/// The list of the streams of a connection.
pub(in crate::decode) static STREAMS: ListSpec = ListSpec {
    item: "MediaStreams",
    meaning: "Media published or played on a connection.",
    columns: COLUMNS,
    compare_instead: "app, remote_name",
    shows_records: false,
};

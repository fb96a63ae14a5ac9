//! A file that a media server writes, as the layer of [`OpenFile`](crate::model::OpenFile): it is no protocol, but has
//! fields as one.

use crate::model::{
    Application, Certainty, FieldSpec, Kind, Known, Layer, LayerOrigin, Moment, Scalar, Source,
    Words,
};

use super::{ProtocolSpec, field};

/// The declaration.
pub static WRITTEN_FILE: ProtocolSpec = ProtocolSpec {
    name: "file",
    meaning: "A file that a media server writes",
    fields: FIELDS,
    ports: &[],
    stream: None,
    datagram: None,
};

/// In the order of [`FileFacts::application`].
static FIELDS: &[FieldSpec] = &[
    field("file.kind", Kind::Text, "What the file is for, by its name.", "path")
        .words(Words::List(&["hls", "dash", "mp4", "flv", "ts"])),
    field("file.stream", Kind::Text, "Name of the stream, as the path has it.", "path"),
    field(
        "file.segments",
        Kind::Count,
        "Files that followed each other under names that count.",
        "path",
    ),
    field(
        "file.segment_time",
        Kind::Duration,
        "Between the last two of them.",
        "when they were first seen",
    ),
    field("file.bytes", Kind::Bytes, "Bytes of all of them, as last seen.", "size"),
];

/// What is known of a file, or of files that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts<'a> {
    /// `hls`, `dash`, `mp4`, `flv` or `ts`.
    pub kind: &'static str,
    /// The stream as the path names it.
    pub stream: &'a str,
    /// How many followed each other.
    pub segments: u64,
    /// Microseconds between the last two; `None` before the second.
    pub segment_time_us: Option<u64>,
    /// Bytes of all.
    pub bytes: u64,
}

impl FileFacts<'_> {
    /// The layer.
    #[must_use]
    pub fn application(&self, since: Moment) -> Application {
        let known = |scalar| Known::Value(scalar, Source::Procfs);
        let values = Box::new([
            known(Scalar::Text(self.kind.into())),
            known(Scalar::Text(self.stream.into())),
            known(Scalar::Count(self.segments)),
            self.segment_time_us.map_or(Known::NotApplicable, |us| known(Scalar::Micros(us))),
            known(Scalar::Bytes(self.bytes)),
        ]);
        let layer = Layer {
            protocol: WRITTEN_FILE.name.into(),
            certainty: Certainty::Likely,
            origin: LayerOrigin::Reported,
            since,
            gap_bytes: 0,
            values,
        };
        Application { layers: Box::new([layer]) }
    }
}

/// The name of a segment without its extension, and without the numbers behind separators at its end.
#[must_use]
pub fn without_number(stem: &str) -> &str {
    let mut rest = stem;
    loop {
        let shorter = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        match shorter.strip_suffix(['-', '_', '.']) {
            Some(before) if shorter.len() < rest.len() && !before.is_empty() => rest = before,
            _ => return rest,
        }
    }
}

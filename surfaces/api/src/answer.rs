//! Whole answers: connections or verdicts, and what is missing from them. Written chunk by chunk,
//! so that an answer of any length needs little memory.

mod groups;

pub use groups::{GROUP_KEYS, GroupShape, group_figures};

use std::io::{self, Write};

use conns_core::model::{Ability, Connection, Loss, SocketId};
use conns_core::model::{Basis, Evidence};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::record::{RecordWriter, entry, whole};

/// Bytes that are collected before they are written; larger than a writer's own buffer, so that they are not
/// copied there.
const CHUNK_BYTES: usize = 256 * 1024;

/// Which answer a list of connections is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The connections: `{"connections":[…],"losses":[…]}`.
    Connections,
    /// The verdicts on them: `{"verdicts":[…],"losses":[…]}`.
    Verdicts,
}

impl Answer {
    /// Writes the answer as one JSON object, each connection on a line of its own. `records`
    /// decides the fields.
    ///
    /// # Errors
    /// The error of the writer.
    pub fn write(
        self,
        out: &mut impl Write,
        records: RecordWriter<'_>,
        connections: &[&Connection],
        losses: &[Loss],
    ) -> io::Result<()> {
        let key: &[u8] = match self {
            Self::Connections => b"{\"connections\":[\n",
            Self::Verdicts => b"{\"verdicts\":[\n",
        };
        out.write_all(key)?;
        self.write_chunks(out, records, connections, b",\n")?;
        let mut end = b"\n]".to_vec();
        Self::append_losses(&mut end, losses);
        end.extend_from_slice(b"}\n");
        out.write_all(&end)
    }

    /// Appends `,"losses":[…]` to an object that is being written.
    pub fn append_losses(out: &mut Vec<u8>, losses: &[Loss]) {
        let losses: Vec<LossShape<'_>> = losses.iter().map(LossShape).collect();
        entry(out, "losses", &losses);
    }

    /// Appends one connection (or the verdict on it) as an object that begins with its `id`: the
    /// namespace's inode and the cookie, by which it can be asked for alone.
    pub fn append(self, out: &mut Vec<u8>, records: &mut RecordWriter<'_>, one: &Connection) {
        open_with_id(out, one.socket.id);
        match self {
            Self::Connections => records.write_on(out, one),
            Self::Verdicts => records.write_on_with(out, one, |out| verdict(out, one)),
        }
    }

    /// Writes one object a line for each connection.
    ///
    /// # Errors
    /// The error of the writer.
    pub fn write_lines(
        self,
        out: &mut impl Write,
        records: RecordWriter<'_>,
        connections: &[&Connection],
    ) -> io::Result<()> {
        self.write_chunks(out, records, connections, b"\n")?;
        if connections.is_empty() { Ok(()) } else { out.write_all(b"\n") }
    }

    fn write_chunks(
        self,
        out: &mut impl Write,
        mut records: RecordWriter<'_>,
        connections: &[&Connection],
        between: &[u8],
    ) -> io::Result<()> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        for (i, connection) in connections.iter().enumerate() {
            if i > 0 {
                chunk.extend_from_slice(between);
            }
            self.record(&mut chunk, &mut records, connection);
            if chunk.len() >= CHUNK_BYTES {
                out.write_all(&chunk)?;
                chunk.clear();
            }
        }
        out.write_all(&chunk)
    }

    fn record(self, out: &mut Vec<u8>, records: &mut RecordWriter<'_>, one: &Connection) {
        match self {
            Self::Connections => records.write(out, one),
            Self::Verdicts => records.write_with(out, one, |out| verdict(out, one)),
        }
    }
}

/// Opens an object with the entry `id`.
pub(crate) fn open_with_id(out: &mut Vec<u8>, id: SocketId) {
    out.extend_from_slice(b"{\"id\":\"");
    whole(out, id.netns);
    out.push(b'-');
    whole(out, id.cookie);
    out.push(b'"');
}

/// The class, the sentence, the advice and the numbers of one verdict.
fn verdict(out: &mut Vec<u8>, connection: &Connection) {
    let (verdict, socket) = (&connection.verdict, &connection.socket);
    entry(out, "verdict", &verdict.class.name());
    entry(out, "confidence_percent", &verdict.confidence_percent);
    entry(out, "why", &verdict.why(socket));
    entry(out, "advice", &verdict.advice(socket));
    entry(out, "evidence", &EvidenceShape(&verdict.evidence));
}

struct EvidenceShape<'a>(&'a Evidence);

impl Serialize for EvidenceShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let e = self.0;
        let mut map = serializer.serialize_map(None)?;
        match e.basis {
            // The length of a lifetime is unknown.
            Basis::Lifetime => map.serialize_entry("window_us", &())?,
            Basis::Window { us } => map.serialize_entry("window_us", &us)?,
        }
        let numbers: [(&str, u64); 23] = [
            ("samples", e.samples.into()),
            ("bytes_out", e.bytes_out),
            ("bytes_in", e.bytes_in),
            ("segments_out", e.segments_out),
            ("segments_in", e.segments_in),
            ("segments_lost", e.segments_lost),
            ("timeouts", e.timeouts.into()),
            ("busy_us", e.busy_us),
            ("rwnd_limited_us", e.rwnd_limited_us),
            ("sndbuf_limited_us", e.sndbuf_limited_us),
            ("drops", e.drops),
            ("rtt_us", e.rtt_us.into()),
            ("min_rtt_us", e.min_rtt_us.into()),
            ("samples_unread", e.samples_unread.into()),
            ("unread_max_bytes", e.unread_max_bytes.into()),
            ("samples_sndbuf_full", e.samples_sndbuf_full.into()),
            ("samples_reader_behind", e.samples_reader_behind.into()),
            ("samples_window_closed", e.samples_window_closed.into()),
            ("samples_unsent", e.samples_unsent.into()),
            ("samples_cwnd_full", e.samples_cwnd_full.into()),
            ("samples_app_limited", e.samples_app_limited.into()),
            ("samples_timed_out", e.samples_timed_out.into()),
            ("samples_accept_full", e.samples_accept_full.into()),
        ];
        for (key, number) in numbers {
            map.serialize_entry(key, &number)?;
        }
        map.end()
    }
}

/// Something that is missing from an answer.
struct LossShape<'a>(&'a Loss);

impl Serialize for LossShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("kind", self.0.kind().name())?;
        map.serialize_entry("count", &self.0.count)?;
        map.serialize_entry("source", &self.0.source.to_string())?;
        map.serialize_entry("message", &self.0.to_string())?;
        map.end()
    }
}

/// What can be done somewhere, and what not, as a list of objects.
#[derive(Clone, Copy)]
pub struct AbilityShapes<'a>(pub &'a [Ability]);

impl Serialize for AbilityShapes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|ability| {
            // In the order people read them.
            AbilityShape {
                name: ability.kind.name(),
                meaning: ability.kind.meaning(),
                missing: ability.missing.as_ref().map(ToString::to_string),
            }
        }))
    }
}

#[derive(Serialize)]
struct AbilityShape<'a> {
    name: &'a str,
    meaning: &'a str,
    missing: Option<String>,
}

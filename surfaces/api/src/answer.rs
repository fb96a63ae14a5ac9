//! Whole answers: connections or verdicts, and what is missing from them. Written chunk by chunk,
//! so that an answer of any length needs little memory.

mod groups;

pub use groups::{GroupRecord, GroupShape};

use std::io::{self, Write};

use conns_core::model::{Connection, Loss, SocketId};

use crate::Stamp;
use crate::record::{RecordWriter, entries, entry, whole};
use crate::shapes::{LossShape, VerdictShape};

/// Bytes that are collected before they are written; larger than a writer's own buffer, so that they are not
/// copied there.
const CHUNK_BYTES: usize = 256 * 1024;

/// Which answer a list of connections is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The connections: `{"connections":[…],"losses":[…],"snapshot":{…}}`.
    Connections,
    /// The verdicts on them: `{"verdicts":[…],"losses":[…],"snapshot":{…}}`.
    Verdicts,
}

impl Answer {
    /// Writes the answer as one JSON object, each connection on a line of its own. `records`
    /// decides the fields. Connections that are of no one snapshot have no `stamp`.
    ///
    /// # Errors
    /// The error of the writer.
    pub fn write(
        self,
        out: &mut impl Write,
        records: RecordWriter<'_>,
        connections: &[&Connection],
        losses: &[Loss],
        stamp: Option<Stamp<'_>>,
    ) -> io::Result<()> {
        let key: &[u8] = match self {
            Self::Connections => b"{\"connections\":[\n",
            Self::Verdicts => b"{\"verdicts\":[\n",
        };
        out.write_all(key)?;
        self.write_chunks(out, records, connections, b",\n")?;
        let mut end = b"\n]".to_vec();
        entry(&mut end, "losses", &LossShape::all(losses));
        if let Some(stamp) = stamp {
            entry(&mut end, "snapshot", &stamp);
        }
        end.extend_from_slice(b"}\n");
        out.write_all(&end)
    }

    /// Appends one connection (or the verdict on it) as an object that begins with its `id`: the
    /// namespace's inode and the cookie, by which it can be asked for alone.
    pub fn append(self, out: &mut Vec<u8>, records: &mut RecordWriter<'_>, one: &Connection) {
        open_with_id(out, one.socket.id);
        match self {
            Self::Connections => records.write_on(out, one),
            Self::Verdicts => {
                records.write_on_with(out, one, |out| entries(out, &VerdictShape::from(one)))
            }
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
            Self::Verdicts => {
                records.write_with(out, one, |out| entries(out, &VerdictShape::from(one)))
            }
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

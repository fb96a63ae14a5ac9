//! Answers that are a list. A list may have ten thousand records, so it is written entry by entry into
//! its answer, which is derived like any other.

use conns_api::{GroupShape, LossShape};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ConnectionRecord, SnapshotShape, VerdictRecord};
use crate::response::json;

/// What a page of a list ends with.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PageEnd {
    /// What is missing from the answer.
    pub(in super::super) losses: Vec<LossShape>,
    /// The snapshot the page is of.
    pub(in super::super) snapshot: SnapshotShape,
    /// How many match, on all pages together.
    pub(in super::super) total: usize,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    pub(in super::super) next_cursor: Option<String>,
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Connections {
    /// The connections of the page.
    pub(in super::super) connections: Vec<ConnectionRecord>,
    #[serde(flatten)]
    #[schema(inline)]
    pub(in super::super) end: PageEnd,
}

/// A page of verdicts.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Verdicts {
    /// The verdicts of the page.
    pub(in super::super) verdicts: Vec<VerdictRecord>,
    #[serde(flatten)]
    #[schema(inline)]
    pub(in super::super) end: PageEnd,
}

/// Groups of connections, the largest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Groups<'a> {
    /// The groups, at most `limit` of them.
    pub(in super::super) groups: Vec<GroupShape<'a>>,
    /// What is missing from the answer.
    pub(in super::super) losses: Vec<LossShape>,
    /// The snapshot they are of.
    pub(in super::super) snapshot: SnapshotShape,
    /// How many groups there are.
    pub(in super::super) total: usize,
}

/// With `group_by` groups, and connections without.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in super::super) enum ConnectionsOrGroups<'a> {
    /// Connections.
    Connections(Connections),
    /// Groups of them.
    Groups(Groups<'a>),
}

/// Writes an answer that begins with a list, each entry on a line of its own.
pub(in super::super) struct ListWriter {
    out: Vec<u8>,
    /// What follows the entries.
    end: Vec<u8>,
    has_entries: bool,
}

impl ListWriter {
    /// Begins `answer`, whose first key is an empty list.
    pub(in super::super) fn new(answer: &impl Serialize) -> Self {
        let mut out = json(answer);
        let start = out.iter().position(|byte| *byte == b'[').map_or(out.len(), |at| at + 1);
        let end = out.split_off(start);
        Self { out, end, has_entries: false }
    }

    /// Adds the entry that `write` appends.
    pub(in super::super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(if self.has_entries { b",\n" } else { b"\n" });
        self.has_entries = true;
        write(&mut self.out);
    }

    /// Adds an entry that is derived.
    pub(in super::super) fn add_shape(&mut self, entry: &impl Serialize) {
        // Writing to memory does not fail, and all keys are text.
        self.add(|out| drop(serde_json::to_writer(out, entry)));
    }

    /// Ends the answer.
    pub(in super::super) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'\n');
        self.out.extend_from_slice(&self.end);
        self.out.shrink_to_fit();
        self.out
    }
}

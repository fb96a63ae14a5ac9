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

/// What has become of a row since its order began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum RowState {
    /// Open, and it matches.
    Open,
    /// Open, but it matches no more.
    Other,
    /// It closed recently: its last record.
    Closed,
    /// It closed longer ago than the agent keeps records.
    Evicted,
}

impl RowState {
    /// As it is written.
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Other => "other",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
        }
    }
}

/// A row of a window.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct WindowRow {
    /// What has become of it.
    state: RowState,
    /// Its record; absent once it is evicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ConnectionRecord, required = false)]
    connection: Option<ConnectionRecord>,
}

/// The rows at some places of an order that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Window {
    /// The rows at `offset` and the places behind it.
    pub(in super::super) rows: Vec<WindowRow>,
    /// The `order` of later requests.
    pub(in super::super) order: String,
    /// The place of the first row.
    pub(in super::super) offset: usize,
    /// How many places the order has.
    pub(in super::super) total: usize,
    /// The place of the connection that `find` names; null if it has none.
    #[schema(required)]
    pub(in super::super) found: Option<usize>,
    /// What is missing from the answer.
    pub(in super::super) losses: Vec<LossShape>,
    /// The snapshot the rows are of.
    pub(in super::super) snapshot: SnapshotShape,
}

/// With `group_by` groups, with `order` a window, and else connections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in super::super) enum ConnectionsOrGroups<'a> {
    /// Connections.
    Connections(Connections),
    /// Groups of them.
    Groups(Groups<'a>),
    /// A window on them.
    Window(Window),
}

/// From this length on, an answer gets no further record. A record has bounded texts and lists, but no fixed length,
/// so a page ends before its limit where they are long.
const MAX_RECORDS_BYTES: usize = 32 << 20;

/// The records of a list, each on a line of its own.
#[derive(Debug, Default)]
pub(in super::super) struct Records {
    out: Vec<u8>,
}

impl Records {
    /// Whether no further record fits.
    pub(in super::super) fn is_full(&self) -> bool {
        self.out.len() >= MAX_RECORDS_BYTES
    }

    /// Adds the record that `write` appends.
    pub(in super::super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(if self.out.is_empty() { b"\n" } else { b",\n" });
        write(&mut self.out);
    }

    /// Adds a record that is derived.
    pub(in super::super) fn add_shape(&mut self, record: &impl Serialize) {
        // Writing to memory does not fail, and all keys are text.
        self.add(|out| drop(serde_json::to_writer(out, record)));
    }

    /// `answer`, whose first key is an empty list, with these records in it.
    pub(in super::super) fn into_answer(mut self, answer: &impl Serialize) -> Vec<u8> {
        let around = json(answer);
        let start = around.iter().position(|byte| *byte == b'[').map_or(around.len(), |at| at + 1);
        let (begin, end) = around.split_at(start);
        self.out.push(b'\n');
        self.out.extend_from_slice(end);
        self.out.splice(..0, begin.iter().copied());
        self.out.shrink_to_fit();
        self.out
    }
}

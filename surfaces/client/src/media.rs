//! The kinds of answers that are read.

use conns_api::{EVENTS_TYPE, MAX_BODY_BYTES, SNAPSHOT_TYPE};

/// A kind of answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Media {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Longest one that is read, bytes.
    pub(crate) max_bytes: usize,
}

impl Media {
    /// An update: the state, or what changed.
    pub(crate) const UPDATE: Self = Self { media_type: SNAPSHOT_TYPE, max_bytes: MAX_BODY_BYTES };
    /// Events.
    pub(crate) const EVENTS: Self = Self { media_type: EVENTS_TYPE, max_bytes: MAX_BODY_BYTES };
    /// The answer to a query in SQL; an agent sends at most 32 MiB of text, and each value with the name of its column.
    pub(crate) const SQL: Self =
        Self { media_type: "application/json", max_bytes: 256 * 1024 * 1024 };
    /// The agent's health; some kilobytes.
    pub(crate) const HEALTH: Self = Self { media_type: "application/json", max_bytes: 1024 * 1024 };
}

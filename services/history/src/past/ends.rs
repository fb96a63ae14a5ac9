//! How a connection of the past opened and closed.

use std::sync::Arc;

use conns_core::model::{CloseReason, Closed, Closer, Direction, Moment, Opened, Process, Unknown};

use super::row::{Row, known, known_if};

/// How it opened, if that was known.
pub(super) fn opened(row: &Row<'_, '_>, direction: Option<Direction>) -> Option<Arc<Opened>> {
    let at = Moment::of_wall(row.time("opened_at_us")?);
    let opener = row.small("opener_pid").zip(row.text("opener"));
    let by = opener.map(|(pid, name)| Process::bare(pid, &*name, Unknown::NotKept));
    Some(Arc::new(Opened {
        at,
        handshake_us: known_if(direction != Some(Direction::Inbound), row.whole("handshake_us")),
        first_use_us: known_if(direction != Some(Direction::Outbound), row.whole("first_use_us")),
        by: known(by.map(Arc::new)),
    }))
}

/// How it closed, if it has.
pub(super) fn closed(row: &Row<'_, '_>, at: Moment) -> Option<Closed> {
    let how = match row.word("ended", CloseReason::ALL, CloseReason::name)? {
        CloseReason::Error(_) => CloseReason::Error(row.small("errno").unwrap_or(0)),
        how => how,
    };
    Some(Closed {
        at: row.time("closed_at_us").map_or(at, Moment::of_wall),
        duration_us: known(row.whole("duration_us")),
        how,
        first_closer: known(row.word("closed_by", Closer::ALL, Closer::name)),
        // Not kept; the bytes that were received are kept without it.
        fin_received: false,
    })
}

//! Event counts by kind, accumulated per update: an update keeps the latest events only.

use std::sync::{Mutex, PoisonError};

use conns_core::model::{EventKind, EventLog};

/// Events that were evicted before they were counted.
const UNKNOWN: &str = "unknown";

/// Counts since the agent started.
#[derive(Debug, Default)]
pub(crate) struct EventCounts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// Everything up to here is counted.
    serial: u64,
    kinds: [u64; EventKind::ALL.len()],
    unknown: u64,
}

impl EventCounts {
    /// Counts what `log` has that was not counted yet.
    pub(crate) fn note(&self, log: &EventLog) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have counted a later log.
        if log.last_serial() <= counted.serial {
            return;
        }
        let missed = log.complete_since().saturating_sub(counted.serial);
        counted.unknown += missed;
        counted.serial += missed;
        for event in log.buffered_after(counted.serial) {
            let at = EventKind::ALL.iter().position(|kind| *kind == event.kind);
            if let Some(count) = at.and_then(|at| counted.kinds.get_mut(at)) {
                *count += 1;
            }
        }
        counted.serial = log.last_serial();
    }

    /// Each kind by its name, and its count.
    pub(super) fn list(&self) -> Vec<(&'static str, u64)> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = EventKind::ALL.iter().map(|kind| kind.name()).zip(counted.kinds);
        kinds.chain([(UNKNOWN, counted.unknown)]).collect()
    }
}

//! How many events there were, by kind, counted beat by beat: a beat keeps the latest only.

use std::sync::{Mutex, PoisonError};

use conns_core::model::{EventKind, Update};

/// Events that were not kept any more when somebody came to count them.
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
    /// Counts what `update` has that was not counted yet.
    pub(crate) fn note(&self, update: &Update) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever counts at the same time may have seen a later beat.
        if update.last_event() <= counted.serial {
            return;
        }
        let missed = update.events_complete_since.saturating_sub(counted.serial);
        counted.unknown += missed;
        counted.serial += missed;
        for event in update.events_since(counted.serial).unwrap_or_default() {
            let at = EventKind::ALL.iter().position(|kind| *kind == event.kind);
            if let Some(count) = at.and_then(|at| counted.kinds.get_mut(at)) {
                *count += 1;
            }
        }
        counted.serial = update.last_event();
    }

    /// Each kind by its name, and how many there were.
    pub(super) fn list(&self) -> Vec<(&'static str, u64)> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = EventKind::ALL.iter().map(|kind| kind.name()).zip(counted.kinds);
        kinds.chain([(UNKNOWN, counted.unknown)]).collect()
    }
}

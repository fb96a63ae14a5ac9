//! Moments that were read, kept for the requests that follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use conns_core::model::Update;

use crate::problem::Problem;

/// Most moments that are kept, and most connections in all of them; the latest is kept whatever it has.
const MAX_MOMENTS: usize = 8;
const MAX_CONNECTIONS: usize = 200_000;

/// The moments read last.
#[derive(Debug, Default)]
pub(in super::super) struct Moments(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Counts up with each reading.
    number: u64,
    /// The one used last at the end.
    moments: VecDeque<(i64, Arc<Update>)>,
}

impl Moments {
    /// What was at a moment. `read` reads it as the reading of a number, if it is not kept; one moment is read at a time.
    pub(super) fn read(
        &self,
        at_us: i64,
        read: impl FnOnce(u64) -> Result<Update, Problem>,
    ) -> Result<Arc<Update>, Problem> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.moments.iter().position(|(known, _)| *known == at_us);
        let update = match at.and_then(|at| kept.moments.remove(at)) {
            Some((_, known)) => known,
            None => {
                kept.number += 1;
                Arc::new(read(kept.number)?)
            }
        };
        kept.moments.push_back((at_us, Arc::clone(&update)));
        while kept.moments.len() > 1
            && (kept.moments.len() > MAX_MOMENTS || kept.connections() > MAX_CONNECTIONS)
        {
            kept.moments.pop_front();
        }
        Ok(update)
    }
}

impl Kept {
    fn connections(&self) -> usize {
        self.moments.iter().map(|(_, update)| update.snapshot.connections.len()).sum()
    }
}

//! Moments that were read, kept for the requests that follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use conns_core::model::Update;

use crate::problem::Problem;

/// Most moments that are kept, and most connections in all of them; the latest is kept whatever it has.
const MAX_MOMENTS: usize = 8;
const MAX_CONNECTIONS: usize = 200_000;
/// What is kept of a moment is whole once open connections were kept after it: each minute, and some time for a row that is late.
const WHOLE_AFTER_US: i64 = 80_000_000;

/// The moments read last.
#[derive(Debug, Default)]
pub(in super::super) struct Moments(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Counts up with each reading.
    number: u64,
    /// The one used last at the end.
    moments: VecDeque<Read>,
}

/// A moment that was read.
#[derive(Debug)]
struct Read {
    at_us: i64,
    /// Whether it was whole then.
    is_whole: bool,
    update: Arc<Update>,
}

impl Moments {
    /// What was at a moment. `read` reads it as the reading of a number, if it is not kept, or was not whole and is by `now_us`; one
    /// moment is read at a time.
    pub(super) fn read(
        &self,
        (at_us, now_us): (i64, i64),
        read: impl FnOnce(u64) -> Result<Update, Problem>,
    ) -> Result<Arc<Update>, Problem> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = now_us.saturating_sub(at_us) >= WHOLE_AFTER_US;
        let at = kept.moments.iter().position(|one| one.at_us == at_us);
        let known = at.and_then(|at| kept.moments.remove(at));
        let one = match known.filter(|known| known.is_whole || !is_whole) {
            Some(known) => known,
            None => {
                kept.number += 1;
                Read { at_us, is_whole, update: Arc::new(read(kept.number)?) }
            }
        };
        let update = Arc::clone(&one.update);
        kept.moments.push_back(one);
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
        self.moments.iter().map(|one| one.update.snapshot.connections.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_was_not_whole_is_read_again_once_it_is() {
        let moments = Moments::default();
        let mut numbers = Vec::new();
        for now_us in [10, 20, WHOLE_AFTER_US, 2 * WHOLE_AFTER_US] {
            let read = moments.read((0, now_us), |number| {
                numbers.push(number);
                Ok(Update { instance: number, ..Update::default() })
            });
            assert_eq!(read.unwrap().instance, *numbers.last().unwrap());
        }
        assert_eq!(numbers, [1, 2]);
    }
}

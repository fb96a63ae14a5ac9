//! Moments that were read, kept for the requests that follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    moments: VecDeque<KeptMoment>,
}

/// A moment that was read, or is being read.
#[derive(Debug)]
struct KeptMoment {
    at_us: i64,
    /// How many connections it has; 0 until it is read.
    connections: usize,
    /// Locked while it is read.
    read: Arc<Mutex<Option<Read>>>,
}

/// What was at a moment.
#[derive(Debug)]
struct Read {
    /// Whether it was whole then.
    is_whole: bool,
    update: Arc<Update>,
}

impl Moments {
    /// What was at a moment. `read` reads it as the reading of a number, if it is not kept, or was not whole and is by `now_us`; a
    /// moment is read once, and others are answered meanwhile.
    pub(super) fn read(
        &self,
        (at_us, now_us): (i64, i64),
        read: impl FnOnce(u64) -> Result<Update, Problem>,
    ) -> Result<Arc<Update>, Problem> {
        let is_whole = now_us.saturating_sub(at_us) >= WHOLE_AFTER_US;
        let cell = self.kept().cell(at_us);
        let mut moment = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = moment.as_ref().filter(|known| known.is_whole || !is_whole) {
            return Ok(Arc::clone(&known.update));
        }
        let number = self.kept().next_number();
        let made = read(number);
        let mut kept = self.kept();
        match made {
            Ok(update) => {
                let update = Arc::new(update);
                *moment = Some(Read { is_whole, update: Arc::clone(&update) });
                kept.note_read(&cell, update.snapshot.connections.len());
                Ok(update)
            }
            Err(problem) => {
                if moment.is_none() {
                    kept.moments.retain(|one| !Arc::ptr_eq(&one.read, &cell));
                }
                Err(problem)
            }
        }
    }

    /// The list. It is never locked while a moment is read.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The cell of a moment, which is the one used last now.
    fn cell(&mut self, at_us: i64) -> Arc<Mutex<Option<Read>>> {
        let at = self.moments.iter().position(|one| one.at_us == at_us);
        let known = at.and_then(|at| self.moments.remove(at));
        let one =
            known.unwrap_or_else(|| KeptMoment { at_us, connections: 0, read: Arc::default() });
        let cell = Arc::clone(&one.read);
        self.moments.push_back(one);
        cell
    }

    /// Notes that a moment was read, and how many connections it has; makes room for it.
    fn note_read(&mut self, cell: &Arc<Mutex<Option<Read>>>, connections: usize) {
        if let Some(one) = self.moments.iter_mut().find(|one| Arc::ptr_eq(&one.read, cell)) {
            one.connections = connections;
        }
        while self.moments.len() > 1
            && (self.moments.len() > MAX_MOMENTS || self.connections() > MAX_CONNECTIONS)
        {
            self.moments.pop_front();
        }
    }

    fn connections(&self) -> usize {
        self.moments.iter().map(|one| one.connections).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

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

    fn of(instance: u64) -> Result<Update, Problem> {
        Ok(Update { instance, ..Update::default() })
    }

    #[test]
    fn a_kept_moment_is_answered_while_another_is_read_which_is_read_once() {
        /// Far longer than an answer takes; without one it would never come.
        const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
        let moments = Arc::new(Moments::default());
        let now_us = 2 * WHOLE_AFTER_US;
        moments.read((1, now_us), |_| of(1)).unwrap();
        let other = Arc::clone(&moments);
        let mut same = None;
        let read = moments.read((2, now_us), |_| {
            let (send, answered) = mpsc::channel();
            let kept = Arc::clone(&other);
            thread::spawn(move || send.send(kept.read((1, now_us), |_| of(9)).unwrap().instance));
            assert_eq!(answered.recv_timeout(ANSWERED_WITHIN), Ok(1), "the kept moment waits");
            // It waits for this reading, or comes after it.
            same =
                Some(thread::spawn(move || other.read((2, now_us), |_| of(9)).unwrap().instance));
            of(2)
        });
        assert_eq!(read.unwrap().instance, 2);
        assert_eq!(same.unwrap().join().unwrap(), 2);
    }

    #[test]
    fn a_moment_that_cannot_be_read_takes_no_place_and_is_read_again() {
        let moments = Moments::default();
        let now_us = 20 * WHOLE_AFTER_US;
        moments.read((0, now_us), |_| of(7)).unwrap();
        for at_us in 1..=2 * MAX_MOMENTS as i64 {
            let failed = moments.read((at_us, now_us), |_| Err(Problem::bad("x", "x", "x")));
            assert!(failed.is_err());
        }
        assert_eq!(moments.read((0, now_us), |_| of(9)).unwrap().instance, 7);
        assert_eq!(moments.read((1, now_us), |_| of(9)).unwrap().instance, 9);
    }

    #[test]
    fn moments_make_room_for_later_ones_by_their_number_and_their_connections() {
        let mut kept = Kept::default();
        let mut note = |at_us, connections| {
            let cell = kept.cell(at_us);
            kept.note_read(&cell, connections);
            kept.moments.iter().map(|one| one.at_us).collect::<Vec<_>>()
        };
        for at_us in 0..MAX_MOMENTS as i64 {
            note(at_us, 1);
        }
        // One that is used again is the last.
        assert_eq!(note(0, 1), [1, 2, 3, 4, 5, 6, 7, 0]);
        assert_eq!(note(8, 1), [2, 3, 4, 5, 6, 7, 0, 8]);
        assert_eq!(note(9, MAX_CONNECTIONS - 1), [8, 9]);
        assert_eq!(note(10, 2 * MAX_CONNECTIONS), [10]);
    }
}

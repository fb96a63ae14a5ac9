//! What is held in memory for readers that have not taken it yet.
//!
//! A list is written anew each second; who reads slowly keeps an old one alive. The one idea: the large
//! pieces of answers on their way are counted, each once however many take it; when there are
//! too many bytes of them, the readers of the oldest one are dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::refusals::{Refusals, Refused};
use crate::seats::Seat;

/// Smaller pieces are not counted: one for each client is 48 MB at most.
const COUNTED_FROM: usize = 16 << 10;

/// The pieces on their way.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    held: Mutex<Pieces>,
    refusals: Arc<Refusals>,
}

#[derive(Debug, Default)]
struct Pieces {
    next: u64,
    bytes: usize,
    /// By address: what is held is not moved, and nothing else is where it is.
    pieces: HashMap<usize, Piece>,
}

#[derive(Debug)]
struct Piece {
    since: u64,
    bytes: usize,
    /// Its readers were asked to go, and it is not counted any more.
    given_up: bool,
    readers: Vec<Arc<Seat>>,
}

impl Ledger {
    pub(crate) fn new(refusals: Arc<Refusals>) -> Self {
        Self { held: Mutex::default(), refusals }
    }

    /// The same bytes, counted for this reader until the last clone is dropped.
    pub(crate) fn hold(self: &Arc<Self>, piece: Bytes, reader: &Arc<Seat>) -> Bytes {
        if piece.len() < COUNTED_FROM {
            return piece;
        }
        self.enter(&piece, reader);
        Bytes::from_owner(OwnerEntry {
            piece,
            reader: Arc::clone(reader),
            ledger: Arc::clone(self),
        })
    }

    fn enter(&self, piece: &Bytes, reader: &Arc<Seat>) {
        let mut held = self.lock();
        let since = held.next;
        held.next += 1;
        let entry = held.pieces.entry(address(piece)).or_insert_with(|| Piece {
            since,
            bytes: 0,
            given_up: true,
            readers: Vec::new(),
        });
        entry.readers.push(Arc::clone(reader));
        // Parts of one allocation may begin at the same place.
        let counted = if entry.given_up { 0 } else { entry.bytes };
        entry.bytes = entry.bytes.max(piece.len());
        entry.given_up = false;
        let more = entry.bytes - counted;
        held.bytes += more;
        while held.bytes > reader.limits().held_bytes && self.give_up_oldest(&mut held, since) {}
    }

    /// Never gives up what was entered last.
    fn give_up_oldest(&self, held: &mut Pieces, last: u64) -> bool {
        let kept = held.pieces.values_mut().filter(|piece| !piece.given_up && piece.since != last);
        let Some(oldest) = kept.min_by_key(|piece| piece.since) else { return false };
        oldest.given_up = true;
        for reader in &oldest.readers {
            if reader.ask_to_leave(Refused::HeldFull) {
                self.refusals.count(Refused::HeldFull);
            }
        }
        held.bytes = held.bytes.saturating_sub(oldest.bytes);
        true
    }

    fn leave(&self, piece: &Bytes, reader: &Arc<Seat>) {
        let mut held = self.lock();
        let Some(entry) = held.pieces.get_mut(&address(piece)) else { return };
        if let Some(at) = entry.readers.iter().position(|other| Arc::ptr_eq(other, reader)) {
            entry.readers.swap_remove(at);
        }
        if entry.readers.is_empty() {
            let bytes = if entry.given_up { 0 } else { entry.bytes };
            held.bytes = held.bytes.saturating_sub(bytes);
            held.pieces.remove(&address(piece));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(piece: &Bytes) -> usize {
    piece.as_ptr().addr()
}

struct OwnerEntry {
    piece: Bytes,
    reader: Arc<Seat>,
    ledger: Arc<Ledger>,
}

impl AsRef<[u8]> for OwnerEntry {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for OwnerEntry {
    fn drop(&mut self) {
        self.ledger.leave(&self.piece, &self.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::seats::Seats;

    fn piece(kilobytes: usize) -> Bytes {
        vec![b'x'; kilobytes << 10].into()
    }

    #[test]
    fn the_readers_of_the_oldest_piece_are_dropped_and_shared_pieces_count_once() {
        let refusals = Arc::new(Refusals::default());
        let seats = Arc::new(Seats::new(Arc::clone(&refusals), Arc::default()));
        let ledger = Arc::new(Ledger::new(Arc::clone(&refusals)));
        let limits = Limits { held_bytes: 100 << 10, ..Limits::default() };
        let readers: Vec<_> = (0..4).map(|_| seats.take(0, None, &limits).unwrap()).collect();
        let reader = |at: usize| &readers[at].seat;
        let dropped =
            || refusals.list().iter().find(|(name, _)| *name == "reader-held-too-much").unwrap().1;

        let shared = piece(60);
        let first = ledger.hold(shared.clone(), reader(0));
        let second = ledger.hold(shared.clone(), reader(1));
        assert_eq!(first.as_ptr(), shared.as_ptr());
        assert_eq!((ledger.lock().bytes, dropped()), (60 << 10, 0));
        let small = ledger.hold(piece(1), reader(0));
        assert_eq!(ledger.lock().bytes, 60 << 10);
        let third = ledger.hold(piece(50), reader(2));
        assert_eq!((ledger.lock().bytes, dropped()), (50 << 10, 2));
        // A single one may be larger than the bound: otherwise it could never be sent.
        let fourth = ledger.hold(piece(200), reader(3));
        assert_eq!((ledger.lock().bytes, dropped()), (200 << 10, 3));
        drop((first, second, third, small));
        drop(fourth.clone());
        assert_eq!(ledger.lock().bytes, 200 << 10);
        drop(fourth);
        let held = ledger.lock();
        assert_eq!((held.bytes, held.pieces.len()), (0, 0));
    }
}

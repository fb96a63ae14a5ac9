//! The connections that are remembered, in the order the tables show them.
//!
//! The one idea: tables show much the same in much the same order again and again. What lies in
//! that order in memory is found where the last one ended, and is on its way from there already;
//! looked up by number alone, each would be waited for.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::SocketId;

use super::remembered::Remembered;

/// Fewer places are not worth being given back.
const PLACES_KEPT: usize = 1024;

/// The connections that are remembered.
#[derive(Debug, Default)]
pub(super) struct Roll {
    places: Vec<Option<(SocketId, Remembered)>>,
    by_id: HashMap<SocketId, u32, RandomState>,
    free: Vec<u32>,
    /// Where the next one is likely to be.
    next: usize,
}

impl Roll {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn contains(&self, id: &SocketId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn get(&self, id: &SocketId) -> Option<&Remembered> {
        let at = usize::try_from(*self.by_id.get(id)?).ok()?;
        self.places.get(at)?.as_ref().map(|(_, kept)| kept)
    }

    pub(super) fn get_mut(&mut self, id: &SocketId) -> Option<&mut Remembered> {
        let at = usize::try_from(*self.by_id.get(id)?).ok()?;
        self.places.get_mut(at)?.as_mut().map(|(_, kept)| kept)
    }

    /// A new round through the tables begins.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    /// As [`Roll::get_mut`], for one who asks in the order of the tables.
    pub(super) fn next_mut(&mut self, id: &SocketId) -> Option<&mut Remembered> {
        let is_next = matches!(self.places.get(self.next), Some(Some((there, _))) if there == id);
        if !is_next {
            self.next = usize::try_from(*self.by_id.get(id)?).ok()?;
        }
        let at = self.next;
        self.next += 1;
        self.places.get_mut(at)?.as_mut().map(|(_, kept)| kept)
    }

    pub(super) fn insert(&mut self, id: SocketId, kept: Remembered) {
        let new = Some((id, kept));
        let last = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let at = self.free.pop().unwrap_or(last);
        match usize::try_from(at).ok().and_then(|at| self.places.get_mut(at)) {
            Some(place) => *place = new,
            None => self.places.push(new),
        }
        self.by_id.insert(id, at);
    }

    pub(super) fn remove(&mut self, id: &SocketId) -> Option<Remembered> {
        let at = self.by_id.remove(id)?;
        self.free.push(at);
        let place = self.places.get_mut(usize::try_from(at).ok()?)?;
        place.take().map(|(_, kept)| kept)
    }

    /// Forgets those of which `is_kept` is not true.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&SocketId, &Remembered) -> bool) {
        for (at, place) in (0..).zip(&mut self.places) {
            if let Some((id, kept)) = place
                && !is_kept(id, kept)
            {
                self.by_id.remove(id);
                self.free.push(at);
                *place = None;
            }
        }
        if self.free.len() > PLACES_KEPT.max(self.places.len() / 2) {
            self.close_up();
        }
    }

    /// Gives back the places that are free.
    fn close_up(&mut self) {
        self.free = Vec::new();
        self.places.retain(Option::is_some);
        self.places.shrink_to_fit();
        self.by_id.clear();
        let ids = self.places.iter().flatten().map(|(id, _)| *id);
        self.by_id.extend(ids.zip(0..));
        self.by_id.shrink_to_fit();
    }
}

//! Values by socket, stored in the order in which tables list the sockets.
//!
//! Tables list mostly the same sockets in mostly the same order. A value stored in that order is
//! found next to the one before it, already in the CPU's cache; a lookup by hash alone would miss it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::SocketId;

/// Fewer free slots than this are not worth compacting.
const MAX_FREE_SLOTS: usize = 1024;

/// Slots that are added at once, at least.
const MIN_GROWTH: usize = 64;

/// Values by socket.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Option<(SocketId, T)>>,
    by_id: HashMap<SocketId, u32, RandomState>,
    free: Vec<u32>,
    /// The slot that the next lookup in table order tries first.
    next: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), by_id: HashMap::default(), free: Vec::new(), next: 0 }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is a value of this socket.
    pub(super) fn contains(&self, id: &SocketId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The value of this socket.
    pub(super) fn get(&self, id: &SocketId) -> Option<&T> {
        let at = usize::try_from(*self.by_id.get(id)?).ok()?;
        self.slots.get(at)?.as_ref().map(|(_, value)| value)
    }

    /// The value of this socket.
    pub(super) fn get_mut(&mut self, id: &SocketId) -> Option<&mut T> {
        let at = usize::try_from(*self.by_id.get(id)?).ok()?;
        self.slots.get_mut(at)?.as_mut().map(|(_, value)| value)
    }

    /// Starts lookups in table order.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    /// As [`Slab::get_mut`], for lookups in table order.
    pub(super) fn next_mut(&mut self, id: &SocketId) -> Option<&mut T> {
        let is_next = matches!(self.slots.get(self.next), Some(Some((there, _))) if there == id);
        if !is_next {
            self.next = usize::try_from(*self.by_id.get(id)?).ok()?;
        }
        let at = self.next;
        self.next += 1;
        self.slots.get_mut(at)?.as_mut().map(|(_, value)| value)
    }

    /// Adds the value of a socket that has none.
    pub(super) fn insert(&mut self, id: SocketId, value: T) {
        let new = Some((id, value));
        let last = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let at = self.free.pop().unwrap_or(last);
        match usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) {
            Some(slot) => *slot = new,
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // A vector by itself would double: half of it unused is more than all else in a snapshot.
                    self.slots.reserve_exact(MIN_GROWTH.max(self.slots.len() / 8));
                }
                self.slots.push(new);
            }
        }
        self.by_id.insert(id, at);
    }

    /// Removes the value of this socket.
    pub(super) fn remove(&mut self, id: &SocketId) -> Option<T> {
        let at = self.by_id.remove(id)?;
        self.free.push(at);
        let slot = self.slots.get_mut(usize::try_from(at).ok()?)?;
        slot.take().map(|(_, value)| value)
    }

    /// Removes the values for which `is_kept` is false.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&SocketId, &T) -> bool) {
        for (at, slot) in (0..).zip(&mut self.slots) {
            if let Some((id, value)) = slot
                && !is_kept(id, value)
            {
                self.by_id.remove(id);
                self.free.push(at);
                *slot = None;
            }
        }
        if self.free.len() > MAX_FREE_SLOTS.max(self.slots.len() / 2) {
            self.compact();
        }
    }

    /// Removes the free slots.
    fn compact(&mut self) {
        self.free = Vec::new();
        self.slots.retain(Option::is_some);
        self.slots.shrink_to_fit();
        self.by_id.clear();
        let ids = self.slots.iter().flatten().map(|(id, _)| *id);
        self.by_id.extend(ids.zip(0..));
        self.by_id.shrink_to_fit();
    }
}

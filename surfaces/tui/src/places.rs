//! Where the connections of one snapshot are in the next one.

use std::collections::HashMap;

use conns_core::model::{Connection, ConnectionId};
use foldhash::fast::RandomState;

/// How many new connections in a row are skipped in search of the next one of before.
const LOOKAHEAD: usize = 32;
/// A connection that is not there any more.
const REMOVED: u32 = u32::MAX;

/// The places in a snapshot of those of the one before. Most connections follow each other in both, so both are read
/// from the first to the last; only the rest are searched for.
pub(crate) struct Places {
    now: Vec<u32>,
    /// Those that were not in the one before.
    pub(crate) new: HashMap<ConnectionId, u32, RandomState>,
}

impl Places {
    /// The places in `all` of what was in `before`.
    pub(crate) fn of(before: &[Connection], all: &[Connection]) -> Self {
        let mut places = Self { now: vec![REMOVED; before.len()], new: HashMap::default() };
        let mut is_found = vec![false; all.len()];
        let mut next = 0;
        for (one, now) in before.iter().zip(&mut places.now) {
            let ahead = all.get(next..).unwrap_or_default().iter().take(LOOKAHEAD);
            let id = one.id();
            if let Some(skipped) = ahead.map(Connection::id).position(|other| other == id) {
                let at = next + skipped;
                *now = u32::try_from(at).unwrap_or(REMOVED);
                is_found.get_mut(at).into_iter().for_each(|is_found| *is_found = true);
                next = at + 1;
            }
        }
        let rest = all.iter().zip(0..).zip(&is_found).filter(|(_, is_found)| !**is_found);
        places.new = rest.map(|((one, at), _)| (one.id(), at)).collect();
        if !places.new.is_empty() {
            let missing = before.iter().zip(&mut places.now).filter(|(_, now)| **now == REMOVED);
            for (one, now) in missing {
                *now = places.new.remove(&one.id()).unwrap_or(REMOVED);
            }
        }
        places
    }

    /// Where the one is now that was at this place.
    pub(crate) fn now(&self, before: u32) -> Option<u32> {
        let now = self.now.get(usize::try_from(before).ok()?).copied()?;
        (now != REMOVED).then_some(now)
    }
}

/// A mark for each of these places.
pub(crate) fn marked(places: &[u32], count: usize) -> Vec<bool> {
    let mut marks = vec![false; count];
    places.iter().for_each(|at| mark(&mut marks, *at));
    marks
}

/// Marks a place.
pub(crate) fn mark(marks: &mut [bool], at: u32) {
    if let Some(mark) = usize::try_from(at).ok().and_then(|at| marks.get_mut(at)) {
        *mark = true;
    }
}

/// Whether a place is marked.
pub(crate) fn is_marked(marks: &[bool], at: u32) -> bool {
    usize::try_from(at).ok().and_then(|at| marks.get(at)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use conns_fixtures::{connection, established, with_cookie};

    use super::*;

    fn with(cookies: &[u64]) -> Vec<Connection> {
        let one = |cookie: &u64| {
            connection(with_cookie(*cookie, established("10.0.0.1:1", "10.0.0.2:2")))
        };
        cookies.iter().map(one).collect()
    }

    #[test]
    fn connections_are_found_wherever_they_went() {
        let many: Vec<u64> = (100..200).collect();
        for (before, now) in [
            (vec![1, 2, 3, 4], vec![1, 3, 4, 5]),
            (vec![1, 2, 3], vec![3, 1, 9]),
            (vec![], vec![1]),
            (vec![1], vec![]),
            // More new ones than are skipped.
            (vec![1, 2, 3], [&[1], many.as_slice(), &[2, 3]].concat()),
            ([&[7], many.as_slice(), &[8]].concat(), vec![8, 7]),
        ] {
            let (old, all) = (with(&before), with(&now));
            let places = Places::of(&old, &all);
            for (cookie, at) in before.iter().zip(0..) {
                let expected = now.iter().position(|other| other == cookie);
                assert_eq!(places.now(at).map(|at| at as usize), expected, "{before:?} {now:?}");
            }
            let new = now.iter().filter(|cookie| !before.contains(cookie)).count();
            assert_eq!(places.new.len(), new, "{before:?} {now:?}");
        }
    }
}

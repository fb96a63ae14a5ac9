//! Figures of connections over time, for charts: the last points of those that were on the screen.

use std::collections::{HashMap, VecDeque};

use conns_core::model::{Connection, ConnectionId};
use conns_core::query::{Field, find_field};
use conns_print::CHARTED;
use foldhash::fast::RandomState;

/// Most connections with points: those on the screen, and those that were.
pub(crate) const MAX_WATCHED: usize = 128;
/// Most points of each: five minutes at one a second.
pub(crate) const MAX_POINTS: usize = 300;

/// One figure for each charted field; `NaN` where it is not known.
type Point = [f32; CHARTED.len()];

#[derive(Debug, Default)]
struct Ring {
    points: VecDeque<Point>,
    /// When it was on the screen last, in updates.
    seen: u64,
}

/// The points of all connections that are watched.
#[derive(Debug, Default)]
pub(crate) struct History {
    rings: HashMap<ConnectionId, Ring, RandomState>,
    updates: u64,
}

/// The fields that are charted.
pub(crate) fn charted() -> impl Iterator<Item = &'static Field> {
    CHARTED.iter().filter_map(|name| find_field(name))
}

impl History {
    /// Watches a connection from now on; the one that was longest off the screen makes room.
    pub(crate) fn watch(&mut self, id: ConnectionId) {
        if !self.rings.contains_key(&id) && self.rings.len() >= MAX_WATCHED {
            let oldest = self.rings.iter().min_by_key(|(_, ring)| ring.seen).map(|(id, _)| *id);
            oldest.map(|id| self.rings.remove(&id));
        }
        self.rings.entry(id).or_default().seen = self.updates;
    }

    /// Adds a point of every watched connection.
    pub(crate) fn add(&mut self, connections: &[Connection]) {
        self.updates += 1;
        if self.rings.is_empty() {
            return;
        }
        // A field is found by a search for its name.
        let fields: Vec<&Field> = charted().collect();
        for connection in connections {
            let Some(ring) = self.rings.get_mut(&connection.id()) else { continue };
            let mut point = [f32::NAN; CHARTED.len()];
            for (place, field) in point.iter_mut().zip(&fields) {
                #[allow(clippy::cast_possible_truncation, reason = "a chart has fewer digits")]
                if let Some(number) = field.value(connection).number() {
                    *place = number as f32;
                }
            }
            if ring.points.len() == MAX_POINTS {
                ring.points.pop_front();
            }
            ring.points.push_back(point);
        }
    }

    /// The points of one figure without the last `omitted`, oldest first.
    pub(crate) fn points(
        &self,
        id: ConnectionId,
        figure: usize,
        omitted: usize,
    ) -> impl Iterator<Item = Option<f32>> + '_ {
        let points = self.rings.get(&id).map(|ring| &ring.points);
        let count = points.map_or(0, |points| points.len().saturating_sub(omitted));
        let point = move |point: &Point| point.get(figure).copied().filter(|n| !n.is_nan());
        points.into_iter().flatten().take(count).map(point)
    }
}

#[cfg(test)]
mod tests {
    use conns_fixtures::{connection, established, with_cookie};

    use super::*;

    #[test]
    fn points_and_connections_are_bounded() {
        let mut history = History::default();
        let made: Vec<Connection> = (1..=200)
            .map(|cookie| connection(with_cookie(cookie, established("10.0.0.1:1", "10.0.0.2:2"))))
            .collect();
        for one in &made {
            history.add(&[]);
            history.watch(one.id());
        }
        assert_eq!(history.rings.len(), MAX_WATCHED);
        assert!(!history.rings.contains_key(&made[0].id()), "the oldest has left");
        let last = made[199].id();
        for _ in 0..MAX_POINTS + 5 {
            history.add(&made);
        }
        assert_eq!(history.points(last, 0, 0).count(), MAX_POINTS);
        assert_eq!(history.points(last, 0, 10).count(), MAX_POINTS - 10);
        assert!(history.points(last, 0, 0).all(|point| point.is_none()), "rates are not known");
    }
}

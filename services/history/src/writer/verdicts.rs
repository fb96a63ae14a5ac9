//! Since when each connection has its verdict.

use std::collections::HashMap;

use conns_core::model::{Class, Connection, ConnectionId, Snapshot, Verdict};
use foldhash::fast::RandomState;

use crate::cell::Cell;

/// The verdicts that hold.
#[derive(Default)]
pub(super) struct Verdicts(HashMap<ConnectionId, Held, RandomState>);

/// A verdict that holds.
struct Held {
    class: Class,
    confidence_percent: u8,
    since_us: i64,
    /// The last one, where it names a problem.
    verdict: Option<Box<Verdict>>,
    seen: u64,
}

/// A verdict that does not hold any more.
pub(super) struct Ended {
    class: Class,
    confidence_percent: u8,
    from_us: i64,
    to_us: i64,
    evidence: Option<String>,
}

/// Whether the numbers behind a verdict are worth their space.
pub(super) fn names_a_problem(class: Class) -> bool {
    !matches!(class, Class::Healthy | Class::Idle | Class::AppLimited | Class::Unknown)
}

/// A verdict with its evidence, as JSON.
pub(super) fn evidence(verdict: &Verdict) -> String {
    // Its fields are numbers and words.
    serde_json::to_string(verdict).unwrap_or_default()
}

impl Verdicts {
    /// Notes the verdict of a connection in the snapshot `sequence`. If it had another, returns that one.
    pub(super) fn see(
        &mut self,
        connection: &Connection,
        at_us: i64,
        sequence: u64,
    ) -> Option<Ended> {
        let verdict = connection.verdict;
        let problem = names_a_problem(verdict.class).then(|| Box::new(verdict));
        let held = self.0.entry(connection.id()).or_insert_with(|| Held {
            class: verdict.class,
            confidence_percent: 0,
            since_us: at_us,
            verdict: None,
            seen: sequence,
        });
        let ended = (held.class != verdict.class).then(|| held.ended(at_us));
        if ended.is_some() {
            (held.class, held.since_us) = (verdict.class, at_us);
        }
        held.confidence_percent = verdict.confidence_percent;
        held.verdict = problem;
        held.seen = sequence;
        // Before there is evidence, there is no verdict.
        ended.filter(|ended| ended.class != Class::Unknown)
    }

    /// Since when a connection has its verdict.
    pub(super) fn since_us(&self, connection: &Connection) -> Option<i64> {
        self.0.get(&connection.id()).map(|held| held.since_us)
    }

    /// Forgets a connection, and returns the verdict that it had.
    pub(super) fn end(&mut self, connection: &Connection, at_us: i64) -> Option<Ended> {
        let held = self.0.remove(&connection.id())?;
        Some(held.ended(at_us)).filter(|ended| ended.class != Class::Unknown)
    }

    /// Forgets connections that are in no snapshot any more, and had no event.
    pub(super) fn forget_unseen(&mut self, snapshot: &Snapshot) {
        self.0.retain(|_, held| held.seen == snapshot.sequence);
    }
}

impl Held {
    fn ended(&self, at_us: i64) -> Ended {
        Ended {
            class: self.class,
            confidence_percent: self.confidence_percent,
            from_us: self.since_us,
            to_us: at_us,
            evidence: self.verdict.as_deref().map(evidence),
        }
    }
}

impl Ended {
    /// The end of a verdict that was kept.
    pub(super) fn of(verdict: &Verdict, from_us: i64, to_us: i64) -> Self {
        Self {
            class: verdict.class,
            confidence_percent: verdict.confidence_percent,
            from_us,
            to_us,
            evidence: names_a_problem(verdict.class).then(|| evidence(verdict)),
        }
    }

    /// The columns of `verdicts` that are no fields.
    pub(super) fn cells(&self) -> [(&'static str, Cell<'_>); 5] {
        [
            ("from_us", Cell::Integer(self.from_us)),
            ("to_us", Cell::Integer(self.to_us)),
            ("verdict", Cell::text(self.class.name())),
            ("confidence_percent", Cell::Real(self.confidence_percent.into())),
            ("evidence", Cell::of(self.evidence.as_deref(), Cell::text)),
        ]
    }
}

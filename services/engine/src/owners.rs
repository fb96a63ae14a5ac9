//! Who holds the sockets, remembered between looks.
//!
//! The one idea: walking every descriptor of the machine costs more than everything else, and
//! holders seldom change; so it is done when a socket turns up that nobody was asked about, and
//! else once in a while, to notice descriptors that were passed on or inherited.

use std::time::Duration;

use conns_contract::WantedInodes;
use conns_core::model::{Facts, Moment, Observation};

use crate::inodes::Inodes;

/// A walk is repeated after this time even if no socket is new: so long a change of holders alone
/// may go unnoticed.
pub(crate) const RECONCILED_EVERY: Duration = Duration::from_secs(30);

/// The last walk.
pub(crate) struct Owners {
    walked: Option<Walk>,
}

struct Walk {
    at: Moment,
    asked: Inodes,
    said: Observation,
}

impl Owners {
    pub(crate) fn unknown() -> Self {
        Self { walked: None }
    }

    /// What the last walk said, if it still answers for all of `sockets` at `now`.
    pub(crate) fn still_good(&self, sockets: &Observation, now: Moment) -> Option<Observation> {
        let walk = self.walked.as_ref()?;
        let is_young = now.since(walk.at) < RECONCILED_EVERY;
        let knows = |inode| walk.asked.wants(inode);
        let knows_all = sockets.facts.iter().all(|facts| match facts {
            Facts::Sockets(rows) => rows.iter().filter_map(|row| row.inode.get()).all(knows),
            Facts::Holdings(_) | Facts::Happenings(_) => true,
        });
        (is_young && knows_all).then(|| walk.said.clone())
    }

    /// Remembers a walk.
    pub(crate) fn remember(&mut self, asked: Inodes, said: &Observation) {
        self.walked = Some(Walk { at: said.at, asked, said: said.clone() });
    }
}

//! One reading of the sources: sockets, their owners, and the namespaces that only descriptors lead to.

use std::collections::HashSet;

use conns_contract::{Clock, Namespaces, Scope, SourceError};
use conns_core::model::Observation;

use crate::choice;
use crate::owners::CachedOwners;
use crate::peers::Peers;
use crate::sources::Sources;

/// Reads the sockets of `scope`, and then their owners, so that every socket that is still there
/// finds its owner. Descriptors of sockets in no table lead to namespaces that no process is in; these are
/// read as well.
pub(crate) fn read(
    sources: &mut Sources,
    owners: &mut CachedOwners,
    scope: &Scope,
    clock: &dyn Clock,
    peers: &Peers,
) -> Result<Vec<Observation>, SourceError> {
    let mut observations = sources.sockets(scope, clock.now())?;
    let mut found = owners.read(sources, &observations, clock.now());
    let unlisted = found.as_ref().map_or(&[][..], |found| &found.unlisted);
    if scope.namespaces == Namespaces::All && !unlisted.is_empty() {
        let known: HashSet<u64> =
            observations.iter().flat_map(Observation::rows).map(|row| row.id.netns).collect();
        let hidden = choice::hidden_namespaces(unlisted, |inode| known.contains(&inode));
        let paths = hidden.paths();
        if !paths.is_empty() {
            let there = Scope { namespaces: Namespaces::These(paths), ..scope.clone() };
            observations.extend(sources.sockets(&there, clock.now())?);
            owners.clear();
            found = owners.read(sources, &observations, clock.now());
        } else {
            owners.forget_unlisted();
        }
    }
    // After the owners, who know only sockets.
    peers.add_rows(&mut observations);
    observations.extend(found);
    Ok(observations)
}

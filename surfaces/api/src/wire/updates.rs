//! The agent's end of updates: an update and a query make an answer.

use conns_core::model::{
    ClosedConnection, Connection, ConnectionId, Loss, LossCause, Source, Update,
};

use super::error::unencodable;
use super::query::UpdateQuery;
use super::resume::ResumeId;
use super::selector::Selector;
use super::{MAX_CONNECTIONS, MAX_LOSSES, MAX_OWNERS, v1};
use crate::agent::AgentError;

/// The answer to `query`, taken from `update`; `last_serial` is the latest event.
///
/// # Errors
/// [`AgentError::NotThere`] if the query names a namespace in which the agent sees no socket, and
/// [`AgentError::Unavailable`] if something in the update cannot be encoded.
pub fn encode_update(
    update: &Update,
    last_serial: u64,
    query: &UpdateQuery,
) -> Result<Vec<u8>, AgentError> {
    encode_update_with(update, last_serial, query, |_| false)
}

/// As [`encode_update`]; where the answer is what changed, also with the connections that `is_refreshed`.
pub(crate) fn encode_update_with(
    update: &Update,
    last_serial: u64,
    query: &UpdateQuery,
    is_refreshed: impl Fn(&Connection) -> bool,
) -> Result<Vec<u8>, AgentError> {
    let selector = Selector::new(&query.ask, || update.snapshot.connections.iter())?;
    let since = query.after.filter(|id| !id.is_of_other_instance(update));
    let changes = since.and_then(|id| Some((id.sequence, update.changes_since(id.sequence)?)));
    let mut removed: Vec<ConnectionId> = Vec::new();
    let mut closed: Vec<&ClosedConnection> = Vec::new();
    let (since, mut connections): (_, Vec<&Connection>) = match changes {
        None => {
            let all = &update.snapshot.connections;
            (None, all.iter().filter(|connection| selector.contains(connection)).collect())
        }
        Some((sequence, changes)) => {
            closed.extend(changes.closed);
            let updated = changes.updated.into_iter().filter(|connection| {
                let is_selected = selector.contains(connection);
                if !is_selected {
                    // It may have been selected before it changed.
                    removed.push(connection.id());
                }
                is_selected
            });
            let mut changed: Vec<_> = updated.collect();
            changed.extend(changes.opened.into_iter().filter(|opened| selector.contains(opened)));
            let unchanged = update.snapshot.connections.iter().filter(|connection| {
                let is_unchanged = connection.stats.changed_sequence <= sequence;
                is_unchanged && is_refreshed(connection) && selector.contains(connection)
            });
            changed.extend(unchanged);
            // The reader has the last state of what it was not sent as closed.
            closed.retain(|closed| {
                let is_selected = selector.contains(&closed.connection);
                if !is_selected {
                    removed.push(closed.connection.id());
                }
                is_selected
            });
            (Some(sequence), changed)
        }
    };
    let mut losses = losses(update);
    truncate(&mut connections, &mut losses);
    v1::encode_update(&v1::UpdateParts {
        update,
        id: ResumeId::new(update, last_serial),
        since,
        connections: &connections,
        closed: &closed,
        removed: &removed,
        losses: &losses,
    })
    .map_err(unencodable)
}

/// What is missing from the snapshot, and that there is no newer one if its sources fail.
fn losses(update: &Update) -> Vec<Loss> {
    let mut losses: Vec<Loss> =
        update.snapshot.losses.iter().take(MAX_LOSSES - 2).cloned().collect();
    if let Some(reason) = &update.health.failing {
        losses.push(Loss::one(Source::Derived, LossCause::AgentFailing { error: reason.clone() }));
    }
    losses
}

/// Removes what is beyond the bounds of an answer, and adds a loss that counts it.
fn truncate(connections: &mut Vec<&Connection>, losses: &mut Vec<Loss>) {
    let mut owners = 0;
    let fits = connections.iter().take_while(|connection| {
        owners += connection.listed_owners().len();
        owners <= MAX_OWNERS
    });
    let fit = fits.count().min(MAX_CONNECTIONS);
    if let Some(refused) = connections.len().checked_sub(fit).filter(|refused| *refused > 0) {
        connections.truncate(fit);
        let cause = LossCause::AnswerTruncated {
            connections: MAX_CONNECTIONS as u64,
            descriptors: MAX_OWNERS as u64,
        };
        losses.extend(Loss::counted(Source::Derived, cause, refused as u64));
    }
}

//! The agent's end: a beat and a question make an answer.

use conns_core::model::{Connection, Loss, LossCause, SocketId, Source, Update};

use super::out::{CONNECTION_BYTES, Out};
use super::wanted::Wanted;
use super::{CONNECTIONS_MAX, HOLDS_MAX, Head, LOSSES_MAX, Question, watched};
use crate::agent::AgentError;

/// The answer to `question`, taken from `update`.
///
/// # Errors
/// [`AgentError::NotThere`] if it names a namespace in which the agent sees no socket, and
/// [`AgentError::Unavailable`] if something in the beat cannot be encoded.
pub fn tell(update: &Update, question: &Question) -> Result<Vec<u8>, AgentError> {
    let wanted = Wanted::new(&question.ask, || update.snapshot.connections.iter())?;
    let mark = question.after.filter(|mark| mark.instance == update.instance);
    let changes = mark.and_then(|mark| Some((mark.sequence, update.changes_since(mark.sequence)?)));
    let mut gone: Vec<SocketId> = Vec::new();
    let (since, mut connections): (_, Vec<&Connection>) = match changes {
        None => {
            let all = &update.snapshot.connections;
            (None, all.iter().filter(|connection| wanted.contains(connection)).collect())
        }
        Some((sequence, changes)) => {
            gone.extend(changes.closed.iter().map(|closed| closed.connection.socket.id));
            let updated = changes.updated.into_iter().filter(|connection| {
                let is_wanted = wanted.contains(connection);
                if !is_wanted {
                    // It may have been wanted before it changed.
                    gone.push(connection.socket.id);
                }
                is_wanted
            });
            let mut told: Vec<_> = updated.collect();
            told.extend(changes.opened.into_iter().filter(|opened| wanted.contains(opened)));
            (Some(sequence), told)
        }
    };
    let mut losses = losses(update);
    cut(&mut connections, &mut losses);
    let head = Head {
        instance: update.instance,
        sequence: update.snapshot.sequence,
        since,
        at: update.snapshot.at,
        watched_us: u64::try_from(watched(update).as_micros()).unwrap_or(u64::MAX),
    };
    let mut out = Out::with_room(4096 + connections.len() * CONNECTION_BYTES);
    out.update(&head, &connections, &gone, &losses).map_err(unencodable)?;
    Ok(out.bytes())
}

/// Why there is no answer, in the end.
pub(super) fn unencodable(error: postcard::Error) -> AgentError {
    AgentError::Unavailable(format!("cannot encode the answer: {error}"))
}

/// What is missing from the snapshot, and that there is no newer one if its sources fail.
fn losses(update: &Update) -> Vec<Loss> {
    let mut losses: Vec<Loss> =
        update.snapshot.losses.iter().take(LOSSES_MAX - 2).cloned().collect();
    if let Some(reason) = &update.health.failing {
        losses.push(Loss::one(Source::Derived, LossCause::AgentFailing { error: reason.clone() }));
    }
    losses
}

/// Leaves out what is beyond the bounds of an answer, and says so.
fn cut(connections: &mut Vec<&Connection>, losses: &mut Vec<Loss>) {
    let mut holds = 0;
    let holds_fit = connections.iter().take_while(|connection| {
        holds += connection.owners.value().map_or(0, |held| held.len());
        holds <= HOLDS_MAX
    });
    let fit = holds_fit.count().min(CONNECTIONS_MAX);
    if let Some(refused) = connections.len().checked_sub(fit).filter(|refused| *refused > 0) {
        connections.truncate(fit);
        let cause = LossCause::AnswerTruncated {
            connections: CONNECTIONS_MAX as u64,
            descriptors: HOLDS_MAX as u64,
        };
        losses.extend(Loss::counted(Source::Derived, cause, refused as u64));
    }
}

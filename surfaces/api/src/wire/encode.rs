//! The agent's end: a beat and a question make an answer.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{
    Beat, Connection, Loss, LossKind, Netns, Process, Socket, SocketId, Source,
};
use serde::Serialize;

use super::wanted::Wanted;
use super::{
    Bare, CONNECTIONS_MAX, FORMAT, HOLDS_MAX, Head, Hold, Holds, LOSSES_MAX, Question, holders_of,
    watched,
};
use crate::face::FaceError;

/// About so many bytes a connection takes: `tcp_info` is 280 of them.
const CONNECTION_BYTES: usize = 480;

/// The answer to `question`, taken from `beat`.
///
/// # Errors
/// [`FaceError::NotThere`] if it names a namespace in which the agent sees no socket, and
/// [`FaceError::Unavailable`] if something in the beat cannot be encoded.
pub fn tell(beat: &Beat, question: &Question) -> Result<Vec<u8>, FaceError> {
    let wanted = Wanted::new(&question.ask, &beat.snapshot)?;
    let mark = question.after.filter(|mark| mark.instance == beat.instance);
    let changes = mark.and_then(|mark| Some((mark.sequence, beat.changes_since(mark.sequence)?)));
    let mut gone: Vec<SocketId> = Vec::new();
    let (since, mut connections): (_, Vec<&Connection>) = match changes {
        None => {
            let all = &beat.snapshot.connections;
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
    let mut losses = losses(beat);
    cut(&mut connections, &mut losses);
    let head = Head {
        instance: beat.instance,
        sequence: beat.snapshot.sequence,
        since,
        at: beat.snapshot.at,
        watched_us: u64::try_from(watched(beat).as_micros()).unwrap_or(u64::MAX),
    };
    let room = 4096 + connections.len() * CONNECTION_BYTES;
    let mut out = Out(Vec::with_capacity(room));
    out.write(&head, &connections, &gone, &losses)
        .map_err(|error| FaceError::Unavailable(format!("cannot encode the answer: {error}")))?;
    Ok(out.0)
}

/// What is missing from the snapshot, and that there is no newer one if its sources fail.
fn losses(beat: &Beat) -> Vec<Loss> {
    let mut losses: Vec<Loss> = beat.snapshot.losses.iter().take(LOSSES_MAX - 2).cloned().collect();
    if let Some(reason) = &beat.health.failing {
        losses.push(Loss {
            source: Source::Derived,
            kind: LossKind::TableUnreadable,
            count: 1,
            sentence: format!(
                "the agent cannot look any more: {reason}. Shown is what it saw last; its /health \
                 says more"
            )
            .into(),
        });
    }
    losses
}

/// Leaves out what is beyond the bounds of an answer, and says so.
fn cut(connections: &mut Vec<&Connection>, losses: &mut Vec<Loss>) {
    let mut holds = 0;
    let holds_fit = connections.iter().take_while(|connection| {
        holds += connection.holders.value().map_or(0, |held| held.len());
        holds <= HOLDS_MAX
    });
    let fit = holds_fit.count().min(CONNECTIONS_MAX);
    if let Some(refused) = connections.len().checked_sub(fit).filter(|refused| *refused > 0) {
        connections.truncate(fit);
        losses.push(Loss {
            source: Source::Derived,
            kind: LossKind::BoundReached,
            count: refused as u64,
            sentence: format!(
                "{refused} connections beyond the bounds of one answer ({CONNECTIONS_MAX} \
                 connections, {HOLDS_MAX} descriptors) are left out; ask for fewer"
            )
            .into(),
        });
    }
}

/// What is written of the answer so far.
struct Out(Vec<u8>);

impl Out {
    fn write(
        &mut self,
        head: &Head,
        connections: &[&Connection],
        gone: &[SocketId],
        losses: &[Loss],
    ) -> postcard::Result<()> {
        let tables = Tables::of(connections);
        self.item(&FORMAT)?;
        self.item(&cfg!(target_endian = "little"))?;
        self.item(head)?;
        self.list(&tables.namespaces)?;
        self.list(&tables.processes)?;
        self.item(&connections.len())?;
        let nowhere = Arc::new(Netns::only());
        for connection in connections {
            let namespace = tables.places.get(&address(&connection.socket.netns)).copied();
            self.item(&namespace.unwrap_or(0))?;
            let holds: Holds = connection.holders.as_ref().map(|held| held.len());
            self.item(&holds)?;
            for holder in holders_of(connection) {
                let process = tables.places.get(&address(&holder.process)).copied();
                let hold: Hold = (process.unwrap_or(0), holder.descriptor);
                self.item(&hold)?;
            }
            self.item(&bare(connection, &nowhere))?;
        }
        self.list(gone)?;
        self.list(losses)
    }

    fn list(&mut self, items: &[impl Serialize]) -> postcard::Result<()> {
        self.item(&items.len())?;
        items.iter().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &impl Serialize) -> postcard::Result<()> {
        self.0 = postcard::to_extend(item, std::mem::take(&mut self.0))?;
        Ok(())
    }
}

/// What is told once.
#[derive(Default)]
struct Tables<'a> {
    namespaces: Vec<&'a Netns>,
    processes: Vec<&'a Process>,
    /// Where a namespace or process is in its table, by its own address.
    places: HashMap<usize, u32>,
}

impl<'a> Tables<'a> {
    fn of(connections: &[&'a Connection]) -> Self {
        let mut tables = Self::default();
        for connection in connections {
            let netns = &connection.socket.netns;
            tables.places.entry(address(netns)).or_insert_with(|| {
                tables.namespaces.push(netns);
                place(tables.namespaces.len())
            });
            for holder in holders_of(connection) {
                tables.places.entry(address(&holder.process)).or_insert_with(|| {
                    tables.processes.push(&holder.process);
                    place(tables.processes.len())
                });
            }
        }
        tables
    }
}

/// The place of the last of `length` items.
fn place(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).saturating_sub(1)
}

fn address<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// A connection without what is told in the tables.
fn bare(connection: &Connection, nowhere: &Arc<Netns>) -> Bare<Socket> {
    let Connection { socket, holders: _, direction, opening, ending, life, verdict } = connection;
    let socket = Socket { netns: Arc::clone(nowhere), ..(**socket).clone() };
    (socket, *direction, opening.clone(), *ending, *life, *verdict)
}

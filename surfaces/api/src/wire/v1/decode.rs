//! Bytes, which may be anything, become an answer or an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conns_core::model;
use conns_core::model::{
    ClosedConnection, Event, Known, Loss, LossCause, Netns, Owner, Process, Rates, Source, Unknown,
};

use super::super::delta::UpdateDelta;
use super::super::error::WireError;
use super::super::events_answer::EventsAnswer;
use super::super::resume::ResumeId;
use super::super::{
    MAX_CONNECTIONS, MAX_EVENTS_PER_ANSWER, MAX_LOSSES, MAX_NAMESPACES, MAX_OWNERS, MAX_PROCESSES,
};
use super::basic::UnknownCode;
use super::connection::{Connection, ConnectionId, Resolved};
use super::encode::{Closed, EventRecord, EventsHead, UpdateHead};
use super::frame::{Place, Reader};
use super::health::Ability;
use super::transfer::{OpenFile, Transfer, has_plain_numbers as has_plain_rates};
use super::{loss, process};

/// Most names of congestion controls, upper layers and protocols that are shared; Linux has about
/// twenty.
const MAX_NAMES: usize = 1024;

/// Most abilities of an answer; an agent has about ten.
const MAX_ABILITIES: usize = 256;

/// Decodes answers. Processes, namespaces and names are shared between connections, and kept from
/// one answer to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    /// By pid, and by whether it is known from an event alone: an event and a sample know different
    /// fields of it.
    processes: HashMap<(u32, bool), Arc<Process>>,
    namespaces: HashMap<u64, Arc<Netns>>,
    names: HashSet<Arc<str>>,
}

impl Decoder {
    /// Decodes an update.
    ///
    /// # Errors
    /// [`WireError`] if `bytes` are none, or of a version that is not supported.
    pub fn decode_update(&mut self, bytes: &[u8]) -> Result<UpdateDelta, WireError> {
        let (head, mut reader): (UpdateHead<'_>, _) = Reader::open(bytes)?;
        if head.since.is_none() {
            // What is not in the whole state is not needed any more.
            *self = Self::default();
        }
        let tables = self.tables(&mut reader)?;
        let mut budget = Budget::default();
        let connections = reader.list("connections", MAX_CONNECTIONS, |place, shape| {
            self.connection(place, shape, &tables, &mut budget)
        })?;
        let closed = reader.list("closed connections", MAX_CONNECTIONS, |place, shape| {
            let Closed { sequence, at, connection } = shape;
            let connection = self.connection(place, connection, &tables, &mut budget)?;
            Ok(connection.map(|connection| {
                Arc::new(ClosedConnection { sequence, at: at.into(), connection })
            }))
        })?;
        let removed =
            reader.list("ids", MAX_CONNECTIONS, |_, id: ConnectionId| Ok(id.try_into()))?;
        let mut losses = losses(&mut reader, "losses")?;
        let transfers =
            reader.list("transfers", MAX_CONNECTIONS, |place, shape: Transfer<'_>| match shape
                .try_into()
            {
                Ok(transfer) if !has_plain_rates(&transfer) => {
                    Err(place.malformed("a rate is no number"))
                }
                transfer => Ok(transfer),
            })?;
        let files = reader.list("files", MAX_CONNECTIONS, |place, shape: OpenFile<'_>| {
            let owner = shape.owner().map(|at| tables.process(place, at)).transpose()?;
            Ok(shape.into_model(owner, &mut |name: &str| self.share(name)))
        })?;
        let abilities = reader
            .list("abilities", MAX_ABILITIES, |_, shape: Ability<'_>| Ok(Ok(shape.into())))?;
        let health_losses = self::losses(&mut reader, "losses of the agent")?;
        losses.extend(skipped(&reader, false));
        reader.end()?;
        let UpdateHead { instance, sequence, serial, since, at, machine, health } = head;
        Ok(UpdateDelta {
            id: ResumeId { instance, sequence, serial },
            since,
            at: at.into(),
            machine: Arc::new(machine.into()),
            connections,
            closed,
            removed,
            losses,
            transfers: transfers.into(),
            files: files.into(),
            health: health.into_model(abilities, health_losses),
        })
    }

    /// Decodes an answer about events.
    ///
    /// # Errors
    /// As [`Decoder::decode_update`].
    pub fn decode_events(&mut self, bytes: &[u8]) -> Result<EventsAnswer, WireError> {
        let (head, mut reader): (EventsHead, _) = Reader::open(bytes)?;
        let tables = self.tables(&mut reader)?;
        let mut budget = Budget::default();
        let events = reader.list("events", MAX_EVENTS_PER_ANSWER, |place, shape| {
            let EventRecord { serial, at, kind, connection } = shape;
            let connection = self.connection(place, connection, &tables, &mut budget)?;
            let event = connection.and_then(|connection| {
                Ok(Event { serial, at: at.into(), kind: kind.try_into()?, connection })
            });
            Ok(event.map(Arc::new))
        })?;
        let mut losses = losses(&mut reader, "losses")?;
        let loss_totals = self::losses(&mut reader, "totals of losses")?;
        losses.extend(skipped(&reader, true));
        reader.end()?;
        let EventsHead { instance, sequence, serial, has_more } = head;
        let id = ResumeId { instance, sequence, serial };
        Ok(EventsAnswer { id, has_more, events, losses, loss_totals })
    }

    fn tables(&mut self, reader: &mut Reader<'_>) -> Result<Tables, WireError> {
        let namespaces = reader.list("namespaces", MAX_NAMESPACES, |_, shape| {
            let shape: process::Netns<'_> = shape;
            Ok(Ok(self.netns(shape.into())))
        })?;
        let processes = reader.list("processes", MAX_PROCESSES, |_, shape| {
            let shape: process::Process<'_> = shape;
            Ok(Ok(self.process(shape.into())))
        })?;
        Ok(Tables { namespaces, processes })
    }

    fn connection(
        &mut self,
        place: Place,
        shape: Connection<'_>,
        tables: &Tables,
        budget: &mut Budget,
    ) -> Result<Result<model::Connection, UnknownCode>, WireError> {
        let netns = tables.netns(place, shape.netns)?;
        let owners = match &shape.owners {
            super::basic::Known::Value(owners, source) => {
                budget.add_owners(owners.len())?;
                let owner = |owner: &super::connection::Owner| {
                    let process = tables.process(place, owner.process)?;
                    Ok(Owner { process, descriptor: owner.descriptor })
                };
                let owners: Arc<[Owner]> = owners.iter().map(owner).collect::<Result<_, _>>()?;
                Known::Value(owners, (*source).into())
            }
            super::basic::Known::Unknown(why) => Known::Unknown((*why).into()),
            super::basic::Known::NotApplicable => Known::NotApplicable,
        };
        let opener = shape.opener().map(|at| tables.process(place, at)).transpose()?;
        let resolved = Resolved { netns, owners, opener };
        let connection = shape.into_model(resolved, &mut |name: &str| self.share(name));
        match connection {
            Ok(connection) if !has_plain_numbers(&connection) => {
                Err(place.malformed("a rate is no number"))
            }
            Ok(connection) if connection.verdict.confidence_percent > 100 => {
                Err(place.malformed("a confidence is above 100 percent"))
            }
            connection => Ok(connection),
        }
    }

    fn process(&mut self, process: Process) -> Arc<Process> {
        let is_of_event = process.executable == Known::Unknown(Unknown::SourceDoesNotReport);
        let key = (process.pid, is_of_event);
        match self.processes.get(&key) {
            Some(known) if **known == process => Arc::clone(known),
            _ => {
                let shared = Arc::new(process);
                if self.processes.len() >= MAX_PROCESSES {
                    self.processes.clear();
                }
                self.processes.insert(key, Arc::clone(&shared));
                shared
            }
        }
    }

    fn netns(&mut self, netns: Netns) -> Arc<Netns> {
        match self.namespaces.get(&netns.inode) {
            Some(known) if **known == netns => Arc::clone(known),
            _ => {
                let shared = Arc::new(netns);
                if self.namespaces.len() >= MAX_NAMESPACES {
                    self.namespaces.clear();
                }
                self.namespaces.insert(shared.inode, Arc::clone(&shared));
                shared
            }
        }
    }

    fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.names.len() < MAX_NAMES {
            self.names.insert(Arc::clone(&name));
        }
        name
    }
}

fn losses(reader: &mut Reader<'_>, subject: &'static str) -> Result<Vec<Loss>, WireError> {
    reader.list(subject, MAX_LOSSES, |_, shape: loss::Loss<'_>| Ok(Ok(shape.into())))
}

/// The records that only a newer version can show.
fn skipped(reader: &Reader<'_>, are_events: bool) -> Option<Loss> {
    Loss::counted(Source::Derived, LossCause::RecordsUnknown { are_events }, reader.skipped)
}

/// The tables of an answer.
struct Tables {
    namespaces: Vec<Arc<Netns>>,
    processes: Vec<Arc<Process>>,
}

impl Tables {
    fn netns(&self, place: Place, at: u32) -> Result<Arc<Netns>, WireError> {
        entry(&self.namespaces, at).ok_or_else(|| place.malformed("no such namespace"))
    }

    fn process(&self, place: Place, at: u32) -> Result<Arc<Process>, WireError> {
        entry(&self.processes, at).ok_or_else(|| place.malformed("no such process"))
    }
}

fn entry<T>(table: &[Arc<T>], at: u32) -> Option<Arc<T>> {
    usize::try_from(at).ok().and_then(|at| table.get(at)).cloned()
}

/// The descriptors of an answer so far.
#[derive(Default)]
struct Budget {
    owners: usize,
}

impl Budget {
    fn add_owners(&mut self, more: usize) -> Result<(), WireError> {
        self.owners = self.owners.saturating_add(more);
        if self.owners > MAX_OWNERS {
            let (subject, count) = ("descriptors", self.owners);
            return Err(WireError::TooMany { subject, count, bound: MAX_OWNERS });
        }
        Ok(())
    }
}

/// Whether all rates are numbers from 0 up: sums, sorting and printing rely on it.
fn has_plain_numbers(connection: &model::Connection) -> bool {
    let stats = &connection.stats;
    let rates = [stats.rates, stats.slot_rates].into_iter().filter_map(|known| known.get());
    let peaks = &stats.peaks;
    let highest =
        Rates { out_bytes_per_s: peaks.out_bytes_per_s, in_bytes_per_s: peaks.in_bytes_per_s };
    rates
        .chain([highest])
        .flat_map(|rates| [rates.out_bytes_per_s, rates.in_bytes_per_s])
        .all(|rate| rate.is_finite() && rate >= 0.0)
}

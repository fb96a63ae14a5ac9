//! The agent of a time that has passed: it answers from the history, of this machine or of an agent elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{
    Agent, AgentError, Ask, EVENTS_REACH_US, EventBatch, Events, Pace, Start, Timeline, Updates,
    asked_for, is_problem, read_sql,
};
use conns_client::Remote;
use conns_core::model::{Ability, Loss, Source, Update};
use conns_history::{
    BoundedTables, Cell, KeptTables, PastError, QueryBounds, ReadRow, Session, Times, condition,
    events_before, events_in, timeline, update_at, verdicts_in,
};

use crate::agent;
use crate::failure::Failure;
use crate::flags::AgentFlags;
use crate::flags::past::KeptFlags;
use crate::follow::Stop;
use crate::kept::kept;
use crate::when;

/// The time from `from` to `to`, or to now.
pub(crate) fn times(from_us: i64, to_us: Option<i64>) -> Result<Times, Failure> {
    let to_us = match to_us {
        Some(to_us) => to_us,
        None => when::parse("now").map_err(Failure::Usage)?,
    };
    if from_us > to_us {
        let (from, to) = (when::shown(from_us), when::shown(to_us));
        return Err(Failure::Usage(format!("{from} is after {to}")));
    }
    Ok(Times { from_us, to_us })
}

/// What is asked of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What was open at a moment.
    At(i64),
    /// The verdicts of a time.
    Verdicts(Times),
    /// What ended in a time.
    Ended(Times),
}

/// An agent writes its history each second: an event is there after this time.
const WRITTEN_WITHIN: Duration = Duration::from_millis(1500);

/// Opens the agent of what ended in a time, and returns that time. Without `to_us` it is up to now, and is read once an agent has
/// written what ended until now.
pub(crate) fn open_ended(
    agent_flags: &AgentFlags,
    kept_flags: &KeptFlags,
    (from_us, to_us): (i64, Option<i64>),
    stop: &Stop,
) -> Result<(Box<dyn Agent>, Times), Failure> {
    let times = times(from_us, to_us)?;
    if to_us.is_none() {
        stop.sleep_until(Instant::now() + WRITTEN_WITHIN);
    }
    Ok((open(agent_flags, kept_flags, Asked::Ended(times))?, times))
}

/// Opens the agent of the past.
pub(crate) fn open(
    agent_flags: &AgentFlags,
    kept_flags: &KeptFlags,
    asked: Asked,
) -> Result<Box<dyn Agent>, Failure> {
    let from = match agent::remote(agent_flags, None)? {
        Some(remote) => {
            From::Elsewhere(Elsewhere { remote: Box::new(remote), damaged: Vec::new() })
        }
        None => From::Here(kept(kept_flags)?.map_err(Failure::NoAnswer)?),
    };
    Ok(Box::new(PastAgent { from, asked }))
}

/// Most events before a moment.
const MAX_BEFORE: usize = 5000;
/// How long the reading of a time line may take: as long as of an agent elsewhere.
const MAX_TIME: Duration = Duration::from_secs(2);

enum From {
    Here(Arc<Session>),
    Elsewhere(Elsewhere),
}

struct PastAgent {
    from: From,
    asked: Asked,
}

impl PastAgent {
    fn update(&mut self) -> Result<Update, AgentError> {
        let kept = self.from.tables();
        let read = match self.asked {
            Asked::At(at_us) => update_at(kept, at_us),
            Asked::Verdicts(times) => verdicts_in(kept, times),
            Asked::Ended(times) => update_at(kept, times.to_us),
        };
        read.map_err(unavailable)
    }
}

fn unavailable(why: PastError) -> AgentError {
    AgentError::Unavailable(format!("cannot read the history: {why}"))
}

impl Agent for PastAgent {
    fn updates(&mut self, ask: &Ask, _: Pace) -> Result<Box<dyn Updates>, AgentError> {
        let mut update = self.update()?;
        let mut snapshot = (*update.snapshot).clone();
        let mut is_asked = asked_for(ask, snapshot.connections.iter())?.into_iter();
        snapshot.connections.retain(|_| is_asked.next() == Some(true));
        update.snapshot = Arc::new(snapshot);
        Ok(Box::new(One(Some(Arc::new(update)))))
    }

    fn events(&mut self, ask: &Ask, _: Start) -> Result<Box<dyn Events>, AgentError> {
        let kept = self.from.tables();
        let read = match self.asked {
            // The last ones before the moment.
            Asked::At(to_us) => {
                let times = Times { from_us: to_us.saturating_sub(EVENTS_REACH_US), to_us };
                events_before(kept, times, MAX_BEFORE, &|_| true)
            }
            Asked::Verdicts(times) | Asked::Ended(times) => events_in(kept, times),
        };
        let (mut events, losses) = read.map_err(unavailable)?;
        let connections = events.iter().map(|event| &event.connection);
        let mut is_asked = asked_for(ask, connections)?.into_iter();
        events.retain(|_| is_asked.next() == Some(true));
        Ok(Box::new(OneBatch(Some(EventBatch { events, losses, has_more: false, is_last: true }))))
    }

    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        Err(AgentError::NotThere("abilities are of the present: omit the time".to_owned()))
    }

    fn timeline(&mut self, times: Times, buckets: usize) -> Result<Timeline, AgentError> {
        match &mut self.from {
            From::Here(session) => {
                let own_netns = session.own_netns();
                let mut kept = BoundedTables::new(Arc::clone(session), own_netns, MAX_TIME);
                timeline(&mut kept, times, buckets, &is_problem).map_err(unavailable)
            }
            From::Elsewhere(Elsewhere { remote, .. }) => remote.timeline(times, buckets),
        }
    }
}

/// The only update.
struct One(Option<Arc<Update>>);

impl Updates for One {
    fn next(&mut self, _: Duration) -> Result<Option<Arc<Update>>, AgentError> {
        match self.0.take() {
            Some(update) => Ok(Some(update)),
            None => Err(AgentError::Unavailable("the past has one state".to_owned())),
        }
    }
}

/// The only batch.
struct OneBatch(Option<EventBatch>);

impl Events for OneBatch {
    fn next(&mut self, _: Duration) -> Result<EventBatch, AgentError> {
        Ok(self.0.take().unwrap_or(EventBatch { is_last: true, ..EventBatch::default() }))
    }
}

/// The history of an agent elsewhere, which answers in SQL.
struct Elsewhere {
    remote: Box<Remote>,
    damaged: Vec<Loss>,
}

impl KeptTables for Elsewhere {
    fn rows(
        &mut self,
        table: &str,
        times: Times,
        each: &mut dyn FnMut(&ReadRow<'_>),
    ) -> Result<(), PastError> {
        let most = QueryBounds::default().rows;
        let condition = condition(table, times);
        for page in 0.. {
            let offset = page * most;
            let sql =
                format!("select * from {table} where {condition} limit {most} offset {offset}");
            let text = self.remote.sql(&sql, most).map_err(|error| error.to_string())?;
            let (answer, losses) = read_sql(&text)?;
            // Others are of its latest snapshot, and each page has those of the pages before.
            let is_new =
                |loss: &Loss| loss.source == Source::History && !self.damaged.contains(loss);
            let new: Vec<Loss> = losses.into_iter().filter(is_new).collect();
            self.damaged.extend(new);
            for row in &answer.rows {
                each(&|name| {
                    let place = answer.columns.iter().position(|column| column == name);
                    place.and_then(|at| row.get(at)).cloned().unwrap_or(Cell::Null)
                });
            }
            if answer.rows.len() < most && !answer.has_more {
                break;
            }
        }
        Ok(())
    }

    fn damaged(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.damaged)
    }
}

impl From {
    fn tables(&mut self) -> &mut dyn KeptTables {
        match self {
            Self::Here(session) => session,
            Self::Elsewhere(elsewhere) => elsewhere,
        }
    }
}

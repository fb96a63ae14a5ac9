//! Events as they cross: the question for them, the agent's answer, and what becomes of it.
//!
//! The one idea: events are numbered, so a question names the last one that is known, and whatever the
//! agent does not keep any more is told as a loss with its exact count.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Event, Loss, LossCause, LossKind, Source, Update};
use serde::{Deserialize, Serialize};

use super::LOSSES_MAX;
use super::encode::unencodable;
use super::out::{CONNECTION_BYTES, Out};
use super::question::{QuestionError, decode, pairs, read_ask, write_ask};
use super::wanted::Wanted;
use crate::agent::{AgentError, Ask};

/// Where an agent answers an [`EventsQuestion`].
pub const EVENTS_PATH: &str = "/api/v1/snapshot/events";

/// The media type of the answer.
pub const EVENTS_TYPE: &str = "application/vnd.conns.events";

/// Most events in one answer, about 16 MB. Whoever has read them asks for the next.
pub const EVENTS_TOLD: usize = 32_768;

/// One event among all that all agents ever told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMark {
    /// Which start of which agent: [`Update::instance`].
    pub instance: u64,
    /// Which of its events; 0 is before the first.
    pub serial: u64,
}

impl EventMark {
    /// The mark of the latest event of `update`.
    #[must_use]
    pub fn of(update: &Update) -> Self {
        Self { instance: update.instance, serial: update.last_event() }
    }
}

impl fmt::Display for EventMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.serial)
    }
}

/// Behind which event a question begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// Behind the latest there is when it is asked.
    #[default]
    Now,
    /// At the oldest that is kept.
    Kept,
    /// Behind this one.
    After(EventMark),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Kept => f.write_str("kept"),
            Self::After(mark) => mark.fmt(f),
        }
    }
}

impl FromStr for From {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        match text {
            "now" => Ok(Self::Now),
            "kept" => Ok(Self::Kept),
            mark => {
                let (instance, serial) = mark.split_once('-').ok_or(QuestionError::From)?;
                let number = |digits: &str| digits.parse().map_err(|_| QuestionError::From);
                let mark = EventMark { instance: number(instance)?, serial: number(serial)? };
                Ok(Self::After(mark))
            }
        }
    }
}

/// What a `Agent` elsewhere asks about events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsQuestion {
    /// Whose events; the view does not matter.
    pub ask: Ask,
    /// From where on.
    pub from: From,
    /// The agent waits so long for an event, if there is none.
    pub wait: Duration,
}

impl EventsQuestion {
    /// The question as a query, without the question mark.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = write_ask(&self.ask);
        query.push_str(&format!("&after={}", self.from));
        if !self.wait.is_zero() {
            query.push_str(&format!("&wait_us={}", self.wait.as_micros()));
        }
        query
    }

    /// The question that `query` is.
    ///
    /// # Errors
    /// [`QuestionError`] if it is none.
    pub fn from_query(query: &str) -> Result<Self, QuestionError> {
        let mut question = Self::default();
        for (key, value) in pairs(query) {
            let value = decode(value)?;
            match key {
                "after" => question.from = value.parse()?,
                "wait_us" => {
                    let us = value.parse().map_err(|_| QuestionError::Span)?;
                    question.wait = Duration::from_micros(us);
                }
                key => read_ask(&mut question.ask, key, value)?,
            }
        }
        Ok(question)
    }

    /// Whether `update` has something to tell to a question that came when `latest` was the latest
    /// event; if only that it cannot be answered.
    #[must_use]
    pub fn is_due(&self, update: &Update, latest: EventMark) -> bool {
        self.begins_at(latest).is_none_or(|begin| begin != EventMark::of(update))
    }

    /// The event behind which it begins; `None` is at the oldest.
    fn begins_at(&self, latest: EventMark) -> Option<EventMark> {
        match self.from {
            From::Now => Some(latest),
            From::Kept => None,
            From::After(mark) => Some(mark),
        }
    }
}

/// What an agent answers about events.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Everything up to here is told.
    pub mark: EventMark,
    /// Whether the agent has more already.
    pub has_more: bool,
    /// The events asked for, oldest first.
    pub events: Vec<Arc<Event>>,
    /// What was lost on the way to this answer.
    pub losses: Vec<Loss>,
    /// What the agent lost of events since it started.
    pub counted: Vec<Loss>,
}

/// What stands first in an answer.
#[derive(Serialize, Deserialize)]
pub(super) struct EventsHead {
    pub(super) instance: u64,
    pub(super) serial: u64,
    pub(super) has_more: bool,
}

/// The answer to `question`, taken from `update`; it came when `latest` was the latest event.
///
/// # Errors
/// As [`tell`](super::tell).
pub fn tell_events(
    update: &Update,
    question: &EventsQuestion,
    latest: EventMark,
) -> Result<Vec<u8>, AgentError> {
    let is_first = !matches!(question.from, From::After(_));
    let (events, lost) = events_behind(update, question.begins_at(latest));
    let standing = untold(update).filter(|_| is_first).cloned();
    let losses: Vec<Loss> = lost.into_iter().chain(standing).collect();
    let counted: Vec<Loss> = counted(update).cloned().collect();
    let (told, rest) = events.split_at(events.len().min(EVENTS_TOLD));
    let there = || {
        let of_events = update.events.iter().map(|event| &event.connection);
        update.snapshot.connections.iter().chain(of_events)
    };
    let wanted = match Wanted::new(&question.ask, there) {
        // Who asks again was told before that it is there; now nothing of it is left.
        Err(AgentError::NotThere(_)) if !is_first => Wanted::nothing(&question.ask),
        wanted => wanted?,
    };
    let is_wanted = |event: &&Arc<Event>| wanted.contains_in_any_state(&event.connection);
    let chosen: Vec<&Arc<Event>> = told.iter().filter(is_wanted).collect();
    let serial = told.last().map_or(update.last_event(), |event| event.serial);
    let head = EventsHead { instance: update.instance, serial, has_more: !rest.is_empty() };
    let mut out = Out::with_room(4096 + chosen.len() * CONNECTION_BYTES);
    out.events(&head, &chosen, &losses, &counted).map_err(unencodable)?;
    Ok(out.bytes())
}

/// The events of `update` behind this one, and what is missing between.
fn events_behind(update: &Update, begin: Option<EventMark>) -> (&[Arc<Event>], Option<Loss>) {
    let Some(begin) = begin else { return (&update.events, None) };
    if begin.instance != update.instance {
        return (&update.events, Some(began_anew()));
    }
    match update.events_since(begin.serial) {
        Some(events) => (events, None),
        None => {
            let missed = update.events_complete_since.saturating_sub(begin.serial);
            (&update.events, Some(forgotten(missed)))
        }
    }
}

fn began_anew() -> Loss {
    Loss::one(Source::Derived, LossCause::AgentRestarted)
}

/// So many events were not asked for in time.
fn forgotten(missed: u64) -> Loss {
    Loss { source: Source::Derived, cause: LossCause::EventsForgotten, count: missed }
}

/// What is missing from the events of `update`: that they are but differences of looks, or so many of them
/// since the agent started.
#[must_use]
pub fn event_losses(update: &Update) -> Vec<Loss> {
    untold(update).chain(counted(update)).cloned().collect()
}

/// What the source of events is to blame for. What the agent's own bound dropped shows in the numbers
/// of the events that are left.
fn of_source(update: &Update) -> impl Iterator<Item = &Loss> {
    update.health.losses.iter().filter(|loss| loss.source == Source::Ebpf).take(LOSSES_MAX)
}

/// That there is no source of events, and what that means.
fn untold(update: &Update) -> impl Iterator<Item = &Loss> {
    of_source(update).filter(|loss| loss.kind() == LossKind::TableUnreadable)
}

/// What was lost of events since the agent started.
fn counted(update: &Update) -> impl Iterator<Item = &Loss> {
    of_source(update).filter(|loss| loss.kind() != LossKind::TableUnreadable)
}

//! What comes from elsewhere: updates and events of the agent, and lists that are made of them, each on
//! a thread of its own, so that a key never waits. An agent that is lost is opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use conns_api::{Agent, AgentError, Ask, EventBatch, Events, Pace, Start, Updates};
use conns_core::model::Update;
use crossterm::event::Event as TerminalEvent;

use crate::list::{List, Spec};
use crate::past::PastMoment;

/// Opens the agent, once more after it was lost.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Agent>, String> + Send + Sync>;

/// Reads what was at a moment, microseconds since 1970-01-01 UTC.
pub type ReadPast = Arc<dyn Fn(i64) -> Result<PastMoment, String> + Send + Sync>;

/// How the channels of an agent are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// They share one engine, so in turn.
    Shared,
    /// Each has a connection of its own.
    Apart,
}

/// Time between two attempts to reach an agent that is lost.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for events, where updates wait behind them.
const TURN: Duration = Duration::from_millis(100);
/// Longest wait for events or an update otherwise.
const WAIT: Duration = Duration::from_secs(10);

/// What the loop of the screen receives.
#[derive(Debug)]
pub(crate) enum Message {
    /// From the terminal.
    Terminal(TerminalEvent),
    /// The terminal cannot be read any more.
    TerminalClosed,
    /// The agent was opened.
    Opened,
    /// An update.
    Update(Arc<Update>),
    /// Events.
    Events(EventBatch),
    /// The agent does not answer, and why.
    Lost(String),
    /// A list was made.
    Listed(Arc<List>),
    /// The history has answered about a moment.
    Past(i64, Result<PastMoment, String>),
    /// A signal came.
    #[cfg(unix)]
    Signal(i32),
}

/// Follows the agent until the receiver is dropped.
pub(crate) fn follow(open: Open, ask: Ask, pace: Pace, channels: Channels, to: Sender<Message>) {
    if channels == Channels::Apart {
        let (open, ask, to) = (Arc::clone(&open), ask.clone(), to.clone());
        thread::spawn(move || {
            again_and_again(&to, false, || {
                let mut agent = open().map_err(AgentError::Unavailable)?;
                let mut events = agent.events(&ask, Start::Now)?;
                loop {
                    if !send_events(&mut *events, WAIT, &to)? {
                        return Ok(());
                    }
                }
            });
        });
    }
    thread::spawn(move || {
        again_and_again(&to, true, || {
            let mut agent = open().map_err(AgentError::Unavailable)?;
            let mut updates = agent.updates(&ask, pace)?;
            let mut events = match channels {
                // Without events there is still the list.
                Channels::Shared => agent.events(&ask, Start::Now).ok(),
                Channels::Apart => None,
            };
            if to.send(Message::Opened).is_err() {
                return Ok(());
            }
            loop {
                let wait = if events.is_some() { Duration::ZERO } else { WAIT };
                if !send_update(&mut *updates, wait, &to)? {
                    return Ok(());
                }
                if let Some(channel) = &mut events
                    && !send_events(&mut **channel, TURN, &to)?
                {
                    return Ok(());
                }
            }
        });
    });
}

/// Reads moments of the past until the result is dropped; of several that wait, only the last.
pub(crate) fn read_past(read: ReadPast, to: Sender<Message>) -> Sender<i64> {
    let (sender, wanted): (_, Receiver<i64>) = channel();
    thread::spawn(move || {
        while let Ok(mut at_us) = wanted.recv() {
            while let Ok(later) = wanted.try_recv() {
                at_us = later;
            }
            if to.send(Message::Past(at_us, read(at_us))).is_err() {
                return;
            }
        }
    });
    sender
}

/// Whether there still is a receiver.
fn send_update(
    updates: &mut dyn Updates,
    at_most: Duration,
    to: &Sender<Message>,
) -> Result<bool, AgentError> {
    match updates.next(at_most)? {
        Some(update) => Ok(to.send(Message::Update(update)).is_ok()),
        None => Ok(true),
    }
}

/// Whether there still is a receiver.
fn send_events(
    events: &mut dyn Events,
    at_most: Duration,
    to: &Sender<Message>,
) -> Result<bool, AgentError> {
    let batch = events.next(at_most)?;
    match batch.events.is_empty() && batch.losses.is_empty() {
        true => Ok(true),
        false => Ok(to.send(Message::Events(batch)).is_ok()),
    }
}

/// Runs until it returns without an error; reports each error if it `reports`, and waits before the next attempt.
fn again_and_again(
    to: &Sender<Message>,
    reports: bool,
    mut run: impl FnMut() -> Result<(), AgentError>,
) {
    while let Err(error) = run() {
        if reports && to.send(Message::Lost(error.to_string())).is_err() {
            return;
        }
        thread::sleep(RETRY_INTERVAL);
    }
}

/// What the list is to be made of.
pub(crate) struct Wanted {
    pub(crate) update: Arc<Update>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) fresh: bool,
}

/// Asks the thread that makes lists.
pub(crate) struct Lists {
    wanted: Sender<Wanted>,
    unused: Sender<Arc<List>>,
    /// A key waits for its list.
    is_urgent: Arc<AtomicBool>,
}

impl Lists {
    /// Asks for a list. Without a thread that makes it, `Taken::has_panicked` ends the loop of the screen.
    pub(crate) fn ask(&self, wanted: Wanted) {
        self.is_urgent.fetch_or(wanted.fresh, Ordering::Relaxed);
        let _ = self.wanted.send(wanted);
    }

    /// Drops a list beside the keys: with it may go the last of many connections.
    pub(crate) fn forget(&self, list: Arc<List>) {
        let _ = self.unused.send(list);
    }
}

/// Makes lists until the result is dropped; of several that wait, only the last.
pub(crate) fn make_lists(to: Sender<Message>) -> Lists {
    let (sender, wanted): (_, Receiver<Wanted>) = channel();
    let (unused, forgotten) = channel();
    let is_urgent = Arc::new(AtomicBool::new(false));
    let lists = Lists { wanted: sender, unused, is_urgent: Arc::clone(&is_urgent) };
    thread::spawn(move || forgotten.into_iter().for_each(drop));
    thread::spawn(move || {
        let mut list: Option<Arc<List>> = None;
        while let Ok(mut next) = wanted.recv() {
            while let Ok(later) = wanted.try_recv() {
                next = Wanted { fresh: next.fresh || later.fresh, ..later };
            }
            is_urgent.store(false, Ordering::Relaxed);
            // A key is answered with the update that is listed, of which more is known; the new one follows.
            let is_new = |held: &&Arc<List>| !Arc::ptr_eq(&held.update, &next.update);
            if let Some(held) = list.as_ref().filter(|_| next.fresh).filter(is_new) {
                let (update, spec) = (Arc::clone(&held.update), Arc::clone(&next.spec));
                if let Some(made) = held.next(update, spec, true, &|| false).map(Arc::new) {
                    next.fresh = false;
                    list = Some(Arc::clone(&made));
                    if to.send(Message::Listed(made)).is_err() {
                        return;
                    }
                }
            }
            let held = list.clone().unwrap_or_default();
            // What gives it up asks for the same update.
            let is_given_up = || !next.fresh && is_urgent.load(Ordering::Relaxed);
            let made = held.next(Arc::clone(&next.update), next.spec, next.fresh, &is_given_up);
            if let Some(made) = made.map(Arc::new) {
                list = Some(Arc::clone(&made));
                if to.send(Message::Listed(made)).is_err() {
                    return;
                }
            }
        }
    });
    lists
}

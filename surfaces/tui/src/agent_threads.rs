//! What comes from elsewhere: updates and events of the agent, and lists that are made of them, each on
//! a thread of its own, so that a key never waits. An agent that is lost is opened again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use conns_api::{Agent, AgentError, Ask, EventBatch, Events, Pace, Start, Updates};
use conns_core::model::Update;
use crossterm::event::Event as TerminalEvent;

use crate::list::{List, Spec};

/// Opens the agent, once more after it was lost.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Agent>, String> + Send + Sync>;

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

/// Makes lists until the sender is dropped; of several that wait, only the last.
pub(crate) fn make_lists(to: Sender<Message>) -> Sender<Wanted> {
    let (sender, wanted): (_, Receiver<Wanted>) = channel();
    thread::spawn(move || {
        let mut list = Arc::new(List::default());
        while let Ok(mut next) = wanted.recv() {
            while let Ok(later) = wanted.try_recv() {
                next = Wanted { fresh: next.fresh || later.fresh, ..later };
            }
            list = Arc::new(list.next(next.update, next.spec, next.fresh));
            if to.send(Message::Listed(Arc::clone(&list))).is_err() {
                return;
            }
        }
    });
    sender
}

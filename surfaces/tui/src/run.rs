//! The loop of the screen: what comes in changes the state, then it is drawn.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use conns_api::{Ask, Pace};
use crossterm::event::Event;

use crate::agent_threads::{
    Channels, Lists, Message, Open, ReadPast, Wanted, follow, make_lists, read_past,
};
use crate::draw::draw;
use crate::settings::Named;
use crate::state::{Effect, Start, State};
use crate::terminal::{self, Taken};

/// The screen is drawn at least this often: the age of the data grows.
const TICK: Duration = Duration::from_secs(1);

/// Why the screen ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A filter, an order, a column or a field of the flags is none.
    #[error("{0}")]
    Usage(String),
    /// The agent could not be opened in the first place.
    #[error("{0}")]
    NoAgent(String),
    /// The terminal failed.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A thread of the screen panicked; its message is on the terminal.
    #[error("the screen ended by a fault of its own")]
    Panicked,
}

/// Where the screen keeps things.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The file of named filters; `None` if the user has no directory for it.
    pub named: Option<PathBuf>,
}

/// Runs the screen until it is left.
///
/// # Errors
/// [`RunError`].
pub fn run(
    start: Start,
    files: &Files,
    (open, channels, past): (Open, Channels, ReadPast),
    (ask, pace): (Ask, Pace),
    clock: impl Fn() -> Duration,
) -> Result<(), RunError> {
    let mut state = State::new(start, (80, 24)).map_err(RunError::Usage)?;
    let (sender, messages) = channel();
    follow(open, ask, pace, channels, sender.clone());
    // An agent that never answered is an error of the command, not a state of the screen.
    if let Ok(Message::Lost(why)) = messages.recv() {
        return Err(RunError::NoAgent(why));
    }
    let mut screen = Taken::take(state.takes_mouse)?;
    #[cfg(unix)]
    send_signals(sender.clone())?;
    send_input(sender.clone());
    let past = read_past(past, sender.clone());
    let mut looped = Loop { files, lists: make_lists(sender), past, is_over: false };
    while !looped.is_over {
        if Taken::has_panicked() {
            return Err(RunError::Panicked);
        }
        let size = screen.terminal.size()?;
        state.resize((size.width, size.height));
        state.settle();
        screen.terminal.draw(|frame| draw(&state, frame))?;
        looped.wait(&mut state, &mut screen, &messages, &clock)?;
    }
    Ok(())
}

struct Loop<'f> {
    files: &'f Files,
    lists: Lists,
    /// Moments of the past that are to be read.
    past: Sender<i64>,
    is_over: bool,
}

impl Loop<'_> {
    /// Waits for something to come, and handles all that is there.
    fn wait(
        &mut self,
        state: &mut State,
        screen: &mut Taken,
        messages: &Receiver<Message>,
        clock: &impl Fn() -> Duration,
    ) -> Result<(), RunError> {
        let mut next = match messages.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.is_over = true;
                None
            }
        };
        state.tick(clock());
        while let Some(message) = next.take() {
            self.handle(state, screen, message)?;
            for effect in state.take_effects() {
                self.perform(state, screen, effect)?;
            }
            if !self.is_over {
                next = messages.try_recv().ok();
            }
        }
        Ok(())
    }

    fn handle(
        &mut self,
        state: &mut State,
        screen: &mut Taken,
        message: Message,
    ) -> Result<(), RunError> {
        match message {
            Message::Terminal(Event::Key(key)) => state.key(key),
            Message::Terminal(Event::Mouse(mouse)) => state.mouse(mouse),
            Message::Terminal(_) | Message::Opened => {}
            Message::TerminalClosed => self.is_over = true,
            Message::Update(update) => state.update(update),
            Message::Events(batch) => state.events(batch),
            Message::Lost(why) => state.lost(why),
            Message::Past(at_us, read) => state.past(at_us, read),
            Message::Listed(list) => self.lists.forget(state.listed(list)),
            #[cfg(unix)]
            Message::Signal(signal_hook::consts::SIGTSTP) => stop(state, screen)?,
            #[cfg(unix)]
            Message::Signal(signal_hook::consts::SIGCONT) => screen.retake(state.takes_mouse)?,
            #[cfg(unix)]
            Message::Signal(_) => self.is_over = true,
        }
        #[cfg(not(unix))]
        let _ = screen;
        Ok(())
    }

    fn perform(
        &mut self,
        state: &mut State,
        screen: &mut Taken,
        effect: Effect,
    ) -> Result<(), RunError> {
        match effect {
            Effect::List { update, spec, fresh } => {
                self.lists.ask(Wanted { update, spec, fresh });
            }
            // Without the thread that reads, `Taken::has_panicked` ends the loop.
            Effect::Past(at_us) => drop(self.past.send(at_us)),
            Effect::Copy(text) => terminal::copy(&text)?,
            Effect::Write { path, text } => {
                let notice = match write_new(&path, &text) {
                    Ok(()) => format!("written to {}", path.display()),
                    Err(error) => format!("cannot write {}: {error}", path.display()),
                };
                state.notify(notice);
            }
            Effect::Keep(named) => {
                if let Err(why) = keep(self.files.named.as_deref(), &named) {
                    state.notify(why);
                }
            }
            Effect::Mouse(is_taken) => terminal::set_mouse(is_taken)?,
            Effect::Suspend => {
                #[cfg(unix)]
                stop(state, screen)?;
                #[cfg(not(unix))]
                let _ = &screen;
            }
            Effect::Quit => self.is_over = true,
        }
        Ok(())
    }
}

/// Stops the process as a shell expects it, and takes the terminal again when it goes on.
#[cfg(unix)]
fn stop(state: &State, screen: &mut Taken) -> Result<(), RunError> {
    terminal::give_back();
    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
    Ok(screen.retake(state.takes_mouse)?)
}

#[cfg(unix)]
fn send_signals(to: Sender<Message>) -> io::Result<()> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
    let all = [SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP];
    let mut signals = signal_hook::iterator::Signals::new(all)?;
    thread::spawn(move || {
        for signal in &mut signals {
            if to.send(Message::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn send_input(to: Sender<Message>) {
    thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if to.send(Message::Terminal(event)).is_err() {
                return;
            }
        }
        // The receiver may have ended before.
        let _ = to.send(Message::TerminalClosed);
    });
}

/// Writes a file that does not exist yet.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text)
}

/// Writes the named filters, whole or not at all.
fn keep(path: Option<&Path>, named: &Named) -> Result<(), String> {
    let Some(path) = path else {
        return Err("the filter is kept until conns ends: neither HOME nor XDG_CONFIG_HOME is set"
            .to_owned());
    };
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("toml.new");
        fs::write(&new, named.text())?;
        fs::rename(&new, path)
    };
    written().map_err(|error: io::Error| format!("cannot write {}: {error}", path.display()))
}

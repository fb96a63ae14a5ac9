//! A capture file as an agent: its connections at one moment, and its events.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{Agent, AgentError, Ask, EventBatch, Events, Pace, Start, Updates};
use conns_capture::{Capture, CaptureError, Progress};
use conns_contract::Scope;
use conns_core::human;
use conns_core::model::{Ability, Health, Moment, Update};
use conns_core::track::Retention;
use conns_engine::{FileEngine, Purpose};

use crate::failure::Failure;
use crate::flags::ReadFlags;
use crate::local::{agent_error, scope};

/// Time between two updates of the progress bar.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// What is kept of each connection: everything that events report of it.
const RETENTION: Retention = Retention::Window(Duration::from_secs(5));

/// The engine over the file of these flags, played to the moment they name; `None` if they name no file.
pub(crate) fn engine(flags: &ReadFlags, purpose: Purpose) -> Result<Option<FileEngine>, Failure> {
    let Some(path) = &flags.read else { return Ok(None) };
    let capture = open(path, flags.until)?;
    // Events are written as they are read.
    if purpose == Purpose::Follow {
        return Ok(Some(FileEngine::new(capture, None, RETENTION, purpose)));
    }
    let end = Capture::end_of(path, flags.until);
    let (engine, played_to) = play(path, capture, end, purpose)?;
    if end.is_none_or(|end| end == played_to) {
        return Ok(Some(engine));
    }
    let again = open(path, flags.until)?;
    Ok(Some(play(path, again, Some(played_to), purpose)?.0))
}

/// Plays a file that is expected to end at `end`. Returns also the moment at which it did.
fn play(
    path: &Path,
    capture: Capture,
    end: Option<Moment>,
    purpose: Purpose,
) -> Result<(FileEngine, Moment), Failure> {
    let mut bar = ProgressBar::of(path, capture.progress().clone());
    let mut engine = FileEngine::new(capture.clone(), end, RETENTION, purpose);
    while engine.step().map_err(agent_error)? {
        bar.update();
    }
    bar.clear();
    Ok((engine, capture.now()))
}

fn open(path: &Path, until_us: Option<i64>) -> Result<Capture, Failure> {
    let failed = |error: CaptureError| Failure::NoAnswer(error.to_string());
    let capture = Capture::open(path, until_us).map_err(failed)?;
    let begin_us = capture.begin().wall_us;
    match until_us {
        Some(until_us) if until_us < begin_us => Err(Failure::Usage(format!(
            "--until: the first packet of {} is later, of {begin_us} (microseconds since 1970)",
            path.display()
        ))),
        _ => Ok(capture),
    }
}

/// The agent of a capture file. Its channels share the engine, which is not dropped: the program exits after it, which
/// frees the memory at once.
pub(crate) struct FileAgent(ManuallyDrop<Rc<RefCell<FileEngine>>>);

impl FileAgent {
    pub(crate) fn new(engine: FileEngine) -> Self {
        Self(ManuallyDrop::new(Rc::new(RefCell::new(engine))))
    }
}

impl Agent for FileAgent {
    fn updates(&mut self, ask: &Ask, _: Pace) -> Result<Box<dyn Updates>, AgentError> {
        Ok(Box::new(FileUpdates { engine: Rc::clone(&self.0), scope: scope(ask) }))
    }

    fn events(&mut self, ask: &Ask, _: Start) -> Result<Box<dyn Events>, AgentError> {
        Ok(Box::new(FileEvents { engine: Rc::clone(&self.0), scope: scope(ask) }))
    }

    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        Err(AgentError::NotThere(
            "abilities are of a machine, and a capture file has none: omit --read".to_owned(),
        ))
    }
}

struct FileUpdates {
    engine: Rc<RefCell<FileEngine>>,
    scope: Scope,
}

impl Updates for FileUpdates {
    /// The same moment each time.
    fn next(&mut self, _: Duration) -> Result<Option<Arc<Update>>, AgentError> {
        let snapshot = self.engine.borrow_mut().sample(&self.scope).map_err(agent_error)?;
        let health = Health { started: snapshot.at, samples: 1, ..Health::default() };
        Ok(Some(Arc::new(Update { snapshot, health, ..Update::default() })))
    }
}

struct FileEvents {
    engine: Rc<RefCell<FileEngine>>,
    scope: Scope,
}

impl Events for FileEvents {
    fn next(&mut self, _: Duration) -> Result<EventBatch, AgentError> {
        Ok(match self.engine.borrow_mut().next_events(&self.scope) {
            Some((events, losses)) => EventBatch { events, losses, ..EventBatch::default() },
            None => EventBatch { is_last: true, ..EventBatch::default() },
        })
    }
}

/// How much of a file was read, on standard error if that is a terminal.
struct ProgressBar<'a> {
    path: &'a Path,
    progress: Progress,
    is_shown: bool,
    drawn: Option<Instant>,
}

impl<'a> ProgressBar<'a> {
    fn of(path: &'a Path, progress: Progress) -> Self {
        Self { path, progress, is_shown: io::stderr().is_terminal(), drawn: None }
    }

    fn update(&mut self) {
        // A small file needs none.
        let drawn = *self.drawn.get_or_insert_with(Instant::now);
        if !self.is_shown || drawn.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.drawn = Some(Instant::now());
        let (read, path) = (self.progress.read(), self.path.display());
        let text = match self.progress.size().filter(|size| *size > 0) {
            Some(size) => {
                let percent = read.saturating_mul(100) / size;
                format!("{path}: {percent} % of {}", human::bytes(size))
            }
            None => format!("{path}: {}", human::bytes(read)),
        };
        // Errors of standard error cannot be reported.
        let _ = write!(io::stderr(), "\r\x1b[Kreading {}", conns_print::printable(text.into()));
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

//! Keeps the history: a thread that reads what the sampler publishes, as clients do, and writes it once a second.
//!
//! The agent runs without a history where the file cannot be opened or written; a loss reports that.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conns_contract::Clock;
use conns_core::model::{Loss, LossCause, Source};
use conns_engine::Sampler;
use conns_history::{History, HistoryError, HistoryReader, ReadAccess};

use super::no_answer;
use crate::failure::{Failure, log};
use crate::settings::History as Settings;
use crate::state_folder::state_folder;

/// Time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Queries that read it at the same time: as many as the server runs.
pub(super) const SESSIONS: usize = 2;

/// Why the history is not written, as a loss of the agent. Clones share it.
#[derive(Clone, Default)]
pub(super) struct HistoryFailure(Arc<Mutex<Option<(String, u64)>>>);

impl HistoryFailure {
    /// The loss, while it is not written.
    pub(super) fn losses(&self) -> Vec<Loss> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let loss = failure.as_ref().map(|(error, count)| Loss {
            source: Source::Derived,
            cause: LossCause::HistoryNotWritten { error: error.as_str().into() },
            count: *count,
        });
        loss.into_iter().collect()
    }

    /// Notes the result of a write. The first of several failures is logged.
    fn note(&self, written: Result<(), HistoryError>) {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) => {
                if failure.take().is_some() {
                    log("the history is written again");
                }
            }
            Err(error) => {
                let error = error.to_string();
                let count = failure.as_ref().map_or(1, |(_, count)| count + 1);
                if failure.as_ref().is_none_or(|(before, _)| *before != error) {
                    log(format_args!("{error}; what cannot be kept is counted in `watched`"));
                }
                *failure = Some((error, count));
            }
        }
    }
}

/// The history of this agent.
pub(super) struct KeptHistory {
    path: PathBuf,
    /// What the thread will be given; `None` if nothing is kept.
    idle: Option<History>,
    failure: HistoryFailure,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KeptHistory {
    /// Opens the file, before privileges are dropped.
    pub(super) fn open(settings: &Settings, clock: &dyn Clock, failure: HistoryFailure) -> Self {
        let path = settings.path.clone().unwrap_or_else(default_path);
        let idle = (settings.size_bytes > 0)
            .then(|| History::open(&path, settings.size_bytes, clock.now()));
        let idle = match idle {
            Some(Ok(opened)) => {
                if let Some(aside) = opened.set_aside {
                    let (path, aside, why) = (path.display(), aside.path.display(), aside.why);
                    log(format_args!(
                        "the history {path} is not usable ({why}): it is now {aside}, and a new one begins"
                    ));
                }
                Some(opened.history)
            }
            Some(Err(error)) => {
                failure.note(Err(error));
                None
            }
            None => None,
        };
        Self { path, idle, failure, stop: Arc::default(), thread: None }
    }

    /// The file, if it is written.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.idle.is_some().then(|| self.path.clone())
    }

    /// Opens it for queries, before privileges are dropped.
    pub(super) fn reader(&self) -> Option<Arc<HistoryReader>> {
        reader(self.path())
    }

    /// Starts the thread.
    pub(super) fn start(&mut self, sampler: &Sampler) -> Result<(), Failure> {
        let Some(mut history) = self.idle.take() else { return Ok(()) };
        let (updates, events, clock) = (sampler.updates(), sampler.events(), sampler.clock());
        let (stop, failure) = (Arc::clone(&self.stop), self.failure.clone());
        let keep = move || {
            while !stop.load(Ordering::Relaxed) {
                history.record(&updates.borrow(), &events.borrow());
                failure.note(history.commit(clock.now()));
                thread::park_timeout(INTERVAL);
            }
            history.record(&updates.borrow(), &events.borrow());
            let last = Arc::clone(&updates.borrow());
            if let Err(error) = history.close(&last, clock.now()) {
                log(error);
            }
        };
        let thread = thread::Builder::new().name("conns-history".to_owned()).spawn(keep);
        let failed = |error| no_answer(format!("cannot start a thread: {error}"));
        self.thread = Some(thread.map_err(failed)?);
        Ok(())
    }
}

impl Drop for KeptHistory {
    /// Writes what is left.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// The file without `history.path`.
pub(crate) fn default_path() -> PathBuf {
    state_folder().join("history/history.db")
}

/// Opens the history at `path` for queries, if there is one.
pub(super) fn reader(path: Option<PathBuf>) -> Option<Arc<HistoryReader>> {
    match HistoryReader::open(&path?, ReadAccess::OfAgent, SESSIONS) {
        Ok(reader) => Some(reader),
        Err(error) => {
            log(format_args!("{error}; clients cannot ask for it"));
            None
        }
    }
}

//! The budget of blocking threads.
//!
//! Invariant: serving threads only wait for sockets and timers. Work that passes over all
//! connections runs on blocking threads, each kind within its own share, so that no kind waits for
//! another: long lists do not delay metrics or streams, and clients that wait for an update (streams,
//! long polls) occupy no thread meanwhile.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A kind of blocking work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// An answer to a request: a list, a page, a snapshot, a dialect's answer. Further ones queue;
    /// each client has one request in progress, so `limits.clients` bounds the queue, and
    /// `limits.work_time` the time spent in it.
    Answer,
    /// The answer of `/metrics`, which monitoring must get while lists queue.
    Metrics,
    /// Counters kept per update.
    Update,
    /// A query in SQL, which may take seconds.
    Query,
}

/// Threads per kind of work.
const ANSWER_THREADS: usize = 2;
const METRICS_THREADS: usize = 1;
const UPDATE_THREADS: usize = 1;
const QUERY_THREADS: usize = 2;
/// Streams of changes and events write their batches one after the other.
pub(crate) const STREAM_THREADS: usize = 1;

/// Blocking threads of the runtime: the sum of the shares.
pub(crate) const BLOCKING_THREADS: usize =
    ANSWER_THREADS + METRICS_THREADS + UPDATE_THREADS + QUERY_THREADS + STREAM_THREADS;

/// The work did not return: it panicked, or the runtime is shutting down.
#[derive(Debug)]
pub(crate) struct Aborted;

/// Admission to the blocking threads.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    answers: Arc<Semaphore>,
    metrics: Arc<Semaphore>,
    updates: Arc<Semaphore>,
    queries: Arc<Semaphore>,
}

impl Default for BlockingPool {
    fn default() -> Self {
        let share = |threads| Arc::new(Semaphore::new(threads));
        Self {
            answers: share(ANSWER_THREADS),
            metrics: share(METRICS_THREADS),
            updates: share(UPDATE_THREADS),
            queries: share(QUERY_THREADS),
        }
    }
}

impl BlockingPool {
    /// Runs `work` on a blocking thread once its share has one free. If this future is dropped
    /// while `work` runs, `work` still ends and then frees the thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Aborted> {
        let share = match kind {
            Work::Answer => &self.answers,
            Work::Metrics => &self.metrics,
            Work::Update => &self.updates,
            Work::Query => &self.queries,
        };
        let permit = Arc::clone(share).acquire_owned().await.map_err(|_| Aborted)?;
        let running = spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        running.await.map_err(|_| Aborted)
    }
}

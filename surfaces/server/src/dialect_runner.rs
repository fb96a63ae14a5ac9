//! Runs the answers of one dialect on blocking threads, one at a time, and brief answers at once.
//!
//! Invariant: two requests for the same list never occupy two threads. The second awaits the first
//! here, off the blocking threads, and then finds the list in the response cache.

use std::sync::Arc;

use conns_core::model::Update;
use conns_dialects::ResponseCache;
use tokio::sync::Semaphore;

use crate::blocking::{Aborted, BlockingPool, Work};
use crate::caches::ResponseCaches;

/// The execution context of one dialect, shared by all ports that serve it.
#[derive(Debug, Clone)]
pub(crate) struct DialectRunner {
    caches: Arc<ResponseCaches>,
    pool: Arc<BlockingPool>,
    turn: Arc<Semaphore>,
}

impl DialectRunner {
    pub(crate) fn new(caches: &Arc<ResponseCaches>, pool: &Arc<BlockingPool>) -> Self {
        Self {
            caches: Arc::clone(caches),
            pool: Arc::clone(pool),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The result of `answer` from the latest update. It runs on the calling thread where `is_brief` holds of
    /// that update.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        is_brief: impl Fn(&Update) -> bool,
        answer: impl FnOnce(&ResponseCache) -> T + Send + 'static,
    ) -> Result<T, Aborted> {
        let latest = self.caches.latest();
        if is_brief(latest.update()) {
            return Ok(answer(&latest));
        }
        drop(latest);
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Aborted)?;
        let caches = Arc::clone(&self.caches);
        let work = move || {
            // Owned by the work, which continues if the client leaves.
            let _turn = turn;
            answer(&caches.latest())
        };
        self.pool.run(Work::Answer, work).await
    }
}

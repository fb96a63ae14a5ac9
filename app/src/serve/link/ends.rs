//! The ends of the link server, as the health of the agent lists them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conns_core::model::{Loss, LossCause, Source};

/// Counts ends. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct LinkEnds(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    count: u64,
    last_status: String,
    is_running: bool,
}

impl LinkEnds {
    #[cfg(target_os = "linux")]
    pub(super) fn started(&self) {
        self.lock().is_running = true;
    }

    #[cfg(target_os = "linux")]
    pub(super) fn ended(&self, status: &str) {
        let mut ends = self.lock();
        ends.count += 1;
        ends.is_running = false;
        status.clone_into(&mut ends.last_status);
    }

    /// Nothing before the first end.
    pub(in crate::serve) fn losses(&self) -> Vec<Loss> {
        let ends = self.lock();
        let cause = LossCause::LinkServerEnded {
            status: ends.last_status.as_str().into(),
            is_running: ends.is_running,
        };
        Loss::counted(Source::Reported, cause, ends.count).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

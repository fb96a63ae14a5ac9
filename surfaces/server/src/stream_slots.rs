//! The bound on responses without an end: `limits.streams`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::access::AccessConfig;
use crate::refusals::{Refusals, Refused};

/// Open streams, counted over all ports.
#[derive(Debug)]
pub(crate) struct StreamSlots {
    access: Arc<AccessConfig>,
    refusals: Arc<Refusals>,
    open: AtomicUsize,
}

/// One open stream; freed when dropped.
#[derive(Debug)]
pub(crate) struct StreamSlot(Arc<StreamSlots>);

impl StreamSlots {
    pub(crate) fn new(access: Arc<AccessConfig>, refusals: Arc<Refusals>) -> Self {
        Self { access, refusals, open: AtomicUsize::new(0) }
    }

    /// A slot for one more stream; the limit if all are taken, which is counted as a refusal.
    pub(crate) fn take(self: &Arc<Self>) -> Result<StreamSlot, usize> {
        let limit = self.access.current().limits.streams;
        let more = |open: usize| (open < limit).then_some(open + 1);
        match self.open.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(StreamSlot(Arc::clone(self))),
            Err(_) => {
                self.refusals.count(Refused::StreamsFull);
                Err(limit)
            }
        }
    }

    /// Streams open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

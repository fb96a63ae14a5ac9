//! A scan of descriptors in a thread of its own, so that a machine with millions of them misses no sample.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conns_contract::{DescriptorSource, Descriptors, SourceError};

use super::Since;
use crate::cost;

/// The name of the thread.
const THREAD: &str = "owner-scan";

/// A scan that was started.
pub(super) struct BackgroundScan {
    thread: JoinHandle<Option<Finished>>,
    pub(super) since: Since,
}

/// A scan that is finished.
pub(super) struct Finished {
    pub(super) source: Box<dyn DescriptorSource>,
    pub(super) found: Result<Descriptors, SourceError>,
    /// CPU time that it took.
    pub(super) cpu: Duration,
}

impl BackgroundScan {
    /// Starts a scan.
    ///
    /// # Errors
    /// The source, if the system gives no thread.
    pub(super) fn start(
        source: Box<dyn DescriptorSource>,
        since: Since,
    ) -> Result<Self, Box<dyn DescriptorSource>> {
        let (sender, receiver) = mpsc::channel::<Box<dyn DescriptorSource>>();
        let scan = move || {
            let mut source = receiver.recv().ok()?;
            let found = source.observe();
            Some(Finished { source, found, cpu: cost::thread_cpu() })
        };
        match thread::Builder::new().name(THREAD.to_owned()).spawn(scan) {
            Ok(thread) => match sender.send(source) {
                Ok(()) => Ok(Self { thread, since }),
                Err(mpsc::SendError(source)) => Err(source),
            },
            Err(_) => Err(source),
        }
    }

    /// Whether the scan is finished.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The outcome; waits for it.
    pub(super) fn finish(self) -> Option<Finished> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

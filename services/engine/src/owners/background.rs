//! A scan of descriptors in a thread of its own, so that a machine with millions of them misses no sample.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use conns_contract::{DescriptorSource, Descriptors, SourceError};

/// The name of the thread.
const THREAD: &str = "owner-scan";

/// A scan that was started.
pub(super) struct BackgroundScan {
    thread: JoinHandle<Option<Finished>>,
    /// The change counter before the scan.
    pub(super) changes: Option<u64>,
    /// Whether nothing had changed since the scan before.
    pub(super) is_unchanged: bool,
}

/// A scan that is finished, and its source.
pub(super) type Finished = (Box<dyn DescriptorSource>, Result<Descriptors, SourceError>);

impl BackgroundScan {
    /// Starts a scan.
    ///
    /// # Errors
    /// The source, if the system gives no thread.
    pub(super) fn start(
        source: Box<dyn DescriptorSource>,
        changes: Option<u64>,
        is_unchanged: bool,
    ) -> Result<Self, Box<dyn DescriptorSource>> {
        let (sender, receiver) = mpsc::channel::<Box<dyn DescriptorSource>>();
        let scan = move || {
            let mut source = receiver.recv().ok()?;
            let scanned = source.observe();
            Some((source, scanned))
        };
        match thread::Builder::new().name(THREAD.to_owned()).spawn(scan) {
            Ok(thread) => match sender.send(source) {
                Ok(()) => Ok(Self { thread, changes, is_unchanged }),
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

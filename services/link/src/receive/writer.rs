//! The thread of one transfer that arrives. File operations block, so that they have a thread of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conns_transfer::frames::{ChunkHeader, Failure, FailureCode, Frame, TransferId};
use conns_transfer::ranges::Ranges;
use conns_transfer::tree::Hash;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::folder::Folder;
use super::incoming::{Finish, Incoming};
use crate::store::{ReceivedRow, ReceivedState, Store};

/// Chunks that wait for the thread.
const QUEUED: usize = 4;
/// Longest time between two checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// What the thread does next.
pub(super) enum Command {
    Chunk(ChunkHeader, Vec<u8>),
    Roots(Vec<Hash>),
}

/// Where the thread reports.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) transfer: TransferId,
    pub(super) frames: mpsc::UnboundedSender<Frame>,
    /// How the transfer stands, for those who list it.
    pub(super) progress: Arc<Mutex<Progress>>,
}

/// How a transfer stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The folder that all files are in; empty is that of the receiver.
    pub(crate) folder: Vec<u8>,
    pub(crate) total_bytes: u64,
    pub(crate) received_bytes: u64,
    /// When a chunk was last received, and something last reported.
    pub(crate) received_wall_us: Option<i64>,
    pub(crate) reported_wall_us: Option<i64>,
    pub(crate) is_complete: bool,
    pub(crate) error: Option<String>,
    pub(crate) error_wall_us: Option<i64>,
}

impl Report {
    fn send(&self, frame: Frame) {
        self.with(|progress| progress.reported_wall_us = Some(crate::socket::wall_us()));
        // A connection that ended needs no report: the next one begins with what is durable.
        let _ = self.frames.send(frame);
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.with(|progress| {
            progress.error = Some(failure.text.clone());
            progress.error_wall_us = Some(crate::socket::wall_us());
        });
        self.send(Frame::Failed(self.transfer, failure));
    }

    pub(super) fn with(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts the thread; it ends when the sender of commands is dropped, or the transfer ends.
pub(super) fn start(
    store: Store,
    folder: Arc<Folder>,
    row: ReceivedRow,
    lock: Arc<Mutex<()>>,
    report: Report,
) -> std::io::Result<mpsc::Sender<Command>> {
    let (sender, commands) = mpsc::channel(QUEUED);
    let runtime = Handle::current();
    std::thread::Builder::new().name("link-write".to_owned()).spawn(move || {
        // The writer of an earlier connection finishes first.
        let _locked = lock.lock().unwrap_or_else(PoisonError::into_inner);
        // The earlier writer may have noted more in the journal since.
        let found = store.received(row.sender, row.uid);
        let row = match found {
            Ok(found) => found.unwrap_or(row),
            Err(error) => return report.fail(error.into()),
        };
        match Incoming::open(store, folder, row) {
            Ok(incoming) => write(incoming, commands, &report, &runtime),
            Err(failure) => report.fail(failure),
        }
    })?;
    Ok(sender)
}

fn write(
    mut incoming: Incoming,
    mut commands: mpsc::Receiver<Command>,
    report: &Report,
    runtime: &Handle,
) {
    report.with(|progress| {
        progress.folder = incoming.folder().to_vec();
        progress.total_bytes = incoming.total_bytes();
        progress.received_bytes = incoming.durable_bytes();
    });
    if incoming.state() == ReceivedState::Committed {
        report.with(|progress| progress.is_complete = true);
        report.send(Frame::Committed(report.transfer));
        return;
    }
    if let Err(failure) = follow(&mut incoming, &mut commands, report, runtime) {
        let is_final = is_final(failure.code);
        report.fail(failure);
        if is_final {
            // This transfer is not continued; what cannot be removed is removed after 30 days.
            let _ = incoming.discard();
        }
    }
}

/// Whether the transfer is over for good, unlike a disk that is full.
fn is_final(code: FailureCode) -> bool {
    !matches!(code, FailureCode::NoSpace | FailureCode::TargetUnwritable)
}

fn follow(
    incoming: &mut Incoming,
    commands: &mut mpsc::Receiver<Command>,
    report: &Report,
    runtime: &Handle,
) -> Result<(), Failure> {
    report.send(Frame::Accepted(report.transfer, incoming.durable().clone()));
    let mut checkpoint_at = Instant::now() + CHECKPOINT_INTERVAL;
    // Hashes of the sender, which may overtake the last chunks.
    let mut roots: Option<Vec<Hash>> = None;
    loop {
        if incoming.is_complete()
            && let Some(roots) = roots.take()
        {
            report_durable(incoming, report)?;
            match incoming.finish(&roots)? {
                Finish::Committed => {
                    report.with(|progress| progress.is_complete = true);
                    report.send(Frame::Committed(report.transfer));
                    return Ok(());
                }
                Finish::Resend(chunks) => report.send(Frame::Resend(report.transfer, chunks)),
            }
        }
        let wait = checkpoint_at.saturating_duration_since(Instant::now());
        let received =
            runtime.block_on(async { tokio::time::timeout(wait, commands.recv()).await });
        match received {
            Ok(Some(Command::Chunk(header, bytes))) => {
                report.with(|it| it.received_wall_us = Some(crate::socket::wall_us()));
                if !incoming.write(&header, &bytes)? {
                    report.send(Frame::Resend(report.transfer, one(header.chunk)));
                }
            }
            Ok(Some(Command::Roots(of))) => roots = Some(of),
            // The connection ended, or the sender paused: what has arrived is kept.
            Ok(None) => return report_durable(incoming, report),
            Err(_) => {}
        }
        if incoming.is_checkpoint_due() || Instant::now() >= checkpoint_at {
            report_durable(incoming, report)?;
            checkpoint_at = Instant::now() + CHECKPOINT_INTERVAL;
        }
    }
}

fn report_durable(incoming: &mut Incoming, report: &Report) -> Result<(), Failure> {
    let durable = incoming.checkpoint()?;
    if !durable.is_empty() {
        report.with(|progress| progress.received_bytes = incoming.durable_bytes());
        report.send(Frame::Durable(report.transfer, durable));
    }
    Ok(())
}

fn one(chunk: u64) -> Ranges {
    let mut ranges = Ranges::default();
    // A set of one range has room for it.
    let _ = ranges.insert(chunk..chunk.saturating_add(1));
    ranges
}

//! The thread that reads and hashes the chunks of a transfer.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, mpsc as std_mpsc};

use conns_transfer::chunks::{Chunk, Chunks};
use conns_transfer::frames::Content;
use conns_transfer::tree::Hash;
use rustix::fs::OFlags;
use tokio::sync::mpsc;

use crate::receive::chunk_hash;
use crate::store::Source;
use crate::walk::stamp;

/// Chunks that are read ahead.
const READ_AHEAD: usize = 4;

/// A chunk to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) chunk: u64,
    /// Whether it is sent; else only its hash is needed.
    pub(super) is_sent: bool,
}

/// A chunk that was read.
pub(super) struct Read {
    pub(super) chunk: u64,
    pub(super) is_sent: bool,
    /// Length of the chunk; `bytes` is empty if all of them are 0.
    pub(super) length: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) content: Content,
    pub(super) hash: Hash,
}

/// Why a chunk cannot be read.
#[derive(Debug, Clone)]
pub(super) enum SourceError {
    /// The file is missing, or reading fails.
    Unreadable(String),
    /// The file is not what it was when the manifest was made.
    Changed(String),
}

/// A running thread.
pub(super) struct Reader {
    pub(super) requests: std_mpsc::Sender<Request>,
    pub(super) chunks: mpsc::Receiver<Result<Read, SourceError>>,
}

/// Starts the thread, which ends when either channel is dropped.
pub(super) fn start(chunks: Arc<Chunks>, sources: Vec<Source>) -> io::Result<Reader> {
    let (requests, queue) = std_mpsc::channel::<Request>();
    let (results, read) = mpsc::channel(READ_AHEAD);
    std::thread::Builder::new().name("link-read".to_owned()).spawn(move || {
        let mut files = Files { sources, open: None };
        for request in queue {
            let read = files.read(&chunks, request);
            let is_error = read.is_err();
            if results.blocking_send(read).is_err() || is_error {
                return;
            }
        }
    })?;
    Ok(Reader { requests, chunks: read })
}

struct Files {
    sources: Vec<Source>,
    open: Option<(usize, File)>,
}

impl Files {
    fn read(&mut self, chunks: &Chunks, request: Request) -> Result<Read, SourceError> {
        let missing = || SourceError::Changed("the manifest has no such chunk".to_owned());
        let chunk = chunks.get(request.chunk).ok_or_else(missing)?;
        let length = chunk.bytes();
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| missing())?];
        match &chunk {
            Chunk::Part { entry, offset, .. } => self.read_file(*entry, *offset, &mut bytes)?,
            Chunk::Pack { entries, .. } => {
                let mut rest = &mut bytes[..];
                for &entry in *entries {
                    let size = self.sources.get(entry).map_or(0, |source| source.stamp.bytes);
                    let size = usize::try_from(size).map_err(|_| missing())?;
                    let (file, after) = rest.split_at_mut_checked(size).ok_or_else(missing)?;
                    self.read_file(entry, 0, file)?;
                    rest = after;
                }
            }
        }
        let hash = chunk_hash(&chunk, &bytes).ok_or_else(missing)?;
        let is_zero = !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
        let content = if is_zero { Content::Zeros } else { Content::Data };
        if is_zero {
            bytes = Vec::new();
        }
        let Request { chunk, is_sent } = request;
        Ok(Read { chunk, is_sent, length, bytes, content, hash })
    }

    /// Fills `bytes`, and compares the file with its stamp afterwards.
    fn read_file(
        &mut self,
        entry: usize,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), SourceError> {
        let Some(source) = self.sources.get(entry) else {
            return Err(SourceError::Changed("the manifest has no such file".to_owned()));
        };
        let path = &source.path;
        let file = match self.open.take() {
            Some((open, file)) if open == entry => file,
            _ => open_source(path).map_err(|error| unreadable(path, &error))?,
        };
        let read = file.read_exact_at(bytes, offset);
        let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
        if stamp(&metadata) != source.stamp {
            return Err(SourceError::Changed(format!(
                "{} changed while it was sent",
                path.display()
            )));
        }
        read.map_err(|error| unreadable(path, &error))?;
        self.open = Some((entry, file));
        Ok(())
    }
}

fn open_source(path: &Path) -> io::Result<File> {
    // A pipe that replaced the file would block the open otherwise.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    File::options().read(true).custom_flags(flags).open(path)
}

fn unreadable(path: &Path, error: &io::Error) -> SourceError {
    SourceError::Unreadable(format!("cannot read {}: {error}", path.display()))
}

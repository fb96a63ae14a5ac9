//! The bytes of a capture file: from a file or standard input, decompressed if they begin as gzip or
//! Zstandard do.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::error::CaptureError;

/// The name of standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878, section 3.1.1.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How much of a file was read.
#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    size: Option<u64>,
}

impl Progress {
    /// Bytes read of the file, as it is stored.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file; `None` of a pipe.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Whether `path` is a file that can be read again.
pub(crate) fn is_regular(path: &Path) -> bool {
    path != Path::new(STANDARD_INPUT) && path.is_file()
}

/// The bytes of a capture file, decompressed.
pub(crate) struct Input {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) progress: Progress,
    is_compressed: bool,
}

impl Input {
    /// Opens `path`, or standard input if it is `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, CaptureError> {
        if path == Path::new(STANDARD_INPUT) {
            return Self::of(Box::new(io::stdin()), None, path);
        }
        let failed = |cause| CaptureError::Open { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let size = metadata.is_file().then_some(metadata.len());
        Self::of(Box::new(file), size, path)
    }

    /// Reads the first bytes of `source`, and decompresses what they show to be compressed.
    pub(crate) fn of(
        source: Box<dyn Read + Send>,
        size: Option<u64>,
        path: &Path,
    ) -> Result<Self, CaptureError> {
        let read = Arc::new(AtomicU64::new(0));
        let mut source = Counted { source, read: Arc::clone(&read) };
        let failed = |cause| CaptureError::Read { path: PathBuf::from(path), cause };
        let mut head = Vec::new();
        source.by_ref().take(ZSTANDARD.len() as u64).read_to_end(&mut head).map_err(failed)?;
        let (is_gzip, is_zstandard) = (head.starts_with(&GZIP), head.starts_with(&ZSTANDARD));
        let whole = Cursor::new(head).chain(source);
        let reader: Box<dyn Read + Send> = if is_gzip {
            Box::new(MultiGzDecoder::new(whole))
        } else if is_zstandard {
            let decoder = StreamingDecoder::new(whole);
            Box::new(decoder.map_err(|error| failed(io::Error::other(error.to_string())))?)
        } else {
            Box::new(whole)
        };
        let is_compressed = is_gzip || is_zstandard;
        Ok(Self { reader, progress: Progress { read, size }, is_compressed })
    }

    /// The last `count` bytes of the file `path`, which this reads; `None` if it is compressed, or not that much longer
    /// that this saves time.
    pub(crate) fn tail(&self, path: &Path, count: usize) -> Option<Vec<u8>> {
        let begin = self.progress.size?.checked_sub(count as u64)?;
        if self.is_compressed || begin < count as u64 {
            return None;
        }
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::Start(begin)).ok()?;
        let mut tail = Vec::with_capacity(count);
        file.take(count as u64).read_to_end(&mut tail).ok()?;
        Some(tail)
    }
}

/// Counts the bytes that are read of a source.
struct Counted {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

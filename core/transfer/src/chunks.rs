//! How the files of a manifest are cut into chunks of at most 1 MiB.
//!
//! Both sides compute the same chunks from the manifest, so that an index names a chunk. A file longer than 1 MiB is
//! cut into parts; shorter files are packed whole, in the order of the manifest, up to 1 MiB and [`MAX_PACKED_FILES`].
//! A pack is closed when the next short file exceeds it, and long files between its files do not close it. Chunks are
//! numbered in the order of their first files. A folder has no chunk.

use std::ops::Range;

use crate::manifest::{EntryKind, Manifest};
use crate::ranges::Ranges;
use crate::tree::{CHUNK_BYTES, Hash, Layout};

/// Files of a pack at most.
pub const MAX_PACKED_FILES: usize = 4096;

/// What a chunk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes of one file longer than 1 MiB. Its hash is that of [`crate::tree::ChunkHasher`].
    Part {
        /// Index of the file in the manifest.
        entry: usize,
        /// Layout of the file.
        layout: Layout,
        /// Index of the chunk in the file.
        chunk: u64,
        /// Where it begins in the file, in bytes.
        offset: u64,
        /// Bytes of the chunk.
        bytes: u64,
    },
    /// Whole files of at most 1 MiB each, one after the other. Its hash is [`pack_hash`].
    Pack {
        /// Indexes of the files in the manifest, ascending.
        entries: &'a [usize],
        /// Bytes of the chunk.
        bytes: u64,
    },
}

impl Chunk<'_> {
    /// Bytes of the chunk, at most [`CHUNK_BYTES`]; 0 of a pack of empty files.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Part { bytes, .. } | Self::Pack { bytes, .. } => bytes,
        }
    }
}

/// The chunks of a manifest. Memory is proportional to the number of files, and not to their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    /// Ascending by `first_chunk` and by `first_entry`.
    runs: Vec<Run>,
    /// The entries of the packs, pack by pack.
    packed: Vec<usize>,
    count: u64,
}

/// The chunks of one long file, or one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    first_chunk: u64,
    first_entry: usize,
    /// Bytes of the chunks before.
    bytes_before: u64,
    bytes: u64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Parts(Layout),
    /// Indexes of [`Chunks::packed`].
    Pack(Range<usize>),
}

impl Chunks {
    /// Cuts the files of a manifest.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        let mut chunks = Self { runs: Vec::new(), packed: Vec::new(), count: 0 };
        let mut pack = None;
        for (entry, of) in manifest.entries().iter().enumerate() {
            let EntryKind::File { bytes } = of.kind else { continue };
            // A manifest has no file that is too long for a layout.
            let Ok(layout) = Layout::new(bytes) else { continue };
            if layout.chunks() > 1 {
                chunks.add_run(entry, bytes, layout.chunks(), Content::Parts(layout));
            } else if !chunks.add_to_pack(pack, entry, bytes) {
                let start = chunks.packed.len();
                chunks.packed.push(entry);
                pack = Some(chunks.runs.len());
                chunks.add_run(entry, bytes, 1, Content::Pack(start..start + 1));
            }
        }
        let mut bytes_before = 0;
        for run in &mut chunks.runs {
            run.bytes_before = bytes_before;
            bytes_before += run.bytes;
        }
        chunks
    }

    /// Number of chunks.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The chunk of an index below [`Chunks::count`].
    #[must_use]
    pub fn get(&self, index: u64) -> Option<Chunk<'_>> {
        let run = self.run_of(index).filter(|_| index < self.count)?;
        Some(match &run.content {
            Content::Parts(layout) => {
                let chunk = index - run.first_chunk;
                let bytes = layout.chunk_bytes(chunk).ok()?;
                let offset = chunk * CHUNK_BYTES;
                Chunk::Part { entry: run.first_entry, layout: *layout, chunk, offset, bytes }
            }
            Content::Pack(packed) => {
                Chunk::Pack { entries: self.packed.get(packed.clone())?, bytes: run.bytes }
            }
        })
    }

    /// Bytes of these chunks; indexes from [`Chunks::count`] on have none.
    #[must_use]
    pub fn bytes_of(&self, chunks: &Ranges) -> u64 {
        chunks
            .iter()
            .map(|range| self.bytes_before(range.end) - self.bytes_before(range.start))
            .sum()
    }

    /// Indexes of the chunks of a file longer than 1 MiB; `None` of another entry.
    #[must_use]
    pub fn parts_of(&self, entry: usize) -> Option<Range<u64>> {
        let run = self.runs.binary_search_by_key(&entry, |run| run.first_entry).ok()?;
        let run = self.runs.get(run)?;
        let Content::Parts(layout) = run.content else { return None };
        Some(run.first_chunk..run.first_chunk + layout.chunks())
    }

    /// The files longer than 1 MiB, by their index in the manifest, ascending.
    pub fn long_files(&self) -> impl Iterator<Item = usize> {
        let is_long = |run: &&Run| matches!(run.content, Content::Parts(_));
        self.runs.iter().filter(is_long).map(|run| run.first_entry)
    }

    fn add_run(&mut self, first_entry: usize, bytes: u64, chunks: u64, content: Content) {
        let first_chunk = self.count;
        self.runs.push(Run { first_chunk, first_entry, bytes_before: 0, bytes, content });
        self.count += chunks;
    }

    /// Adds a file to the open pack; returns whether it fits.
    fn add_to_pack(&mut self, pack: Option<usize>, entry: usize, bytes: u64) -> bool {
        let Some(run) = pack.and_then(|pack| self.runs.get_mut(pack)) else { return false };
        let Content::Pack(packed) = &mut run.content else { return false };
        if run.bytes + bytes > CHUNK_BYTES || packed.len() >= MAX_PACKED_FILES {
            return false;
        }
        run.bytes += bytes;
        packed.end += 1;
        self.packed.push(entry);
        true
    }

    /// The last run that begins at this chunk or before.
    fn run_of(&self, chunk: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.first_chunk <= chunk);
        self.runs.get(after.checked_sub(1)?)
    }

    /// Bytes of the chunks below this index.
    fn bytes_before(&self, chunk: u64) -> u64 {
        let Some(run) = self.run_of(chunk) else { return 0 };
        let bytes = (chunk - run.first_chunk).saturating_mul(CHUNK_BYTES);
        // A pack is one chunk, however few bytes it has.
        run.bytes_before + bytes.min(run.bytes)
    }
}

/// Hash of a pack: BLAKE3 of its bytes.
#[must_use]
pub fn pack_hash(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

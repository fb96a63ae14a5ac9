//! The part files of a transfer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use conns_transfer::frames::{Failure, TransferUid};
use conns_transfer::manifest::{Entry, EntryKind, Manifest};
use conns_transfer::names::RelativePath;

use super::super::folder::{Folder, Found, Place};
use super::io_failure;

/// Part files that stay open.
const MAX_OPEN: usize = 32;
/// With more files than this, a checkpoint syncs their file system instead of each file.
const MAX_SYNCED_EACH: usize = 32;
/// A run of zeros of this length is not written, so that it takes no space.
const HOLE_BYTES: usize = 4096;

/// The part files.
pub(super) struct Parts {
    folder: Arc<Folder>,
    uid: TransferUid,
    open: BTreeMap<usize, File>,
    /// Files that were written since the last checkpoint.
    unsynced: BTreeSet<usize>,
    /// A folder on each file system that was written to.
    file_systems: HashMap<u64, OwnedFd>,
    /// Whether zeros are written too, because other bytes may stand there.
    writes_zeros: bool,
}

impl Parts {
    pub(super) fn new(folder: Arc<Folder>, uid: TransferUid) -> Self {
        Self {
            folder,
            uid,
            open: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            file_systems: HashMap::new(),
            writes_zeros: false,
        }
    }

    /// The name of a part file: hidden, short, and of one transfer only.
    pub(super) fn name(&self, entry: usize) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut name = String::from(".conns-");
        for byte in self.uid.0.iter().take(8) {
            // Writing to a String does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        let _ = write!(name, "-{entry}.part");
        name.into_bytes()
    }

    pub(super) fn make_folder(&self, path: &RelativePath) -> io::Result<()> {
        self.folder.place(path, true)?.make_folder()
    }

    /// What stands at a target; `None` too if a folder on the way is missing.
    pub(super) fn find(&self, path: &RelativePath) -> io::Result<Option<Found>> {
        match self.place(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(place) => place.find(),
        }
    }

    /// The place of a target.
    pub(super) fn place<'a>(&'a self, path: &'a RelativePath) -> io::Result<Place<'a>> {
        self.folder.place(path, false)
    }

    /// Writes bytes to the part file of an entry.
    pub(super) fn write(
        &mut self,
        entry: usize,
        of: &Entry,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        self.write_bytes(entry, of, offset, bytes)
            .map_err(|error| io_failure("write", &of.path, &error))
    }

    fn write_bytes(
        &mut self,
        entry: usize,
        of: &Entry,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.open_part(entry, of)?;
        self.unsynced.insert(entry);
        let Some(file) = self.open.get(&entry) else { return Ok(()) };
        let mut at = offset;
        let mut run = (offset, 0..0);
        for (block, begin) in bytes.chunks(HOLE_BYTES).zip((0..).step_by(HOLE_BYTES)) {
            let end = begin + block.len();
            if self.writes_zeros || !is_zero(block) {
                if run.1.end != begin || run.1.is_empty() {
                    write_run(file, &run, bytes)?;
                    run = (at, begin..begin);
                }
                run.1.end = end;
            }
            at += block.len() as u64;
        }
        write_run(file, &run, bytes)?;
        if self.open.len() > MAX_OPEN
            && let Some(first) = self.open.keys().find(|open| **open != entry).copied()
        {
            self.open.remove(&first);
        }
        Ok(())
    }

    /// Opens a part file, and gives a new one its length.
    fn open_part(&mut self, entry: usize, of: &Entry) -> io::Result<()> {
        if self.open.contains_key(&entry) {
            return Ok(());
        }
        let name = self.name(entry);
        let target = self.folder.place(&of.path, true)?;
        let place = target.named(&name);
        let file = place.open_to_write()?;
        let metadata = file.metadata()?;
        if let EntryKind::File { bytes } = of.kind
            && metadata.len() != bytes
        {
            file.set_len(bytes)?;
        }
        if let std::collections::hash_map::Entry::Vacant(slot) =
            self.file_systems.entry(std::os::unix::fs::MetadataExt::dev(&metadata))
        {
            slot.insert(place.parent()?);
        }
        self.open.insert(entry, file);
        Ok(())
    }

    /// Makes all that was written durable, the names of the part files included.
    pub(super) fn sync(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        let unsynced = std::mem::take(&mut self.unsynced);
        if unsynced.len() > MAX_SYNCED_EACH {
            return self.sync_file_systems(manifest);
        }
        for entry in unsynced {
            let Some(of) = manifest.entries().get(entry) else { continue };
            self.sync_one(entry, of).map_err(|error| io_failure("sync", &of.path, &error))?;
        }
        Ok(())
    }

    /// Syncs each file system that was written to.
    pub(super) fn sync_file_systems(&self, manifest: &Manifest) -> Result<(), Failure> {
        for folder in self.file_systems.values() {
            rustix::fs::syncfs(folder).map_err(|error| {
                let first = manifest.entries().first().map(|entry| &entry.path);
                let failure = first.map(|path| io_failure("sync", path, &error.into()));
                failure.unwrap_or_else(|| {
                    super::failure(
                        conns_transfer::frames::FailureCode::TargetUnwritable,
                        error.to_string(),
                    )
                })
            })?;
        }
        Ok(())
    }

    fn sync_one(&mut self, entry: usize, of: &Entry) -> io::Result<()> {
        let place = self.folder.place(&of.path, false)?;
        match self.open.get(&entry) {
            Some(file) => file.sync_data()?,
            // fdatasync writes what any descriptor of the file wrote.
            None => place.named(&self.name(entry)).open_existing()?.sync_data()?,
        }
        Ok(rustix::fs::fsync(place.parent()?)?)
    }

    /// Writes zeros from now on: chunks are sent again with other bytes.
    pub(super) fn write_zeros(&mut self) {
        self.writes_zeros = true;
    }

    pub(super) fn close(&mut self) {
        self.open.clear();
    }

    pub(super) fn remove(&mut self, entry: usize, path: &RelativePath) -> io::Result<()> {
        self.open.remove(&entry);
        self.folder.place(path, false)?.named(&self.name(entry)).remove()
    }

    /// Notes the file system of a folder.
    pub(super) fn add_file_system(&mut self, device: u64, folder: OwnedFd) {
        self.file_systems.entry(device).or_insert(folder);
    }
}

fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks::<16>();
    words.iter().all(|word| *word == [0; 16]) && rest.iter().all(|byte| *byte == 0)
}

fn write_run(file: &File, run: &(u64, std::ops::Range<usize>), bytes: &[u8]) -> io::Result<()> {
    match bytes.get(run.1.clone()) {
        Some(run_bytes) if !run_bytes.is_empty() => file.write_all_at(run_bytes, run.0),
        _ => Ok(()),
    }
}

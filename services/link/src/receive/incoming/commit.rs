//! The end of a transfer: mode, time, sync, rename.

use std::fs::{FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conns_transfer::frames::{Failure, Overwrite};
use conns_transfer::manifest::{Entry, EntryKind, Modified};
use conns_transfer::ranges::Ranges;

use super::{Incoming, io_failure};

/// The permissions that a received file gets. Set-user-ID, set-group-ID and sticky are not: a remote sender must not
/// make programs that run as the owner of the folder.
const PERMISSION_BITS: u32 = 0o777;

impl Incoming {
    /// Gives all files their names; returns the chunks of those that are neither a part file nor a target.
    ///
    /// May be repeated after a kill: a file without a part file was renamed before.
    pub(super) fn commit(&mut self) -> Result<Option<Ranges>, Failure> {
        self.parts.close();
        let mut missing = Vec::new();
        for (entry, of) in self.manifest.entries().iter().enumerate() {
            let EntryKind::File { bytes } = of.kind else { continue };
            let name = self.parts.name(entry);
            let prepared = self.parts.place(&of.path).and_then(|target| {
                match target.named(&name).open_part() {
                    Ok(file) => {
                        set_metadata(&file, of)?;
                        Ok(Some((file.metadata()?.dev(), target.parent()?)))
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                }
            });
            match prepared.map_err(|error| io_failure("set the mode of", &of.path, &error))? {
                Some((device, parent)) => self.parts.add_file_system(device, parent),
                None => {
                    let found = self.parts.find(&of.path);
                    let found = found.map_err(|error| io_failure("look up", &of.path, &error))?;
                    if !found.is_some_and(|found| found.is_file && found.bytes == bytes) {
                        missing.push(entry);
                    }
                }
            }
        }
        if !missing.is_empty() {
            return Ok(Some(self.chunks_of(&missing)));
        }
        self.parts.sync_file_systems(&self.manifest)?;
        self.rename_all()?;
        self.set_folders()?;
        self.parts.sync_file_systems(&self.manifest)?;
        Ok(None)
    }

    fn rename_all(&self) -> Result<(), Failure> {
        for (entry, of) in self.manifest.entries().iter().enumerate() {
            let EntryKind::File { bytes } = of.kind else { continue };
            let name = self.parts.name(entry);
            let failed = |error: io::Error| io_failure("rename to", &of.path, &error);
            let target = self.parts.place(&of.path).map_err(failed)?;
            let part = target.named(&name);
            if part.find().map_err(failed)?.is_none() {
                continue;
            }
            if self.row.overwrite == Overwrite::Same {
                self.check_target(&of.path, bytes)?;
            }
            let replace = self.row.overwrite != Overwrite::Never;
            part.rename(target.name(), replace).map_err(failed)?;
        }
        Ok(())
    }

    /// Sets mode and time of folders, the deepest first, since a file in a folder changes its time.
    fn set_folders(&self) -> Result<(), Failure> {
        let folders = self.manifest.entries().iter().rev();
        for of in folders.filter(|entry| entry.kind == EntryKind::Folder) {
            self.parts
                .place(&of.path)
                .and_then(|place| set_metadata(&place.open_existing()?, of))
                .map_err(|error| io_failure("set the mode of", &of.path, &error))?;
        }
        Ok(())
    }

    /// The chunks that have bytes of these files.
    fn chunks_of(&self, entries: &[usize]) -> Ranges {
        let mut ranges = Ranges::default();
        for &entry in entries {
            if let Some(range) = self.chunks.parts_of(entry) {
                // More ranges than a set has are sent with the next round.
                let _ = ranges.insert(range);
            }
        }
        for index in 0..self.chunks.count() {
            if let Some(conns_transfer::chunks::Chunk::Pack { entries: packed, .. }) =
                self.chunks.get(index)
                && packed.iter().any(|entry| entries.binary_search(entry).is_ok())
            {
                let _ = ranges.insert(index..index + 1);
            }
        }
        ranges
    }
}

fn set_metadata(file: &std::fs::File, of: &Entry) -> io::Result<()> {
    let owner = if of.kind == EntryKind::Folder { 0o700 } else { 0 };
    file.set_permissions(Permissions::from_mode(of.mode & PERMISSION_BITS | owner))?;
    file.set_times(FileTimes::new().set_modified(time_of(of.modified)))
}

fn time_of(modified: Modified) -> SystemTime {
    let whole = Duration::from_secs(modified.seconds.unsigned_abs());
    let rest = Duration::from_nanos(u64::from(modified.nanoseconds));
    let second = if modified.seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    second.and_then(|second| second.checked_add(rest)).unwrap_or(UNIX_EPOCH)
}

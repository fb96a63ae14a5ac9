//! Makes a manifest of files and folders of this machine.
//!
//! Symbolic links are never followed, and neither they nor sockets, pipes and devices are sent: they are counted. Each
//! name of a hard link is a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use conns_transfer::frames::{MODE_BITS, Modified};
use conns_transfer::manifest::{Entry, EntryKind, MAX_ENTRIES, Manifest, ManifestError};
use conns_transfer::names::{NameError, RelativePath};

use crate::paths::bytes_of_path;
use crate::store::{Source, Stamp};

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) manifest: Manifest,
    /// Where each entry is, in the order of the manifest.
    pub(crate) sources: Vec<Source>,
    /// Symbolic links that were omitted.
    pub(crate) links: u64,
    /// Sockets, pipes and devices that were omitted.
    pub(crate) special: u64,
}

impl Walked {
    /// What was omitted, in words; `None` if nothing was.
    pub(crate) fn omitted(&self) -> Option<String> {
        let Self { links, special, .. } = self;
        match (links, special) {
            (0, 0) => None,
            (_, 0) => Some(format!("{links} symbolic links are not sent")),
            (0, _) => Some(format!("{special} sockets, pipes or devices are not sent")),
            _ => Some(format!(
                "{links} symbolic links and {special} sockets, pipes or devices are not sent"
            )),
        }
    }
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("{0} is neither a file nor a folder (symbolic links are not followed)")]
    NotAFile(PathBuf),
    #[error("cannot send {path}: {error}")]
    Name { path: PathBuf, error: NameError },
    #[error("{0} has more than {MAX_ENTRIES} files and folders")]
    TooMany(PathBuf),
    #[error("{0}")]
    Manifest(#[from] ManifestError),
}

/// Walks the sources of `mappings`, pairs of the path at the receiver and the path here.
pub(crate) fn walk(mappings: &[(PathBuf, PathBuf)]) -> Result<Walked, WalkError> {
    let mut walk = Walk { entries: Vec::new(), sources: Vec::new(), links: 0, special: 0 };
    for (target, source) in mappings {
        let metadata = metadata(source)?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(WalkError::NotAFile(source.clone()));
        }
        walk.add(target.clone(), source.clone(), &metadata)?;
    }
    let Walk { entries, sources, links, special } = walk;
    Ok(Walked { manifest: Manifest::new(entries)?, sources, links, special })
}

/// What shows whether a file changed.
pub(crate) fn stamp(metadata: &Metadata) -> Stamp {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stamp {
        bytes: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
    }
}

struct Walk {
    entries: Vec<Entry>,
    sources: Vec<Source>,
    links: u64,
    special: u64,
}

impl Walk {
    /// Adds a path and what is below it. The depth is bounded by the length of a path.
    fn add(
        &mut self,
        target: PathBuf,
        source: PathBuf,
        metadata: &Metadata,
    ) -> Result<(), WalkError> {
        let kind = metadata.file_type();
        if kind.is_symlink() {
            self.links += 1;
            return Ok(());
        }
        if !kind.is_file() && !kind.is_dir() {
            self.special += 1;
            return Ok(());
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(WalkError::TooMany(source));
        }
        let path = RelativePath::new(bytes_of_path(&target))
            .map_err(|error| WalkError::Name { path: source.clone(), error })?;
        let kind = if kind.is_dir() {
            EntryKind::Folder
        } else {
            EntryKind::File { bytes: metadata.len() }
        };
        self.entries.push(Entry {
            path,
            kind,
            mode: metadata.mode() & MODE_BITS,
            modified: Modified {
                seconds: metadata.mtime(),
                nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            },
        });
        self.sources.push(Source { path: source.clone(), stamp: stamp(metadata) });
        if metadata.is_dir() {
            self.add_folder(&target, &source)?;
        }
        Ok(())
    }

    fn add_folder(&mut self, target: &Path, source: &Path) -> Result<(), WalkError> {
        let failed = |error| WalkError::Read { path: source.to_owned(), error };
        let listed: io::Result<Vec<_>> =
            fs::read_dir(source).map_err(failed)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = listed.map_err(failed)?;
        names.sort_unstable();
        for name in names {
            let source = source.join(&name);
            match metadata(&source) {
                Ok(metadata) => self.add(target.join(&name), source, &metadata)?,
                // A file that was removed since the folder was listed was not there.
                Err(WalkError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn metadata(path: &Path) -> Result<Metadata, WalkError> {
    fs::symlink_metadata(path).map_err(|error| WalkError::Read { path: path.to_owned(), error })
}

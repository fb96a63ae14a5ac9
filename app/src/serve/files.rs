//! The files that the configuration consists of: itself, the certificate and its key.
//!
//! The serving process opens no file, so the collector reads them and passes on what it has read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The contents of each file that was read; `None` of one that does not exist. All are text: TOML and PEM.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FileContents(RefCell<BTreeMap<PathBuf, Option<String>>>);

impl FileContents {
    /// Reads a file, and keeps its contents.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let contents = fs::read(path);
        let text = contents.as_ref().ok().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        self.0.borrow_mut().insert(path.to_owned(), text);
        contents
    }

    /// The contents of a file that was kept.
    #[cfg(target_os = "linux")]
    pub(crate) fn kept(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.borrow().get(path).cloned().flatten();
        found.map(String::into_bytes).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The text of a file.
pub(crate) fn text(contents: io::Result<Vec<u8>>) -> io::Result<String> {
    let not_text = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(contents?).map_err(not_text)
}

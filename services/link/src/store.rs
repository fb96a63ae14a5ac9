//! What a link server keeps across restarts, in one SQLite file: destinations, manifests, transfers, and what it received.
//!
//! Every change is durable when its call returns (`synchronous = FULL`), and a process that is killed leaves whole
//! transactions. One process at a time opens a file.

mod destinations;
mod manifests;
mod received;
mod transfers;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conns_transfer::record::Word;
use rusqlite::{Connection, OptionalExtension};
use rustix::fs::FlockOperation;

pub(crate) use destinations::{DestinationId, DestinationRow, Learned};
pub(crate) use manifests::{ManifestRow, Source, Stamp};
pub(crate) use received::{ReceivedRow, ReceivedState};
pub(crate) use transfers::{Sent, Totals, TransferRow};

/// Format of the file.
const FORMAT: i64 = 2;
/// What the columns of format 2 add to format 1.
const FORMAT_2: &str = "begin;
    alter table transfers add column is_awaited integer not null default 0;
    alter table transfers add column restarts integer not null default 0;
    pragma user_version = 2;
    commit;";

/// An open store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Mutex<Connection>,
    /// Locked while the store is open.
    _lock: File,
}

/// Why the store does not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{0} is in use by another conns process; stop it, or use another key")]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("cannot use the folder {path}: {error}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file was written by a later version.
    #[error(
        "{path} has format {format}, and this version reads no format after {FORMAT}; run the version of conns that wrote it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: i64,
    },
    /// SQLite failed.
    #[error("cannot read or write the link's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A value in the file is not one that this program writes.
    #[error("the link's database has a damaged {0}")]
    Damaged(&'static str),
}

impl Store {
    /// Opens the store in `folder`, which is created with mode 0700.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Folder { path: folder.to_owned(), error };
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            match error {
                rustix::io::Errno::WOULDBLOCK => StoreError::InUse(folder.to_owned()),
                error => failed(error.into()),
            }
        })?;
        let path = folder.join("link.db");
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match format {
            0 => {
                connection.execute_batch(include_str!("store/schema.sql"))?;
                connection.pragma_update(None, "user_version", FORMAT)?;
            }
            1 => connection.execute_batch(FORMAT_2)?,
            FORMAT => {}
            format => return Err(StoreError::Newer { path, format }),
        }
        Ok(Self(Arc::new(Shared { connection: Mutex::new(connection), _lock: lock })))
    }

    /// The lasting id of the server; drawn with the first call.
    pub(crate) fn server_uid(&self, drawn: [u8; 16]) -> Result<[u8; 16], StoreError> {
        let connection = self.lock();
        connection
            .execute("insert or ignore into settings values ('server_uid', ?1)", [&drawn[..]])?;
        let select = "select value from settings where name = 'server_uid'";
        let bytes: Vec<u8> = connection.query_row(select, [], |row| row.get(0))?;
        bytes.try_into().map_err(|_| StoreError::Damaged("server uid"))
    }

    /// A limit of the server, in bytes a second.
    pub(crate) fn limit(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let select = "select value from settings where name = ?1";
        let found: Option<i64> =
            self.lock().query_row(select, [name], |row| row.get(0)).optional()?;
        Ok(found.and_then(|rate| u64::try_from(rate).ok()))
    }

    /// Sets or removes a limit of the server.
    pub(crate) fn set_limit(&self, name: &str, rate: Option<u64>) -> Result<(), StoreError> {
        let connection = self.lock();
        match rate {
            Some(rate) => connection.execute(
                "insert or replace into settings values (?1, ?2)",
                (name, i64::try_from(rate).unwrap_or(i64::MAX)),
            )?,
            None => connection.execute("delete from settings where name = ?1", [name])?,
        };
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value of 16 or 32 bytes.
fn array<const N: usize>(bytes: Vec<u8>, what: &'static str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged(what))
}

/// SQLite's integers are signed; sizes and rates stay below 2^63.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The value of a word, as the records have it too.
fn value_of<T: Word>(word: &str) -> Option<T> {
    T::VALUES.iter().copied().find(|value| value.word() == word)
}

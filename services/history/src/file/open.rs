//! Opens the file: creates it, sets a damaged or newer one aside, and keeps a second writer out.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::budget::{RESERVED_PART, SPARE_PART};
use super::{Budget, HistoryFile, PAGE_BYTES};

/// The format of the file. In format 1 blocks have no checksums, and sums do not count what is missing from them; such blocks and sums
/// are read in a file of any format.
const FORMAT: i64 = 2;
/// Marks the file as one of ours: `conn` in ASCII.
const APPLICATION: i64 = 0x636f_6e6e;
/// Smallest size: below, a minute of a busy machine does not fit.
const MIN_SIZE_BYTES: u64 = 16 * 1024 * 1024;
/// A write waits that long for another program that reads the file, such as sqlite3.
const BUSY: Duration = Duration::from_millis(500);

/// A file that was not usable, and is kept under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its new name.
    pub path: PathBuf,
    /// Why it was set aside.
    pub why: String,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Another agent writes it.
    #[error("{0} is written by another agent; give this one another `history.path`")]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("cannot {attempt} {path}: {error}")]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// There is none.
    #[error(
        "there is no history at {0}: an agent keeps one (`conns serve`), unless `history.size` is 0"
    )]
    NotThere(PathBuf),
    /// It was written by a later version, or is no history.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// SQLite failed.
    #[error("cannot read or write the history {path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl HistoryError {
    fn file(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File { attempt, path: path.to_owned(), error }
    }

    pub(crate) fn sqlite(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |error| Self::Sqlite { path: path.to_owned(), error }
    }
}

/// Opens the file to write it. It takes at most `size_bytes`, its log included.
///
/// # Errors
/// [`HistoryError`].
pub(crate) fn open(
    path: &Path,
    size_bytes: u64,
    now_us: i64,
) -> Result<(HistoryFile, Option<SetAside>), HistoryError> {
    if let Some(folder) = path.parent() {
        create_folder(folder).map_err(HistoryError::file("create", folder))?;
    }
    let lock_path = beside(path, ".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.map_err(HistoryError::file("open", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(HistoryError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => {
            return Err(HistoryError::file("lock", &lock_path)(error));
        }
    }
    let (connection, set_aside) = match opened(path, size_bytes) {
        Ok(connection) => (connection, None),
        Err(Unusable::Other(error)) => return Err(HistoryError::sqlite(path)(error)),
        Err(Unusable::SetAside(why)) => {
            let set_aside = set_aside(path, now_us, why)?;
            let connection = opened(path, size_bytes).map_err(|error| match error {
                Unusable::Other(error) => HistoryError::sqlite(path)(error),
                Unusable::SetAside(why) => HistoryError::Unreadable { path: path.to_owned(), why },
            })?;
            (connection, Some(set_aside))
        }
    };
    let bytes = i64::try_from(size_bytes.max(MIN_SIZE_BYTES)).unwrap_or(i64::MAX);
    let budget =
        Budget::read(&connection, Budget::of_size(bytes)).map_err(HistoryError::sqlite(path))?;
    let file = HistoryFile {
        connection,
        budget,
        spare_part: SPARE_PART,
        log_pages: 0,
        max_log_pages: log_bytes(bytes) / PAGE_BYTES / 2,
        lock,
    };
    Ok((file, set_aside))
}

/// How a reader opens the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAccess {
    /// Nothing can be written by what is opened. There must be a writer, which has made the index of the log.
    OfAgent,
    /// SQLite makes that index anew if there is none.
    OfUser,
}

/// Opens the file to read it, also while an agent writes it.
///
/// # Errors
/// [`HistoryError`].
pub(crate) fn open_to_read(path: &Path, access: ReadAccess) -> Result<Connection, HistoryError> {
    if !path.try_exists().map_err(HistoryError::file("find", path))? {
        return Err(HistoryError::NotThere(path.to_owned()));
    }
    let sqlite = || HistoryError::sqlite(path);
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read_only = || {
        let uri = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(read_only_uri(path), flags | uri)
    };
    let read_write =
        || Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = match access {
        ReadAccess::OfAgent => read_only(),
        ReadAccess::OfUser => read_write().or_else(|_| read_only()),
    };
    let connection = connection.map_err(sqlite())?;
    connection.busy_timeout(BUSY).map_err(sqlite())?;
    let read = || -> rusqlite::Result<i64> {
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        // Opens the log too, so that nothing needs opening later.
        connection.query_row("select count(*) from removed", [], |row| row.get::<_, i64>(0))?;
        connection.query_row("pragma user_version", [], |row| row.get(0))
    };
    match read() {
        Ok(1..=FORMAT) => Ok(connection),
        Ok(format) => Err(HistoryError::Unreadable {
            path: path.to_owned(),
            why: format!("it has format {format}, and this version reads formats up to {FORMAT}"),
        }),
        Err(error) => Err(HistoryError::sqlite(path)(error)),
    }
}

/// The path as SQLite reads names of files (<https://sqlite.org/uri.html>), with an index of the log that is only read.
fn read_only_uri(path: &Path) -> String {
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    format!("file:{path}?readonly_shm=1")
}

/// Creates the folder of the file with mode 0700: the history has addresses and names of processes. Those above it have the
/// mode of others, as they may have more in them.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(suffix);
    name.into()
}

/// Why an existing file is not opened.
enum Unusable {
    /// It is damaged, or from a later version.
    SetAside(String),
    /// It may be usable another time.
    Other(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        match code {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::SetAside(error.to_string())
            }
            _ => Self::Other(error),
        }
    }
}

fn opened(path: &Path, size_bytes: u64) -> Result<Connection, Unusable> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    private(path);
    connection.busy_timeout(BUSY)?;
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("pragma {pragma}"), [], |row| row.get(0))
    };
    let tables = "select count(*) from sqlite_schema";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    if tables == 0 {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    } else if number("application_id")? != APPLICATION {
        return Err(Unusable::SetAside("it is no history of conns".to_owned()));
    } else if number("user_version")? > FORMAT {
        return Err(Unusable::SetAside("it was written by a later version".to_owned()));
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    let bytes = i64::try_from(size_bytes.max(MIN_SIZE_BYTES)).unwrap_or(i64::MAX);
    let log = log_bytes(bytes);
    connection.pragma_update(None, "max_page_count", (bytes - log) / PAGE_BYTES)?;
    connection.pragma_update(None, "journal_size_limit", log)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    if tables == 0 {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.commit()?;
    }
    // What is written from now on is of this format, which an earlier version is to refuse.
    connection.pragma_update(None, "user_version", FORMAT)?;
    let sql = "insert into state (name, value) values ('size_bytes', ?1) on conflict do update set value = ?1";
    connection.execute(sql, [bytes])?;
    // Reads a page of each table, so that a damaged one is found now.
    for table in ["blocks", "sums", "state", "removed", "watched"] {
        let sql = format!("select count(*) from {table}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?;
    }
    Ok(connection)
}

/// The bytes that the log may take in a file of that size: half of what is not for blocks and sums.
fn log_bytes(size: i64) -> i64 {
    size / RESERVED_PART / 2
}

/// Only the account of the agent reads the file.
fn private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A file system without modes has the mode of its mount.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Renames the file and its log.
fn set_aside(path: &Path, now_us: i64, why: String) -> Result<SetAside, HistoryError> {
    let seconds = now_us / 1_000_000;
    let renamed = beside(path, &format!(".set-aside-{seconds}"));
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(&renamed, suffix));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(HistoryError::file("rename", &from)(error)),
        }
    }
    Ok(SetAside { path: renamed, why })
}

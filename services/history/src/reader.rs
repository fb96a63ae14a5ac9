//! Reads the file of the history: a session at a time, which sees one state of it while an agent goes on writing.

mod rows;
mod status;
mod sums;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use conns_core::model::{Loss, LossCause, Source};
use rusqlite::Connection;

use crate::file::{HistoryError, ReadAccess, open_to_read};
use crate::sums::Period;
use crate::table::Table;
use rows::KeptRows;
pub use status::{HistoryStatus, TableStatus};
use sums::SumsTable;

/// Reads a history. It opens nothing later, so a process can give up its access to files.
pub struct HistoryReader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    is_idle: Condvar,
}

/// One state of the history. While it is there, what it reads is neither merged nor removed.
pub struct Session {
    reader: Arc<HistoryReader>,
    connection: Mutex<Option<Connection>>,
    /// What was to be read and is damaged: blocks by their table and id, periods by their length and start.
    damaged: Mutex<BTreeMap<(i64, i64), Loss>>,
}

impl HistoryReader {
    /// Opens the file for as many sessions at a time.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn open(
        path: &Path,
        access: ReadAccess,
        sessions: usize,
    ) -> Result<Arc<Self>, HistoryError> {
        let idle = (0..sessions.max(1)).map(|_| open_to_read(path, access));
        let idle = Mutex::new(idle.collect::<Result<Vec<_>, _>>()?);
        Ok(Arc::new(Self { path: path.to_owned(), idle, is_idle: Condvar::new() }))
    }

    /// Begins a session; waits until another ends if all are in use.
    ///
    /// # Errors
    /// [`HistoryError`] if the file cannot be read.
    pub fn session(self: &Arc<Self>) -> Result<Arc<Session>, HistoryError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = loop {
            match idle.pop() {
                Some(connection) => break connection,
                None => {
                    idle = self.is_idle.wait(idle).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(idle);
        let reader = Arc::clone(self);
        // It is given back also where it cannot begin.
        let connection = Mutex::new(Some(connection));
        let session = Session { reader, connection, damaged: Mutex::default() };
        session.read(|connection| {
            connection.execute_batch("begin")?;
            // A transaction reads the state of its first read.
            connection.query_row("select count(*) from removed", [], |row| row.get::<_, i64>(0))
        })?;
        Ok(Arc::new(session))
    }
}

impl Session {
    /// Its kept tables.
    #[must_use]
    pub fn tables(self: &Arc<Self>) -> Vec<Arc<dyn Table>> {
        kept_tables(&Ok(Arc::clone(self)))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.reader.path
    }

    /// What is missing from the rows that were read since the last call, because the file is damaged: a loss for each table.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        by_table(self.take_damaged())
    }

    /// As [`Session::losses`], one for each block and period.
    pub(crate) fn take_damaged(&self) -> Vec<Loss> {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *damaged).into_values().collect()
    }

    /// Notes that a block, or the sums of a period, are damaged, of which `part` is the key.
    fn note_damaged(&self, part: (i64, i64), cause: LossCause, count: u64) {
        let loss = Loss { source: Source::History, cause, count };
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).insert(part, loss);
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads something of the file.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        match &*self.connection() {
            Some(connection) => read(connection).map_err(HistoryError::sqlite(&self.reader.path)),
            None => Err(HistoryError::NotThere(self.reader.path.clone())),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection().take() else { return };
        // Without a transaction there is nothing to end.
        let _ = connection.execute_batch("rollback");
        let mut idle = self.reader.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
        self.reader.is_idle.notify_one();
    }
}

/// Losses of one table as one: from the earliest time to the latest.
pub(crate) fn by_table(losses: Vec<Loss>) -> Vec<Loss> {
    let mut tables: Vec<Loss> = Vec::new();
    for loss in losses {
        let Some(known) = tables.iter_mut().find(|known| known.is_same_cause(&loss)) else {
            tables.push(loss);
            continue;
        };
        known.count = known.count.saturating_add(loss.count);
        if let (
            LossCause::HistoryDamaged { from_us, to_us, error, .. },
            LossCause::HistoryDamaged { from_us: from, to_us: to, error: last, .. },
        ) = (&mut known.cause, loss.cause)
        {
            (*from_us, *to_us, *error) = ((*from_us).min(from), (*to_us).max(to), last);
        }
    }
    tables
}

/// What the kept tables are read from, or why they cannot be read.
pub type KeptIn = Result<Arc<Session>, String>;

/// The kept tables. Where they cannot be read, a query that reads one fails with that reason.
#[must_use]
pub fn kept_tables(kept: &KeptIn) -> Vec<Arc<dyn Table>> {
    let rows = crate::kept::KeptTable::ALL
        .map(|table| Arc::new(KeptRows::new(table, kept.clone())) as Arc<dyn Table>);
    let sums =
        Period::ALL.map(|period| Arc::new(SumsTable::new(period, kept.clone())) as Arc<dyn Table>);
    rows.into_iter().chain(sums).chain(status::tables(kept)).collect()
}

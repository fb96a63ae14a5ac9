//! Keeps the write-ahead log short. Its pages are written back between transactions; where a reader holds them, the log grows, and
//! beyond a bound nothing is written until that reader ends.

use super::HistoryFile;

/// Pages from which on the log is written back, as SQLite itself does.
const WRITE_BACK_PAGES: i64 = 1000;

impl HistoryFile {
    /// Whether the log has room for a transaction.
    pub(crate) fn has_log(&mut self) -> rusqlite::Result<bool> {
        if self.log_pages >= self.max_log_pages {
            self.write_back()?;
        }
        Ok(self.log_pages < self.max_log_pages)
    }

    /// Notes a transaction.
    pub(crate) fn committed(&mut self) -> rusqlite::Result<()> {
        /// Pages of the tree that a transaction changes besides.
        const OTHERS: i64 = 8;
        self.log_pages += self.budget.take_written() / super::PAGE_BYTES + OTHERS;
        if self.log_pages >= WRITE_BACK_PAGES { self.write_back() } else { Ok(()) }
    }

    /// Writes pages of the log back into the file, as far as no reader needs them.
    fn write_back(&mut self) -> rusqlite::Result<()> {
        let sql = "pragma wal_checkpoint(passive)";
        let (pages, written): (i64, i64) =
            self.connection.query_row(sql, [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        // Once all are written back, the next transaction begins the log anew.
        self.log_pages = if pages == written { 0 } else { pages };
        Ok(())
    }
}

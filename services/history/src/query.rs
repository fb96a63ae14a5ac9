//! One query of a client: a connection of its own, which reads and cannot write, and bounds on all that it takes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode, Statement};

use crate::cell::Cell;
use crate::table::Table;
use crate::virtual_table::register;

/// Most bytes that SQLite allocates in this process, for all queries together.
const MAX_HEAP_BYTES: i64 = 128 * 1024 * 1024;
/// Instructions of SQLite between two readings of the clock; some ten microseconds.
const INSTRUCTIONS_PER_CHECK: i32 = 1000;
/// Bounds of SQLite (<https://sqlite.org/limits.html>). A text is short enough that functions whose time grows with the
/// square of it, such as `replace`, stay within the time.
const LIMITS: [(Limit, i32); 10] = [
    (Limit::SQLITE_LIMIT_LENGTH, 200_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 16_384),
    (Limit::SQLITE_LIMIT_COLUMN, 1000),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 20),
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 64),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// What a query may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryBounds {
    /// Most rows of the answer.
    pub rows: usize,
    /// Bytes of text from which on the answer gets no further row.
    pub bytes: usize,
    /// Longest time.
    pub time: Duration,
}

impl Default for QueryBounds {
    /// 10 000 rows and 32 MiB in 2 seconds.
    fn default() -> Self {
        Self { rows: 10_000, bytes: 32 * 1024 * 1024, time: Duration::from_secs(2) }
    }
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer {
    /// The names of the columns, as the query has them.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell<'static>>>,
    /// Whether there are more than a bound allows.
    pub has_more: bool,
}

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It is no statement that SQLite understands.
    #[error("cannot read the query: {0}")]
    Invalid(String),
    /// It is more than one statement, or none.
    #[error("expected one `select`, found {0}")]
    NotOne(&'static str),
    /// It asks for something that a query may not do.
    #[error("a query may only read: write one `select`, without `attach` and `pragma`")]
    NotPermitted,
    /// It took longer than its bound.
    #[error("the query took longer than {} s; select fewer rows or groups", .0.as_secs_f64())]
    TooLong(Duration),
    /// It took more memory than its bound, or a text became too long.
    #[error("the query needs too much memory ({0}); select fewer rows, columns or groups")]
    TooLarge(String),
    /// SQLite failed.
    #[error("cannot run the query: {0}")]
    Failed(String),
}

/// Runs one `select` over `tables`.
///
/// # Errors
/// [`QueryError`].
pub fn query(
    tables: &[Arc<dyn Table>],
    sql: &str,
    bounds: QueryBounds,
) -> Result<QueryAnswer, QueryError> {
    let deadline = Instant::now() + bounds.time;
    let connection = open(tables, deadline).map_err(|error| QueryError::of(error, bounds))?;
    let mut statement = connection.prepare(sql).map_err(|error| QueryError::of(error, bounds))?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if columns.is_empty() {
        return Err(QueryError::NotOne("no statement that has rows"));
    }
    let mut answer = QueryAnswer { columns, rows: Vec::new(), has_more: false };
    read_rows(&mut statement, bounds, &mut answer)
        .map_err(|error| QueryError::of(error, bounds))?;
    Ok(answer)
}

/// The names of those of `tables` that a query reads.
///
/// # Errors
/// [`QueryError`] if it is none that [`query`] runs.
pub fn tables_read(tables: &[Arc<dyn Table>], sql: &str) -> Result<Vec<String>, QueryError> {
    let bounds = QueryBounds::default();
    let of = |error| QueryError::of(error, bounds);
    let mut connection = open(tables, Instant::now() + bounds.time).map_err(of)?;
    let read = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&read);
    let note = move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, .. } = context.action {
            let mut read = noted.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(table_name.to_owned());
        }
        permit(context)
    };
    connection.authorizer(Some(note)).map_err(of)?;
    connection.prepare(sql).map_err(of)?;
    let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(read.into_iter().collect())
}

fn read_rows(
    statement: &mut Statement<'_>,
    bounds: QueryBounds,
    answer: &mut QueryAnswer,
) -> Result<(), Error> {
    let mut bytes = 0;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if answer.rows.len() >= bounds.rows || bytes >= bounds.bytes {
            answer.has_more = true;
            break;
        }
        let cells = (0..answer.columns.len()).map(|at| Ok(Cell::of_sqlite(row.get_ref(at)?)));
        let cells = cells.collect::<Result<Vec<_>, Error>>()?;
        bytes += cells.iter().map(Cell::text_bytes).sum::<usize>();
        answer.rows.push(cells);
    }
    Ok(())
}

/// A connection that has these tables and nothing else, and can write nothing.
fn open(tables: &[Arc<dyn Table>], deadline: Instant) -> Result<Connection, Error> {
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "hard_heap_limit", MAX_HEAP_BYTES)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A word in double quotes that is no column is an error, and not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    for table in tables {
        register(&connection, Arc::clone(table))?;
    }
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    connection
        .progress_handler(INSTRUCTIONS_PER_CHECK, Some(move || Instant::now() >= deadline))?;
    connection.authorizer(Some(permit))?;
    Ok(connection)
}

/// Permits reading, and functions of SQLite; a list of what is permitted, so that anything new is not.
fn permit(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if !is_of_files(function_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// Whether a function reads or loads files, in any build of SQLite.
fn is_of_files(name: &str) -> bool {
    ["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// The message of `SQLITE_NOMEM` (<https://sqlite.org/rescode.html>).
const NO_MEMORY: &str = "out of memory";

impl QueryError {
    fn of(error: Error, bounds: QueryBounds) -> Self {
        match &error {
            Error::Empty => return Self::NotOne("none"),
            Error::MultipleStatement => return Self::NotOne("several statements"),
            Error::InvalidParameterCount(..) => {
                let why = "it has parameters (`?`, `:name`, `@name`): write their values";
                return Self::Invalid(why.to_owned());
            }
            Error::SqliteFailure(cause, message) => {
                let text = message.clone().unwrap_or_else(|| cause.to_string());
                return match cause.code {
                    ErrorCode::OperationInterrupted => Self::TooLong(bounds.time),
                    ErrorCode::OutOfMemory | ErrorCode::TooBig => Self::TooLarge(text),
                    ErrorCode::AuthorizationForStatementDenied => Self::NotPermitted,
                    // The bound is that of the process, so reading a kept table may be what met it.
                    _ if text.ends_with(NO_MEMORY) => Self::TooLarge(text),
                    ErrorCode::Unknown => Self::Invalid(text),
                    _ => Self::Failed(text),
                };
            }
            Error::SqlInputError { error: cause, msg, offset, .. } => {
                return match cause.code {
                    ErrorCode::AuthorizationForStatementDenied => Self::NotPermitted,
                    ErrorCode::OutOfMemory | ErrorCode::TooBig => Self::TooLarge(msg.clone()),
                    _ => match usize::try_from(*offset) {
                        Ok(offset) => Self::Invalid(format!("{msg} at byte {}", offset + 1)),
                        Err(_) => Self::Invalid(msg.clone()),
                    },
                };
            }
            _ => {}
        }
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_kept_table_that_cannot_be_read_for_lack_of_memory_is_a_bound_of_the_query() {
        let of = |code, message: &str| {
            let error = Error::SqliteFailure(ffi::Error::new(code), Some(message.to_owned()));
            QueryError::of(error, QueryBounds::default())
        };
        let message = "cannot read or write the history /h.db: out of memory";
        assert!(matches!(of(ffi::SQLITE_ERROR, message), QueryError::TooLarge(_)));
        assert!(matches!(of(ffi::SQLITE_IOERR, "disk I/O error"), QueryError::Failed(_)));
    }

    #[test]
    fn parameters_have_no_values() {
        for sql in ["select ?", "select :name", "select 1 order by @name"] {
            let answer = query(&[], sql, QueryBounds::default());
            assert!(matches!(answer, Err(QueryError::Invalid(_))), "{sql}: {answer:?}");
        }
    }
}

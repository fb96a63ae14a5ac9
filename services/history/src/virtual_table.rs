//! A [`Table`] as a virtual table of SQLite (<https://sqlite.org/vtab.html>): rows are made when a query reads them, and only
//! the columns that it names.

#![allow(
    unsafe_code,
    reason = "rusqlite's traits are unsafe, because SQLite reads the first field of what implements them"
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection,
    VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result, ffi};

use crate::table::{Scan, Table, Times};

/// Makes `table` known to queries of `connection`, under its name.
pub(crate) fn register(connection: &Connection, table: Arc<dyn Table>) -> Result<()> {
    const MODULE: Module<'_, Virtual> = Module::eponymous_only_module();
    let name = table.name();
    connection.create_module(name, &MODULE, Some(table))
}

/// The `create table` that declares the columns.
fn declaration(table: &dyn Table) -> Result<CString> {
    let columns: Vec<String> = table
        .columns()
        .iter()
        .map(|column| format!("\"{}\" {}", column.name.replace('"', "\"\""), column.kind.word()))
        .collect();
    let declaration = format!("create table x({})", columns.join(", "));
    CString::new(declaration).map_err(|error| Error::ModuleError(error.to_string()))
}

/// What SQLite has open of a table. `base` is its first field, as `sqlite3_vtab` asks for.
#[repr(C)]
struct Virtual {
    base: sqlite3_vtab,
    table: Arc<dyn Table>,
}

// SAFETY: `repr(C)`, and the first field is a `sqlite3_vtab`.
unsafe impl<'vtab> VTab<'vtab> for Virtual {
    type Aux = Arc<dyn Table>;
    type Cursor = Cursor<'vtab>;

    fn connect(
        connection: &mut VTabConnection,
        table: Option<&Self::Aux>,
        module: &[u8],
        _database: &[u8],
        _name: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let missing =
            || Error::ModuleError(format!("no rows of table {}", String::from_utf8_lossy(module)));
        let table = Arc::clone(table.ok_or_else(missing)?);
        connection.config(VTabConfig::Innocuous)?;
        let declaration = declaration(&*table)?;
        Ok((Cow::Owned(declaration), Self { base: sqlite3_vtab::default(), table }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let rows = self.table.estimated_rows();
        let mut bounds = String::new();
        for (constraint, mut usage) in info.constraints_and_usages() {
            let column = usize::try_from(constraint.column()).ok();
            let is_time = column.is_some_and(|column| self.table.time_columns().contains(&column));
            let Some(bound) =
                bound(constraint.operator()).filter(|_| is_time && constraint.is_usable())
            else {
                continue;
            };
            bounds.push(bound);
            usage.set_argv_index(c_int::try_from(bounds.len()).unwrap_or(c_int::MAX));
        }
        // A time is a part of all.
        let rows = rows >> bounds.len().min(4);
        info.set_estimated_rows(i64::try_from(rows).unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        info.set_estimated_cost(rows as f64);
        info.set_idx_str(&bounds);
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor<'vtab>> {
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), table: &*self.table, scan: None, row: 0 })
    }
}

/// What a comparison with a time bounds: its first, its last, or both.
fn bound(operator: IndexConstraintOp) -> Option<char> {
    use IndexConstraintOp as Op;
    match operator {
        Op::SQLITE_INDEX_CONSTRAINT_GT | Op::SQLITE_INDEX_CONSTRAINT_GE => Some('f'),
        Op::SQLITE_INDEX_CONSTRAINT_LT | Op::SQLITE_INDEX_CONSTRAINT_LE => Some('t'),
        Op::SQLITE_INDEX_CONSTRAINT_EQ => Some('e'),
        _ => None,
    }
}

/// The times of bounds, given with their values. SQLite compares each row too, so they may be too wide.
fn times<'v>(bounds: &str, values: impl Iterator<Item = ValueRef<'v>>) -> Times {
    let mut times = Times::ALL;
    for (bound, value) in bounds.chars().zip(values) {
        let (least, most) = match value {
            ValueRef::Integer(us) => (us, us),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "beyond the range it is the end of it"
            )]
            ValueRef::Real(us) => (us.floor() as i64, us.ceil() as i64),
            ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => continue,
        };
        if bound != 't' {
            times.from_us = times.from_us.max(least);
        }
        if bound != 'f' {
            times.to_us = times.to_us.min(most);
        }
    }
    times
}

/// The error of a table whose rows cannot be read, which is not one of the query.
fn unreadable(why: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(why))
}

/// A place in a table. `base` is its first field, as `sqlite3_vtab_cursor` asks for.
#[repr(C)]
struct Cursor<'vtab> {
    base: sqlite3_vtab_cursor,
    table: &'vtab dyn Table,
    /// `None` before the first row, and after the last.
    scan: Option<Box<dyn Scan + 'vtab>>,
    row: i64,
}

impl Cursor<'_> {
    fn advance(&mut self) -> Result<()> {
        self.row += 1;
        let has_row = match &mut self.scan {
            Some(scan) => scan.next().map_err(unreadable)?,
            None => false,
        };
        if !has_row {
            self.scan = None;
        }
        Ok(())
    }
}

// SAFETY: `repr(C)`, and the first field is a `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, _index: c_int, name: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let times = times(name.unwrap_or_default(), arguments.iter());
        self.scan = Some(self.table.scan(times).map_err(unreadable)?);
        self.row = -1;
        self.advance()
    }

    fn next(&mut self) -> Result<()> {
        self.advance()
    }

    fn eof(&self) -> bool {
        self.scan.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        match &self.scan {
            Some(scan) => context.set_result(scan.cell(column).map_err(unreadable)?),
            None => Ok(()),
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row)
    }
}

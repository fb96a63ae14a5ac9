//! A [`Table`] as a virtual table of SQLite (<https://sqlite.org/vtab.html>): rows are made when a query reads them, and only
//! the columns that it names.

#![allow(
    unsafe_code,
    reason = "rusqlite's traits are unsafe, because SQLite reads the first field of what implements them"
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use crate::table::Table;

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
        let rows = i64::try_from(self.table.rows()).unwrap_or(i64::MAX);
        info.set_estimated_rows(rows);
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        info.set_estimated_cost(rows as f64);
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor<'vtab>> {
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), table: &*self.table, row: 0 })
    }
}

/// A place in a table. `base` is its first field, as `sqlite3_vtab_cursor` asks for.
#[repr(C)]
struct Cursor<'vtab> {
    base: sqlite3_vtab_cursor,
    table: &'vtab dyn Table,
    row: usize,
}

// SAFETY: `repr(C)`, and the first field is a `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(
        &mut self,
        _index: c_int,
        _name: Option<&str>,
        _arguments: &Filters<'_>,
    ) -> Result<()> {
        self.row = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.row += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row >= self.table.rows()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        context.set_result(self.table.cell(self.row, column))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(i64::try_from(self.row).unwrap_or(i64::MAX))
    }
}

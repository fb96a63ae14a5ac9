//! Connections or listeners: a column for each field of the catalogue.

use std::sync::{Arc, LazyLock};

use conns_core::model::{Connection, Snapshot, Update};
use conns_core::query::{Field, Kind, catalogue};

use super::ListText;
use crate::cell::Cell;
use crate::table::{Column, ColumnKind, Indexed, IndexedScan, Scan, Table, Times};

/// Some connections of a snapshot.
pub(super) struct Connections {
    name: &'static str,
    meaning: &'static str,
    snapshot: Arc<Snapshot>,
    /// Their places in the snapshot, found when a query first reads them.
    rows: LazyLock<Vec<usize>, Find>,
    list: ListText,
}

type Find = Box<dyn FnOnce() -> Vec<usize> + Send>;

/// The columns: `id`, and the fields.
static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let id =
        Column::new("id", ColumnKind::Text, "As in the API: inode of the namespace and cookie");
    let fields = catalogue()
        .iter()
        .map(|field| Column::new(&field.key, ColumnKind::of_field(field.kind), field.meaning));
    std::iter::once(id).chain(fields).collect()
});

impl Connections {
    /// Those of `update` that `is_row` accepts.
    pub(super) fn new(
        (name, meaning): (&'static str, &'static str),
        update: &Arc<Update>,
        is_row: fn(&Connection) -> bool,
        list: ListText,
    ) -> Self {
        let snapshot = Arc::clone(&update.snapshot);
        let find = move || {
            let all = snapshot.connections.iter().enumerate();
            all.filter(|(_, connection)| is_row(connection)).map(|(at, _)| at).collect()
        };
        let rows = LazyLock::new(Box::new(find) as Find);
        Self { name, meaning, snapshot: Arc::clone(&update.snapshot), rows, list }
    }

    fn value<'a>(&self, field: &Field, connection: &'a Connection) -> Cell<'a> {
        match field.kind {
            Kind::List(_) => {
                let value = field.value(connection);
                if value.is_known() {
                    Cell::Text((self.list)(field, connection).into())
                } else {
                    Cell::Null
                }
            }
            _ => Cell::of_value(field.value(connection)),
        }
    }
}

impl Table for Connections {
    fn name(&self) -> &'static str {
        self.name
    }

    fn meaning(&self) -> &'static str {
        self.meaning
    }

    fn columns(&self) -> &[Column] {
        &COLUMNS
    }

    fn estimated_rows(&self) -> u64 {
        self.rows.len() as u64
    }

    fn scan(&self, _: Times) -> Result<Box<dyn Scan + '_>, String> {
        Ok(IndexedScan::boxed(self))
    }
}

impl Indexed for Connections {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        let place = self.rows.get(row);
        let Some(connection) = place.and_then(|at| self.snapshot.connections.get(*at)) else {
            return Cell::Null;
        };
        match column.checked_sub(1) {
            None => {
                let id = connection.socket.id;
                Cell::Text(format!("{}-{}", id.netns, id.cookie).into())
            }
            Some(at) => {
                catalogue().get(at).map_or(Cell::Null, |field| self.value(field, connection))
            }
        }
    }
}

//! The kept tables and their columns. A column has the key of the field of the catalogue that it keeps, and a number that is never
//! given to another: blocks name it by that.

use std::sync::LazyLock;

use conns_core::query::{Field, find_field};

use super::values::Storage;
use crate::table::{Column, ColumnKind};

/// A table whose rows are kept in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptTable {
    /// Connections that ended.
    Closed,
    /// Attempts that failed.
    Failed,
    /// What ended connections carried.
    Layers,
    /// Open connections, each minute and at changes of the verdict.
    Samples,
    /// Verdicts from when to when.
    Verdicts,
    /// Connections of the transfer service, each minute.
    Transfers,
}

impl KeptTable {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Closed, Self::Failed, Self::Layers, Self::Samples, Self::Verdicts, Self::Transfers];

    /// Its number in the file.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Closed => 1,
            Self::Failed => 2,
            Self::Layers => 3,
            Self::Samples => 4,
            Self::Verdicts => 5,
            Self::Transfers => 6,
        }
    }

    /// Its place in [`KeptTable::ALL`].
    pub(crate) fn place(self) -> usize {
        match self {
            Self::Closed => 0,
            Self::Failed => 1,
            Self::Layers => 2,
            Self::Samples => 3,
            Self::Verdicts => 4,
            Self::Transfers => 5,
        }
    }

    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Layers => "layers",
            Self::Samples => "samples",
            Self::Verdicts => "verdicts",
            Self::Transfers => "transfers",
        }
    }

    /// What its rows are.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Closed => "Connections that ended, with their final figures",
            Self::Failed => "Attempts to connect that failed",
            Self::Layers => "Each protocol that an ended connection carried, with its values",
            Self::Samples => {
                "Open connections and listeners, each minute and when a verdict changed"
            }
            Self::Verdicts => {
                "What limited a connection from when to when, once it does not any more"
            }
            Self::Transfers => {
                "Connections of the transfer service to each destination, each minute"
            }
        }
    }

    /// Its columns.
    pub(crate) fn columns(self) -> &'static [KeptColumn] {
        COLUMNS.get(self.place()).map_or(&[], |columns| columns)
    }

    /// The column of this name.
    pub(crate) fn column(self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.column.name == name)
    }
}

/// Where the value of a column comes from.
pub(crate) enum From {
    /// From the caller, who has it by this name.
    Given,
    /// From a field of the catalogue.
    Field(&'static Field),
    /// From namespace and cookie, when it is read: it is not stored.
    Id,
}

/// A column of a kept table.
pub(crate) struct KeptColumn {
    /// Its number in blocks.
    pub(crate) number: u16,
    /// How it is stored.
    pub(crate) storage: Storage,
    /// Where it comes from.
    pub(crate) from: From,
    /// The column of a later time, and that of a time span, whose difference it is near.
    pub(crate) near: Option<(&'static str, Option<&'static str>)>,
    /// Whether all its values are within the times of the block.
    pub(crate) is_time: bool,
    /// Its name, type and meaning.
    pub(crate) column: Column,
}

/// The tables of a row of the list below: all whose rows are of a connection.
const ALL: &[KeptTable] = &[
    KeptTable::Closed,
    KeptTable::Failed,
    KeptTable::Layers,
    KeptTable::Samples,
    KeptTable::Verdicts,
];
const ENDED: &[KeptTable] = &[KeptTable::Closed, KeptTable::Failed];
const CLOSED: &[KeptTable] = &[KeptTable::Closed];
const SAMPLES: &[KeptTable] = &[KeptTable::Samples];
const WHOLE: &[KeptTable] = &[KeptTable::Closed, KeptTable::Failed, KeptTable::Samples];
const CARRYING: &[KeptTable] = &[KeptTable::Closed, KeptTable::Samples];
const LAYERS: &[KeptTable] = &[KeptTable::Layers];
const VERDICTS: &[KeptTable] = &[KeptTable::Verdicts];
const TRANSFERS: &[KeptTable] = &[KeptTable::Transfers];

/// Fields of the catalogue by their keys. A number is never used again.
const FIELDS: [(u16, &str, &[KeptTable]); 53] = [
    (3, "netns_inode", ALL),
    (4, "cookie", ALL),
    (5, "proto", ALL),
    (6, "family", WHOLE),
    (7, "state", SAMPLES),
    (8, "direction", ALL),
    (9, "local_addr", ALL),
    (10, "local_port", ALL),
    (11, "remote_addr", ALL),
    (12, "remote_port", ALL),
    (13, "netns", WHOLE),
    (14, "inode", SAMPLES),
    (15, "interface", WHOLE),
    (16, "pid", ALL),
    (17, "process", ALL),
    (18, "user", WHOLE),
    (19, "process_uid", WHOLE),
    (20, "container", ALL),
    (21, "unit", ALL),
    (22, "cgroup", SAMPLES),
    (23, "opener", WHOLE),
    (24, "opener_pid", WHOLE),
    (25, "app", CARRYING),
    (26, "remote_name", WHOLE),
    (27, "rtt_us", CARRYING),
    (28, "min_rtt_us", CARRYING),
    (29, "loss_percent", CARRYING),
    (30, "bytes_out", CARRYING),
    (31, "bytes_in", CARRYING),
    (32, "rate_out_bytes_per_s", SAMPLES),
    (33, "rate_in_bytes_per_s", SAMPLES),
    (34, "recv_queue_bytes", SAMPLES),
    (35, "send_queue_bytes", SAMPLES),
    (36, "idle_us", SAMPLES),
    (37, "age_us", SAMPLES),
    (38, "closed_at_us", ENDED),
    (39, "duration_us", ENDED),
    (40, "opened_at_us", WHOLE),
    (41, "handshake_us", CARRYING),
    (42, "first_use_us", CARRYING),
    (43, "closed_by", CLOSED),
    (44, "ended", ENDED),
    (45, "errno", ENDED),
    (46, "data_segs_out", CARRYING),
    (47, "total_retrans", WHOLE),
    (48, "bytes_retrans", CARRYING),
    (49, "snd_cwnd", SAMPLES),
    (50, "snd_mss_bytes", CARRYING),
    (51, "delivery_rate_bytes_per_s", SAMPLES),
    (52, "congestion", SAMPLES),
    (53, "verdict", CARRYING),
    (54, "confidence_percent", CARRYING),
    (55, "uid", SAMPLES),
];

/// A column that the writer gives: number, name, type, storage, tables, meaning.
type Given = (u16, &'static str, ColumnKind, &'static [KeptTable], &'static str);

/// The first columns.
const FIRST: [Given; 3] = [
    (
        1,
        "at_us",
        ColumnKind::Integer,
        &[
            KeptTable::Closed,
            KeptTable::Failed,
            KeptTable::Layers,
            KeptTable::Samples,
            KeptTable::Transfers,
        ],
        "When it was so",
    ),
    (70, "from_us", ColumnKind::Integer, VERDICTS, "Since when"),
    (
        71,
        "to_us",
        ColumnKind::Integer,
        VERDICTS,
        "Until when: the sample that first had another verdict, or the end",
    ),
];

/// The last columns.
const LAST: [Given; 13] = [
    (72, "verdict", ColumnKind::Text, VERDICTS, "What limited it"),
    (73, "confidence_percent", ColumnKind::Real, VERDICTS, "How certain that is, at the end of it"),
    (74, "evidence", ColumnKind::Text, VERDICTS, "The numbers behind it, as JSON"),
    (
        75,
        "evidence",
        ColumnKind::Text,
        SAMPLES,
        "The numbers behind a verdict that names a problem, as JSON",
    ),
    (
        76,
        "verdict_since_us",
        ColumnKind::Integer,
        SAMPLES,
        "Since when it has this verdict, as far as the agent sampled it",
    ),
    (80, "protocol", ColumnKind::Text, LAYERS, "The protocol"),
    (81, "certainty", ColumnKind::Text, LAYERS, "How certain that is: certain, likely, or port"),
    (
        82,
        "fields",
        ColumnKind::Text,
        LAYERS,
        "The fields of the protocol that were known, as JSON by their keys",
    ),
    (
        83,
        "layers",
        ColumnKind::Text,
        SAMPLES,
        "The protocols it carried, outermost first, as a JSON array of objects, with fields as those of the table layers",
    ),
    (90, "connection_id", ColumnKind::Text, TRANSFERS, "The connection, as in /api/v1/transfers"),
    (91, "destination_ip", ColumnKind::Text, TRANSFERS, "Address of the destination"),
    (92, "destination_port", ColumnKind::Integer, TRANSFERS, "UDP port of the destination"),
    (
        93,
        "transfer",
        ColumnKind::Text,
        TRANSFERS,
        "The connection as a JSON object, by the keys of /api/v1/transfers",
    ),
];

/// The columns of each table, in the order of [`KeptTable::ALL`].
static COLUMNS: LazyLock<Vec<Vec<KeptColumn>>> =
    LazyLock::new(|| KeptTable::ALL.into_iter().map(columns_of).collect());

fn columns_of(table: KeptTable) -> Vec<KeptColumn> {
    let given = |given: &[Given]| -> Vec<KeptColumn> {
        given.iter().filter(|row| row.3.contains(&table)).map(given_column).collect()
    };
    let mut columns = given(&FIRST);
    columns.extend(ALL.contains(&table).then(|| KeptColumn {
        number: 0,
        storage: Storage::Text,
        from: From::Id,
        near: None,
        is_time: false,
        column: Column::new(
            "id",
            ColumnKind::Text,
            "As in the API: inode of the namespace and cookie",
        ),
    }));
    let fields = FIELDS.iter().filter(|(.., tables)| tables.contains(&table));
    columns.extend(fields.filter_map(|(number, key, _)| field_column(table, *number, key)));
    columns.extend(given(&LAST));
    columns
}

fn given_column((number, name, kind, _, meaning): &Given) -> KeptColumn {
    let near = match *name {
        "from_us" => Some(("to_us", None)),
        "verdict_since_us" => Some(("at_us", None)),
        _ => None,
    };
    let storage = match kind {
        ColumnKind::Integer => Storage::Whole,
        ColumnKind::Real => Storage::Fraction,
        ColumnKind::Text => Storage::Text,
    };
    let is_time = matches!(*name, "at_us" | "from_us" | "to_us");
    let column = Column::new(name, *kind, meaning);
    KeptColumn { number: *number, storage, from: From::Given, near, is_time, column }
}

fn field_column(table: KeptTable, number: u16, key: &str) -> Option<KeptColumn> {
    let field = find_field(key)?;
    let kind = ColumnKind::of_field(field.kind);
    let storage = match (field.kind, kind) {
        (conns_core::query::Kind::Address, _) => Storage::Address,
        (_, ColumnKind::Integer) => Storage::Whole,
        (_, ColumnKind::Real) => Storage::Fraction,
        (_, ColumnKind::Text) => Storage::Text,
    };
    let near = match key {
        "closed_at_us" => Some(("at_us", None)),
        "opened_at_us" if table == KeptTable::Samples => Some(("at_us", Some("age_us"))),
        "opened_at_us" => Some(("at_us", Some("duration_us"))),
        "rtt_us" => Some(("min_rtt_us", None)),
        _ => None,
    };
    let column = Column::new(&field.key, kind, field.meaning);
    Some(KeptColumn { number, storage, from: From::Field(field), near, is_time: false, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_found_and_each_number_is_used_once() {
        for table in KeptTable::ALL {
            let fields = FIELDS.iter().filter(|(.., tables)| tables.contains(&table)).count();
            let of_fields =
                table.columns().iter().filter(|column| matches!(column.from, From::Field(_)));
            assert_eq!(of_fields.count(), fields, "of {}", table.name());
            for (at, column) in table.columns().iter().enumerate() {
                let same = |other: &KeptColumn| {
                    other.number == column.number || other.column.name == column.column.name
                };
                assert_eq!(
                    table.columns().iter().position(same),
                    Some(at),
                    "{}",
                    column.column.name
                );
            }
        }
        let mut numbers: Vec<u16> = FIELDS.iter().map(|(number, ..)| *number).collect();
        numbers.extend(FIRST.iter().chain(&LAST).map(|given| given.0));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}

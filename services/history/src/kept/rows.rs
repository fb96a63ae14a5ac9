//! Rows of a kept table: collected until they become a block, and read from one.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{Connection, Owner, Process};
use conns_core::query::Value;
use foldhash::fast::RandomState;

use super::block::{Block, Damaged, Input, encode};
use super::tables::{From, KeptColumn, KeptTable};
use super::values::{Storage, Values};
use crate::cell::Cell;

/// Rows of a table that are not in a block yet.
pub(crate) struct Rows {
    table: KeptTable,
    columns: Vec<Values>,
    rows: usize,
    times: Option<(i64, i64)>,
    /// For each process, by its address, the first row whose owner it is: fields of a process are the same in all its rows. The process
    /// is held, so that no other one gets its address.
    processes: HashMap<usize, (Arc<Process>, usize), RandomState>,
}

/// Some rows as they are stored.
pub(crate) struct Encoded {
    /// The block.
    pub(crate) data: Vec<u8>,
    /// How many rows it has.
    pub(crate) rows: usize,
    /// The earliest time of its rows, microseconds since 1970-01-01 UTC.
    pub(crate) first_us: i64,
    /// The latest.
    pub(crate) last_us: i64,
}

impl Rows {
    /// None yet.
    pub(crate) fn new(table: KeptTable) -> Self {
        let columns = table.columns().iter().map(|column| Values::new(column.storage)).collect();
        Self { table, columns, rows: 0, times: None, processes: HashMap::default() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// About how many bytes of memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(Values::bytes).sum()
    }

    /// The values of a column.
    pub(crate) fn values(&self, name: &str) -> Option<&Values> {
        self.columns.get(self.table.column(name)?)
    }

    /// Appends a row: the fields of `connection`, and what `given` names. Rows of some tables are of no connection.
    pub(crate) fn push(&mut self, connection: Option<&Connection>, given: &[(&str, Cell<'_>)]) {
        let Self { table, columns, rows, times, processes } = self;
        // Of several owners the first is kept.
        let owner = connection.and_then(|connection| connection.listed_owners().first());
        let first = owner.map_or(*rows, |Owner { process, .. }| {
            let known = processes.entry(Arc::as_ptr(process).addr());
            known.or_insert_with(|| (Arc::clone(process), *rows)).1
        });
        for (column, values) in table.columns().iter().zip(columns) {
            match column.from {
                From::Field(field) if field.of_process && first < *rows => values.repeat(first),
                From::Field(field) => values.push_value(
                    connection.map_or(Value::NotApplicable, |connection| field.value(connection)),
                ),
                From::Given => {
                    let cell = given.iter().find(|(name, _)| *name == column.column.name);
                    values.push(cell.map_or(&Cell::Null, |(_, cell)| cell));
                    if column.is_time
                        && let Some((_, Cell::Integer(us))) = cell
                    {
                        include(times, *us);
                    }
                }
                From::Id => {}
            }
        }
        *rows += 1;
    }

    /// Appends the rows of a block of the same table.
    ///
    /// # Errors
    /// [`Damaged`]; then nothing is appended.
    pub(crate) fn append(&mut self, block: &ReadRows) -> Result<(), Damaged> {
        let columns = self.table.columns();
        for at in 0..columns.len() {
            block.values(at)?;
        }
        for (at, (column, values)) in columns.iter().zip(&mut self.columns).enumerate() {
            if !matches!(column.from, From::Id) {
                values.append(block.values(at)?);
            }
        }
        self.rows += block.rows();
        for at in columns.iter().enumerate().filter(|(_, c)| c.is_time).map(|(at, _)| at) {
            let values = block.values(at)?;
            for us in (0..block.rows()).filter_map(|row| values.whole(row)) {
                include(&mut self.times, us);
            }
        }
        Ok(())
    }

    /// Encodes all rows, and forgets them; `None` if there are none, and then no memory is kept for further ones.
    pub(crate) fn encode(&mut self) -> Option<Encoded> {
        self.processes.clear();
        let Some((first_us, last_us)) = self.times.take() else {
            self.columns.iter_mut().for_each(Values::clear);
            return None;
        };
        let Self { table, columns, rows, .. } = self;
        let rows = std::mem::take(rows);
        let stored = table.columns().iter().zip(&*columns);
        let stored = stored.filter(|(column, _)| !matches!(column.from, From::Id));
        let inputs = stored.map(|(column, values)| {
            let base = base(column, rows, |name| columns.get(table.column(name)?));
            Input { number: column.number, storage: column.storage, values, base }
        });
        let inputs: Vec<_> = inputs.collect();
        let data = encode(rows, &inputs);
        columns.iter_mut().for_each(Values::clear);
        Some(Encoded { data, rows, first_us, last_us })
    }
}

fn include(times: &mut Option<(i64, i64)>, us: i64) {
    let (first, last) = times.unwrap_or((us, us));
    *times = Some((first.min(us), last.max(us)));
}

/// The numbers that a column is near, of the columns it is near to.
fn base<'a>(
    column: &KeptColumn,
    rows: usize,
    of: impl Fn(&str) -> Option<&'a Values>,
) -> Option<Vec<i64>> {
    let (later, span) = column.near?;
    let (later, span) = (of(later), span.and_then(of));
    let whole = |values: Option<&Values>, row| values.and_then(|values| values.whole(row));
    let base = |row| {
        let span = whole(span, row).unwrap_or(0);
        whole(later, row).map_or(0, |later| later.wrapping_sub(span))
    };
    Some((0..rows).map(base).collect())
}

/// The rows of a block. A column is decoded when a row of it is first read.
pub(crate) struct ReadRows {
    table: KeptTable,
    block: Block,
    columns: Vec<OnceCell<Values>>,
}

impl ReadRows {
    /// Reads a block of `table`. Where no checksum shows that it is whole, all columns are decoded now, so that damage is found
    /// before a row is given.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read(table: KeptTable, data: Vec<u8>) -> Result<Self, Damaged> {
        let columns = table.columns().iter().map(|_| OnceCell::new()).collect();
        let read = Self { table, block: Block::read(data)?, columns };
        if !read.block.has_checksum() {
            (0..read.columns.len()).try_for_each(|at| read.values(at).map(drop))?;
        }
        Ok(read)
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.block.rows()
    }

    /// The cell of a row and a column of the table.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Damaged> {
        match self.table.columns().get(column).map(|column| &column.from) {
            Some(From::Id) => {
                let of = |name: &str| -> Result<Option<i64>, Damaged> {
                    let Some(at) = self.table.column(name) else { return Ok(None) };
                    Ok(self.values(at)?.whole(row))
                };
                Ok(match (of("netns_inode")?, of("cookie")?) {
                    (Some(netns), Some(cookie)) => Cell::Text(format!("{netns}-{cookie}").into()),
                    _ => Cell::Null,
                })
            }
            Some(_) => Ok(self.values(column)?.cell(row)),
            None => Ok(Cell::Null),
        }
    }

    /// The values of a column of the table.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn values(&self, at: usize) -> Result<&Values, Damaged> {
        let cell = self.columns.get(at).ok_or(Damaged::Bytes("there is no such column"))?;
        if let Some(values) = cell.get() {
            return Ok(values);
        }
        let column = self.table.columns().get(at);
        let column = column.ok_or(Damaged::Bytes("there is no such column"))?;
        let values = self.decode(column)?;
        Ok(cell.get_or_init(|| values))
    }

    fn decode(&self, column: &KeptColumn) -> Result<Values, Damaged> {
        if matches!(column.from, From::Id) {
            return Ok(Values::nulls(Storage::Text, self.rows()));
        }
        let mut near = Vec::new();
        if let Some((later, span)) = column.near {
            for name in std::iter::once(later).chain(span) {
                if let Some(at) = self.table.column(name) {
                    near.push((name, self.values(at)?));
                }
            }
        }
        let of =
            |name: &str| near.iter().find(|(near, _)| *near == name).map(|(_, values)| *values);
        let base = base(column, self.rows(), of);
        self.block.column(column.number, column.storage, base.as_deref())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use conns_fixtures::{connection, established, with_cookie};
    use proptest::prelude::*;

    use super::super::block::{encode as encode_columns, with_right_checksum};
    use super::*;

    fn block(rows: u64) -> Vec<u8> {
        let mut made = Rows::new(KeptTable::Samples);
        for row in 0..rows {
            let remote = format!("10.0.{}.{}:443", row % 3, row % 200);
            let one = connection(with_cookie(row, established("192.0.2.1:5000", &remote)));
            let at = Cell::Integer(1_790_000_000_000_000 + row.cast_signed() * 977);
            made.push(Some(&one), &[("at_us", at), ("evidence", Cell::text("{}"))]);
        }
        made.encode().unwrap().data
    }

    /// The block as it was in format 1.
    fn of_format_1(mut block: Vec<u8>) -> Vec<u8> {
        block.truncate(block.len() - 4);
        block[0] = 1;
        block
    }

    fn read_all(data: Vec<u8>) -> Result<usize, Damaged> {
        let rows = ReadRows::read(KeptTable::Samples, data)?;
        for row in 0..rows.rows() {
            for column in 0..KeptTable::Samples.columns().len() {
                rows.cell(row, column)?;
            }
        }
        Ok(rows.rows())
    }

    #[test]
    fn a_block_has_the_rows_that_were_encoded() {
        for rows in [1, 7, 300] {
            assert_eq!(read_all(block(rows)).unwrap(), rows as usize);
        }
    }

    #[test]
    fn a_block_of_a_later_version_is_refused_and_a_column_it_does_not_have_is_null() {
        let mut later = block(3);
        later[0] = 3;
        assert!(matches!(read_all(later), Err(Damaged::Format(3))));
        let values = Values::nulls(Storage::Whole, 4);
        let input = Input { number: 9999, storage: Storage::Whole, values: &values, base: None };
        let rows = ReadRows::read(KeptTable::Closed, encode_columns(4, &[input])).unwrap();
        assert_eq!(rows.cell(3, 5).unwrap(), Cell::Null);
    }

    #[test]
    fn corpus_blocks_are_read_with_their_checksums() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/history");
        let mut formats = [0; 3];
        for entry in std::fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let number: i64 = name.rsplit('-').nth(1).unwrap().parse().unwrap();
            let table = KeptTable::ALL.into_iter().find(|table| table.number() == number).unwrap();
            let data = std::fs::read(&path).unwrap();
            formats[usize::from(data[0])] += 1;
            let rows = ReadRows::read(table, data).unwrap();
            for column in 0..table.columns().len() {
                assert!(rows.values(column).is_ok(), "{name}");
            }
            assert!(rows.rows() > 0, "{name}");
        }
        assert!(formats[1] > 0 && formats[2] > 0, "{formats:?}");
    }

    #[test]
    fn a_block_of_format_1_is_read_and_its_damage_is_found_before_a_row_is_read() {
        let whole = of_format_1(block(300));
        assert_eq!(read_all(whole.clone()).unwrap(), 300);
        let mut cut = whole.clone();
        cut.pop();
        assert!(ReadRows::read(KeptTable::Samples, cut).is_err());
        // Bytes of the compressed address of each row.
        let mut changed = whole;
        let compressed = changed.windows(4).rposition(|bytes| bytes == [0x28, 0xb5, 0x2f, 0xfd]);
        changed[compressed.unwrap()] = 0;
        assert!(ReadRows::read(KeptTable::Samples, changed).is_err());
    }

    proptest! {
        #[test]
        fn any_numbers_and_texts_come_back(
            numbers in prop::collection::vec(prop::option::of(any::<i64>()), 1..200),
            texts in prop::collection::vec(prop::option::of("[a-c]{0,3}|\\PC{0,20}"), 1..200),
        ) {
            let mut whole = Values::new(Storage::Whole);
            // The smallest number stands for NULL.
            let known = |n: &Option<i64>| n.filter(|n| *n != i64::MIN).map_or(Cell::Null, Cell::Integer);
            numbers.iter().for_each(|number| whole.push(&known(number)));
            let mut words = Values::new(Storage::Text);
            for text in &texts {
                words.push_value(text.as_deref().map_or(Value::NotApplicable, Value::text));
            }
            for (values, storage) in [(&whole, Storage::Whole), (&words, Storage::Text)] {
                let input = Input { number: 1, storage, values, base: None };
                let block = Block::read(encode_columns(values.len(), &[input])).unwrap();
                let read = block.column(1, storage, None).unwrap();
                for row in 0..values.len() {
                    prop_assert_eq!(read.cell(row), values.cell(row));
                }
            }
        }

        #[test]
        fn bytes_of_a_file_do_not_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            for format in [1, 2] {
                let mut bytes = bytes.clone();
                bytes.insert(0, format);
                let _ = read_all(with_right_checksum(bytes));
            }
            let mut changed = block(40);
            for (place, byte) in changes {
                let at = place.index(changed.len());
                changed[at] = byte;
            }
            let _ = read_all(of_format_1(changed.clone()));
            let _ = read_all(with_right_checksum(changed));
        }

        #[test]
        fn a_changed_byte_and_a_missing_one_are_noticed_before_a_row_is_read(
            rows in 1_u64..60,
            place: prop::sample::Index,
            change in 1..=u8::MAX,
        ) {
            let mut changed = block(rows);
            let at = place.index(changed.len());
            changed[at] ^= change;
            prop_assert!(ReadRows::read(KeptTable::Samples, changed.clone()).is_err());
            changed[at] ^= change;
            changed.truncate(at);
            prop_assert!(ReadRows::read(KeptTable::Samples, changed).is_err());
        }
    }
}

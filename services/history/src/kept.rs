//! Rows that are kept: which tables and columns there are, and how their rows are stored.

mod block;
mod rows;
mod tables;
mod values;

pub(crate) use block::Damaged;
pub(crate) use rows::{Encoded, ReadRows, Rows};
pub(crate) use tables::KeptTable;
pub(crate) use values::{Values, Words};

/// Reads every cell of a block of the table `name`, whatever checksum it has, and returns how many rows it has; for fuzzing.
///
/// # Errors
/// Why it is no block, or no table has that name.
pub fn read_block(name: &str, data: Vec<u8>) -> Result<usize, String> {
    let table = KeptTable::ALL.into_iter().find(|table| table.name() == name);
    let table = table.ok_or_else(|| format!("there is no table {name}"))?;
    let data = block::with_right_checksum(data);
    let rows = ReadRows::read(table, data).map_err(|error| error.to_string())?;
    for column in 0..table.columns().len() {
        for row in 0..rows.rows() {
            rows.cell(row, column).map_err(|error| error.to_string())?;
        }
    }
    Ok(rows.rows())
}

//! CSV (RFC 4180, but with LF line ends): the keys of JSON as the header, the same values, empty if there is none.
//! Text is escaped as in tables.

use std::io::{self, Write};

use conns_api::csv_cell;
use conns_core::model::Connection;
use conns_core::query::Field;

/// Writes connections as CSV.
///
/// # Errors
/// If writing fails.
pub fn csv(
    out: &mut impl Write,
    header: bool,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    let keys = fields.iter().map(|field| field.key.as_str());
    let rows = connections.iter().map(|c| fields.iter().map(|field| field.value(c).plain_text()));
    csv_table(out, header, keys, rows)
}

/// Writes rows of text as CSV.
///
/// # Errors
/// If writing fails.
pub fn csv_table<'a>(
    out: &mut impl Write,
    header: bool,
    keys: impl Iterator<Item = &'a str>,
    rows: impl Iterator<Item = impl Iterator<Item = String>>,
) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    if header {
        writer.write_record(keys)?;
    }
    for row in rows {
        writer.write_record(row.map(csv_cell))?;
    }
    writer.flush()
}

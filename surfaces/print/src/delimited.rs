//! CSV (RFC 4180, but with LF line ends): the keys of JSON as the header, the same values, empty if there is none.
//! Text is escaped as in tables.

use std::io::{self, Write};

use conns_core::model::Connection;
use conns_core::query::Field;

use crate::text::printable;

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
        writer.write_record(row.map(safe))?;
    }
    writer.flush()
}

/// The cell without what a terminal or a spreadsheet would act on: a process chooses its own name. Control characters are
/// escaped as in tables, and a cell that begins like a formula gets an apostrophe (OWASP, CSV injection).
fn safe(cell: String) -> String {
    let cell = printable(cell.into()).into_owned();
    let is_formula = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_neither_formulas_nor_control_sequences() {
        for (cell, written) in [
            ("nginx", "nginx"),
            ("-5.5", "-5.5"),
            ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("-x", "'-x"),
            ("\t=1", "\\t=1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\r", "\\u{9b}31m\\r"),
        ] {
            assert_eq!(safe(cell.to_owned()), written);
        }
    }
}

//! CSV (RFC 4180, but with LF line ends): the keys of JSON as the header, the same values, empty if there is none.
//! Text is escaped as in tables. docs/output.md has the columns.

use std::io::{self, Write};

use conns_api::{Stamp, csv_cell};
use conns_core::model::{Connection, Process};
use conns_core::query::Field;

/// Writes connections as CSV; rows begin with time and host of their snapshot, if there is a `stamp`.
///
/// # Errors
/// If writing fails.
pub fn csv(
    out: &mut impl Write,
    header: bool,
    stamp: Option<Stamp<'_>>,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    let keys = fields.iter().map(|field| field.key.as_str());
    let rows = connections.iter().map(|c| fields.iter().map(|field| cell(field, c)));
    stamped_csv(out, header, stamp, keys, rows)
}

/// Writes rows of text as CSV, each behind time and host of the snapshot, if there is a `stamp`.
pub(crate) fn stamped_csv<'a>(
    out: &mut impl Write,
    header: bool,
    stamp: Option<Stamp<'_>>,
    keys: impl Iterator<Item = &'a str>,
    rows: impl Iterator<Item = impl Iterator<Item = String>>,
) -> io::Result<()> {
    let stamp_keys = stamp.map(|_| Stamp::KEYS).into_iter().flatten();
    let rows = rows.map(|row| stamp.map(Stamp::cells).into_iter().flatten().chain(row));
    csv_table(out, header, stamp_keys.chain(keys), rows)
}

fn cell(field: &Field, connection: &Connection) -> String {
    if field.name == "owners" { owners(connection) } else { field.value(connection).plain_text() }
}

/// Every process that owns the socket, as `name/pid;name/pid`; the pid is behind the last slash. A semicolon or
/// backslash in a name has a backslash before it.
fn owners(connection: &Connection) -> String {
    // Owners are in order of pid, so one process's descriptors stand together.
    let processes = connection.listed_owners().chunk_by(|a, b| a.process.pid == b.process.pid);
    let text = |process: &Process| {
        let name = process.name.replace('\\', "\\\\").replace(';', "\\;");
        format!("{name}/{}", process.pid)
    };
    let mut texts: Vec<String> =
        processes.filter_map(|chunk| chunk.first()).map(|owner| text(&owner.process)).collect();
    if connection.owners_omitted > 0 {
        texts.push(format!("+{} more", connection.owners_omitted));
    }
    texts.join(";")
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conns_core::model::Owner;
    use conns_core::query::parse_columns;
    use conns_fixtures::{connection, established, known, process};

    use super::*;

    fn text(owners: &[(u32, &str)], omitted: u32, stamp: Option<Stamp<'_>>) -> String {
        let mut made = connection(established("10.0.0.1:443", "10.0.0.2:5000"));
        let owner = |(pid, name): &(u32, &str)| Owner {
            process: Arc::new(process(*pid, name)),
            descriptor: Some(3),
        };
        made.owners = known(owners.iter().map(owner).collect());
        made.owners_omitted = omitted;
        let fields = parse_columns("pid,owners", &[]).unwrap();
        let mut out = Vec::new();
        csv(&mut out, true, stamp, &fields, &[&made]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_names_every_owner_once() {
        let owners = [(7, "nginx"), (7, "nginx"), (8, "a/b;c\\d")];
        assert_eq!(text(&owners, 0, None), "pid,owners\n7,nginx/7;a/b\\;c\\\\d/8\n");
        assert_eq!(text(&[(7, "x")], 2, None), "pid,owners\n7,x/7;+2 more\n");
        assert_eq!(text(&[], 0, None), "pid,owners\n,\n");
    }

    #[test]
    fn rows_begin_with_time_and_host_of_their_snapshot() {
        let stamp = |host| Some(Stamp { at_us: 1_700_000_000_000_000, host });
        assert_eq!(
            text(&[(7, "x")], 0, stamp(Some("web1"))),
            "at_us,host,pid,owners\n1700000000000000,web1,7,x/7\n"
        );
        assert_eq!(
            text(&[(7, "x")], 0, stamp(None)).lines().nth(1),
            Some("1700000000000000,,7,x/7")
        );
    }
}

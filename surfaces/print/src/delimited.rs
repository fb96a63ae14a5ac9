//! CSV (RFC 4180, but with plain line ends): the keys of JSON as the first line, the same values, empty where there is none.

use std::io::{self, Write};

use conns_core::model::Connection;
use conns_core::query::{Field, Value};

/// Writes connections as CSV.
///
/// # Errors
/// What the writer says.
pub fn csv(
    out: &mut impl Write,
    header: bool,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    let keys = fields.iter().map(|field| field.key.as_str());
    let rows = connections.iter().map(|c| fields.iter().map(|field| cell(field.value(c))));
    csv_table(out, header, keys, rows)
}

/// Writes rows of text as CSV.
///
/// # Errors
/// What the writer says.
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
        writer.write_record(row)?;
    }
    writer.flush()
}

fn cell(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.into_owned(),
        Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => n.to_string(),
        Value::Port(port) => port.to_string(),
        Value::BytesPerSecond(n) | Value::Percent(n) => n.to_string(),
        Value::Address(address) => address.to_string(),
        Value::Endpoint(end) => end.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Time(us) => us.to_string(),
        Value::Owners(held) => {
            let each = held.iter().map(|h| format!("{}({})", h.process.name, h.process.pid));
            each.collect::<Vec<_>>().join(" ")
        }
        Value::Peers(peers) => {
            let each = peers.iter().map(|peer| peer.remote.to_string());
            each.collect::<Vec<_>>().join(" ")
        }
        // As in JSON: the first; `owners` tells all.
        Value::Several(values) => values.into_iter().next().map(cell).unwrap_or_default(),
        Value::Unknown(_) | Value::NotApplicable => String::new(),
    }
}

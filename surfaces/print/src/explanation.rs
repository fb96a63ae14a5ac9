//! Below a table: where the values of each column come from, and why others are unknown.

use std::fmt;
use std::io::{self, Write};

use conns_core::model::{Connection, Source, Unknown};
use conns_core::query::{Field, Value};

use crate::table::{Layout, plain_table};

/// What is known of a value: its source, or why it is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Source(Source),
    Unknown(Unknown),
}

impl Origin {
    /// `None` for a value that does not apply, and for one of no source.
    fn of(field: &Field, connection: &Connection) -> Option<Self> {
        match field.value(connection) {
            Value::NotApplicable => None,
            Value::Unknown(why) => Some(Self::Unknown(why)),
            _ => field.source(connection).map(Self::Source),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => write!(f, "from {source}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

/// Where the value of a field comes from, or why it is unknown; `None` for a value that does not apply, and for one of no
/// source.
#[must_use]
pub fn origin_text(field: &Field, connection: &Connection) -> Option<String> {
    Origin::of(field, connection).map(|origin| origin.to_string())
}

/// Writes one line for each column and source or reason, with the number of connections, most first. Columns
/// that apply to no connection are omitted.
///
/// # Errors
/// The error of the writer.
pub fn explanation(
    out: &mut impl Write,
    layout: Layout,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    let mut rows = Vec::new();
    for field in fields {
        // Few, so a list is searched.
        let mut counts: Vec<(Origin, u64)> = Vec::new();
        for origin in connections.iter().filter_map(|c| Origin::of(field, c)) {
            match counts.iter_mut().find(|(known, _)| *known == origin) {
                Some((_, count)) => *count += 1,
                None => counts.push((origin, 1)),
            }
        }
        let mut counts: Vec<(u64, String)> =
            counts.into_iter().map(|(origin, count)| (count, origin.to_string())).collect();
        counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        rows.extend(
            counts
                .into_iter()
                .map(|(count, origin)| vec![field.name.to_owned(), count.to_string(), origin]),
        );
    }
    plain_table(out, layout, &["COLUMN", "ROWS", "SOURCE"], &[false, true, false], &rows)
}

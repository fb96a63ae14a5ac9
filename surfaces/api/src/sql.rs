//! Answers to queries in SQL: `{"rows":[{…}],"has_more":…,"losses":[…],"snapshot":{…}}`.

use std::collections::HashSet;
use std::io::{self, Write};

use conns_core::model::Loss;
use conns_history::{Cell, QueryAnswer};
use serde::Serialize;

use crate::record::{entry, json};
use crate::shapes::LossShape;

/// The keys of the rows of `answer`: the names of its columns. A name that is there already gets a number: `count_2`.
#[must_use]
pub fn sql_keys(answer: &QueryAnswer) -> Vec<String> {
    let mut used: HashSet<String> = HashSet::new();
    let mut key_of = |name: &String| {
        let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let key = candidates.find(|key| !used.contains(key)).unwrap_or_default();
        used.insert(key.clone());
        key
    };
    answer.columns.iter().map(&mut key_of).collect()
}

/// Writes the rows one by one as JSON objects, with `between` between two of them.
///
/// # Errors
/// The error of the writer.
pub fn write_sql_rows(
    out: &mut impl Write,
    answer: &QueryAnswer,
    between: &[u8],
) -> io::Result<()> {
    let keys = sql_keys(answer);
    let mut line = Vec::new();
    for (at, row) in answer.rows.iter().enumerate() {
        line.clear();
        if at > 0 {
            line.extend_from_slice(between);
        }
        line.push(b'{');
        for (place, (key, cell)) in keys.iter().zip(row).enumerate() {
            if place > 0 {
                line.push(b',');
            }
            json(&mut line, key);
            line.push(b':');
            match cell {
                Cell::Null => line.extend_from_slice(b"null"),
                Cell::Integer(number) => json(&mut line, number),
                // JSON has no infinity.
                Cell::Real(number) => json(&mut line, &Some(*number).filter(|n| n.is_finite())),
                Cell::Text(text) => json(&mut line, text),
            }
        }
        line.push(b'}');
        out.write_all(&line)?;
    }
    Ok(())
}

/// Writes the answer as one JSON object, which names the `snapshot` it is of.
///
/// # Errors
/// The error of the writer.
pub fn write_sql(
    out: &mut impl Write,
    answer: &QueryAnswer,
    losses: &[Loss],
    snapshot: &impl Serialize,
) -> io::Result<()> {
    out.write_all(b"{\"rows\":[\n")?;
    write_sql_rows(out, answer, b",\n")?;
    let mut end = b"\n]".to_vec();
    entry(&mut end, "has_more", &answer.has_more);
    entry(&mut end, "losses", &LossShape::all(losses));
    entry(&mut end, "snapshot", snapshot);
    end.extend_from_slice(b"}\n");
    out.write_all(&end)
}

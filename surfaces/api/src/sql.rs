//! Answers to queries in SQL: `{"columns":[…],"rows":[{…}],"has_more":…,"losses":[…],"snapshot":{…}}`.

use std::collections::HashSet;
use std::io::{self, Write};

use conns_core::model::{Loss, LossCause, LossKind, Source};
use conns_history::{Cell, QueryAnswer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    let mut begin = b"{\"columns\":".to_vec();
    json(&mut begin, &answer.columns);
    begin.extend_from_slice(b",\"rows\":[\n");
    out.write_all(&begin)?;
    write_sql_rows(out, answer, b",\n")?;
    let mut end = b"\n]".to_vec();
    entry(&mut end, "has_more", &answer.has_more);
    entry(&mut end, "losses", &LossShape::all(losses));
    entry(&mut end, "snapshot", snapshot);
    end.extend_from_slice(b"}\n");
    out.write_all(&end)
}

/// An answer, as far as it is read back.
#[derive(Deserialize)]
struct Read {
    columns: Vec<String>,
    rows: Vec<Map<String, Value>>,
    has_more: bool,
    losses: Vec<ReadLoss>,
}

#[derive(Deserialize)]
struct ReadLoss {
    kind: String,
    count: u64,
    source: String,
    message: String,
}

impl From<ReadLoss> for Loss {
    fn from(read: ReadLoss) -> Self {
        let is_history = read.source == Source::History.to_string();
        let mut kinds = LossKind::ALL.into_iter();
        // A later version may have kinds that this one cannot name.
        let kind = kinds.find(|kind| kind.name() == read.kind).unwrap_or(LossKind::MessageRefused);
        Self {
            source: if is_history { Source::History } else { Source::Reported },
            cause: LossCause::Reported { kind, template: read.message.into() },
            count: read.count,
        }
    }
}

/// Reads what [`write_sql`] wrote: the answer, and what is missing from it. The source of a loss is the history, or reported.
///
/// # Errors
/// Why it is no such answer.
pub fn read_sql(text: &[u8]) -> Result<(QueryAnswer, Vec<Loss>), String> {
    let read: Read = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut answer =
        QueryAnswer { columns: read.columns, rows: Vec::new(), has_more: read.has_more };
    let keys = sql_keys(&answer);
    let cell = |value: Option<Value>| match value {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::String(text)) => Cell::Text(text.into()),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(number) => Cell::Integer(number),
            None => number.as_f64().map_or(Cell::Null, Cell::real),
        },
        Some(other) => Cell::Text(other.to_string().into()),
    };
    for mut row in read.rows {
        answer.rows.push(keys.iter().map(|key| cell(row.remove(key))).collect());
    }
    Ok((answer, read.losses.into_iter().map(Loss::from).collect()))
}

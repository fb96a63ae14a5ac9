//! Values in tables: unknown is `?`, not applicable is `-`.

use std::borrow::Cow;

use conns_api::printable;
use conns_core::human;
use conns_core::model::{Connection, Layer, Unknown};
use conns_core::query::{Field, Kind, List, Value};
use jiff::Timestamp;

use crate::names::Names;

/// The text of a field of a connection.
#[must_use]
pub fn field_text<'a>(field: &Field, connection: &'a Connection, names: &Names) -> Cow<'a, str> {
    let value = field.value(connection);
    let socket = &connection.socket;
    match value {
        Value::Several(values) if field.name == "pid" => pids(field, values).into(),
        Value::Endpoint(end) if field.name == "local" => names.local(socket, end).into(),
        Value::Endpoint(end) if field.name == "remote" => names.remote(socket, end).into(),
        Value::Endpoint(end) => names.endpoint(end, socket.protocol).into(),
        Value::Address(address) if matches!(field.name, "local_addr" | "remote_addr") => {
            match socket.zone(address, field.name == "local_addr") {
                Some(zone) => printable(format!("{address}%{zone}").into()),
                None => address.to_string().into(),
            }
        }
        Value::Unknown(_) if field.name == "interface" => socket.interface.to_string().into(),
        value => text(field, value),
    }
}

fn text<'a>(field: &Field, value: Value<'a>) -> Cow<'a, str> {
    match value {
        Value::Text(text) => printable(text),
        Value::Count(n) => n.to_string().into(),
        Value::Port(port) => port.to_string().into(),
        Value::Bytes(n) => human::bytes(n).into(),
        Value::BytesPerSecond(n) => human::rate(n).into(),
        Value::Micros(us) => human::duration(us).into(),
        Value::Percent(n) => human::percent(n).into(),
        Value::Address(address) => address.to_string().into(),
        Value::Endpoint(end) => format!("{end:#}").into(),
        Value::Bool(yes) => if yes { "yes" } else { "no" }.into(),
        Value::Time(us) => time(us).into(),
        Value::List(list) => list_text(field, list).into(),
        Value::Several(values) => several(field, values).into(),
        Value::Unknown(Unknown::Unlimited) => "unlimited".into(),
        Value::Unknown(_) => "?".into(),
        Value::NotApplicable => "-".into(),
    }
}

/// Distinct values, in order, joined by commas; names of processes with their number: `nginx ×40`.
fn several(field: &Field, values: Vec<Value<'_>>) -> String {
    let mut texts: Vec<(Cow<'_, str>, usize)> = Vec::new();
    for value in values {
        let text = text(field, value);
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => texts.push((text, 1)),
        }
    }
    let is_counted = field.name == "process";
    let shown = texts.into_iter().map(|(text, count)| match count {
        2.. if is_counted => format!("{text} ×{count}"),
        _ => text.into_owned(),
    });
    shown.collect::<Vec<String>>().join(",")
}

/// Pids of a socket that forks share: the first, and the number of others if they are many.
fn pids(field: &Field, values: Vec<Value<'_>>) -> String {
    const MANY: usize = 3;
    let others = values.len().saturating_sub(1);
    match values.first() {
        Some(first) if values.len() > MANY => format!("{} +{others}", text(field, first.clone())),
        _ => several(field, values),
    }
}

/// The records of a list in brief, or how many there are.
fn list_text(field: &Field, list: List<'_>) -> String {
    match field.kind {
        Kind::List(spec) if !spec.shows_records => list.len().to_string(),
        _ => {
            let records: Vec<String> = list.briefs().map(|b| printable(b.into()).into()).collect();
            records.join(",")
        }
    }
}

fn time(us: i64) -> String {
    // Tables show whole seconds.
    let seconds = Timestamp::from_second(us.div_euclid(1_000_000));
    seconds.map_or_else(|_| us.to_string(), |timestamp| timestamp.to_string())
}

/// The records of a list, each with all its columns; none for other fields.
#[must_use]
pub fn record_lines(field: &Field, connection: &Connection) -> Vec<String> {
    let (Kind::List(spec), Value::List(list)) = (field.kind, field.value(connection)) else {
        return Vec::new();
    };
    let record = |row: usize| {
        let cells = spec.columns.iter().enumerate().filter_map(|(at, column)| {
            let value = list.value(row, at);
            value.is_known().then(|| format!("{} {}", column.key, text(field, value)))
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    (0..list.len()).map(record).collect()
}

/// The protocols that a connection carries, outermost first, and how each was recognised.
#[must_use]
pub fn layer_lines(connection: &Connection) -> Vec<String> {
    let layers = connection.application.value().map(|application| &application.layers);
    let line = |layer: &Layer| {
        let protocol = printable((&*layer.protocol).into());
        format!("{protocol}: {}, {}", layer.certainty.name(), layer.origin.name())
    };
    layers.into_iter().flatten().map(line).collect()
}

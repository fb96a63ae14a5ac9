//! A value as people read it in a table. Unknown is `?`, not applicable is `-`.

use std::borrow::Cow;

use conns_core::human;
use conns_core::model::{Connection, Owner};
use conns_core::query::{Field, Value};
use jiff::Timestamp;

use crate::names::Names;

/// The text of a field of a connection.
#[must_use]
pub fn field_text<'a>(field: &Field, connection: &'a Connection, names: &Names) -> Cow<'a, str> {
    let value = field.value(connection);
    match value {
        Value::Endpoint(end) => names.endpoint(end, connection.socket.protocol).into(),
        value => text(value),
    }
}

fn text(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Text(text) => printable(text),
        Value::Count(n) => n.to_string().into(),
        Value::Port(port) => port.to_string().into(),
        Value::Bytes(n) => human::bytes(n).into(),
        Value::BytesPerSecond(n) if n >= u64::MAX as f64 => "unlimited".into(),
        Value::BytesPerSecond(n) => human::rate(n).into(),
        Value::Micros(us) => human::duration(us).into(),
        Value::Percent(n) => human::percent(n).into(),
        Value::Address(address) => address.to_string().into(),
        Value::Endpoint(end) => format!("{end:#}").into(),
        Value::Bool(yes) => if yes { "yes" } else { "no" }.into(),
        Value::Time(us) => time(us).into(),
        Value::Owners(held) => owners(held).into(),
        Value::Peers(peers) => peers.len().to_string().into(),
        Value::Several(values) => several(values).into(),
        Value::Unknown(_) => "?".into(),
        Value::NotApplicable => "-".into(),
    }
}

/// Distinct values, in order, joined by commas.
fn several(values: Vec<Value<'_>>) -> String {
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    for value in values {
        let text = text(value);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(",")
}

/// Every hold, as `name(pid)fd`.
fn owners(held: &[Owner]) -> String {
    let texts: Vec<String> = held
        .iter()
        .map(|owner| {
            let name = printable(Cow::Borrowed(&*owner.process.name));
            let descriptor = owner.descriptor.map(|fd| format!("fd{fd}")).unwrap_or_default();
            format!("{name}({}){descriptor}", owner.process.pid)
        })
        .collect();
    texts.join(",")
}

fn time(us: i64) -> String {
    // Seconds are enough for people.
    let seconds = Timestamp::from_second(us.div_euclid(1_000_000));
    seconds.map_or_else(|_| us.to_string(), |timestamp| timestamp.to_string())
}

/// Text as it may go to a terminal: a process may call itself anything, control sequences and
/// characters that turn the reading direction included.
#[must_use]
pub fn printable(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Control characters, and those of the Unicode bidirectional algorithm (UAX 9).
fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

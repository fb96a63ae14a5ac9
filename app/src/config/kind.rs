//! What a setting can hold: the kinds of values, how a text becomes one, and how one is written.

use std::fmt;
use std::time::Duration;

use crate::flags::parse_span;

/// The kind of a setting's value, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// True or false.
    Switch,
    /// A whole number within these.
    Count(u64, u64),
    /// A number of bytes within these.
    Size(u64, u64),
    /// A span of time within these, in milliseconds.
    Span(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text.
    Text,
    /// Any number of texts; a flag is repeated for them, in a variable commas stand between them.
    Texts,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Switch(bool),
    Count(u64),
    /// Bytes.
    Size(u64),
    Span(Duration),
    /// Also a choice.
    Text(String),
    Texts(Vec<String>),
}

impl Kind {
    /// The value a text of the environment or of a flag stands for.
    pub(crate) fn value_of(self, text: &str) -> Result<Value, String> {
        let refused = || format!("expected {}, found `{text}`", self.expected());
        let value = match self {
            Self::Switch => Value::Switch(match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(refused()),
            }),
            Self::Count(..) => Value::Count(text.parse().map_err(|_| refused())?),
            Self::Size(..) => Value::Size(bytes(text).ok_or_else(refused)?),
            Self::Span(..) => Value::Span(parse_span(text).map_err(|_| refused())?),
            Self::Choice(_) | Self::Text => Value::Text(text.to_owned()),
            Self::Texts => {
                let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
                Value::Texts(all.map(str::to_owned).collect())
            }
        };
        if self.holds(&value) { Ok(value) } else { Err(refused()) }
    }

    /// Whether `value` is of this kind and within its bounds.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Switch, Value::Switch(_))
            | (Self::Text, Value::Text(_))
            | (Self::Texts, Value::Texts(_)) => true,
            (Self::Count(least, most), Value::Count(count))
            | (Self::Size(least, most), Value::Size(count)) => (least..=most).contains(count),
            (Self::Span(least, most), Value::Span(span)) => {
                (Duration::from_millis(least)..=Duration::from_millis(most)).contains(span)
            }
            (Self::Choice(words), Value::Text(text)) => words.contains(&text.as_str()),
            _ => false,
        }
    }

    /// What is expected, for messages.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Size(least, most) => {
                let (least, most) = (Value::Size(least), Value::Size(most));
                format!("a number of bytes from {least} to {most}")
            }
            Self::Span(least, most) => {
                let span = |ms| Value::Span(Duration::from_millis(ms));
                format!("a time from {} to {}", span(least), span(most))
            }
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a text in quotes".to_owned(),
            Self::Texts => "a list of texts: [\"…\", \"…\"]".to_owned(),
        }
    }
}

/// Units of bytes, the largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn bytes(text: &str) -> Option<u64> {
    let found = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (number, size) = found.unwrap_or((text, &1));
    number.trim_end().parse::<u64>().ok()?.checked_mul(*size)
}

/// As in a configuration file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(is) => is.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Size(size) => {
                let exact = UNITS.iter().find(|(_, unit)| *size > 0 && size % unit == 0);
                let (name, unit) = exact.unwrap_or(&("B", 1));
                write!(f, "\"{}{name}\"", size / unit)
            }
            Self::Span(span) => {
                let ms = span.as_millis();
                let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
                let exact = units.iter().find(|(_, unit)| ms > 0 && ms % unit == 0);
                let (name, unit) = exact.unwrap_or(&("ms", 1));
                write!(f, "\"{}{name}\"", ms / unit)
            }
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Texts(all) => {
                write!(f, "[{}]", all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A basic string of TOML, which a JSON string is too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

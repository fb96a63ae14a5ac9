//! Kinds of settings and their values: how a text is parsed, and how a value is written in a file.

use std::fmt;
use std::time::Duration;

use conns_core::units::{bytes_text, parse_bytes, parse_span, span_text};

/// The kind of a setting's value, with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// True or false.
    Switch,
    /// A whole number within these limits.
    Count(u64, u64),
    /// A number of bytes within these limits.
    Size(u64, u64),
    /// A span of time within these limits, in milliseconds.
    Span(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text.
    Text,
    /// A list of texts: a repeated flag; separated by commas in a variable.
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
    /// Parses the text of a variable or a flag.
    pub(crate) fn value_of(self, text: &str) -> Result<Value, String> {
        let refused = || format!("expected {}, found `{text}`", self.expected());
        let value = match self {
            Self::Switch => Value::Switch(match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(refused()),
            }),
            Self::Count(..) => Value::Count(text.parse().map_err(|_| refused())?),
            Self::Size(..) => Value::Size(parse_bytes(text).ok_or_else(refused)?),
            Self::Span(..) => Value::Span(parse_span(text).ok_or_else(refused)?),
            Self::Choice(_) | Self::Text => Value::Text(text.to_owned()),
            Self::Texts => {
                let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
                Value::Texts(all.map(str::to_owned).collect())
            }
        };
        if self.accepts(&value) { Ok(value) } else { Err(refused()) }
    }

    /// Whether `value` is of this kind and within its limits.
    pub(crate) fn accepts(self, value: &Value) -> bool {
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

/// As written in a configuration file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(is) => is.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Size(size) => write!(f, "\"{}\"", bytes_text(*size)),
            Self::Span(span) => write!(f, "\"{}\"", span_text(*span)),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Texts(all) => {
                write!(f, "[{}]", all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A basic string of TOML; every JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

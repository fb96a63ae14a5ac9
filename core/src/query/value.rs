//! The value of one field of one connection, as filters compare it and surfaces print it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::model::{Endpoint, Kind, Known, Scalar, Unknown};

/// A value in the unit of its [`Kind`](super::Kind), or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A plain number.
    Count(u64),
    /// A port number.
    Port(u16),
    /// Bytes.
    Bytes(u64),
    /// Bytes a second.
    BytesPerSecond(f64),
    /// Microseconds.
    Micros(u64),
    /// Percent, 0 to 100.
    Percent(f64),
    /// An address, mapped or not as the kernel holds it.
    Address(IpAddr),
    /// Address and port.
    Endpoint(Endpoint),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64),
    /// Records: owners, peers, streams.
    List(List<'a>),
    /// Several values, of several owners; none of them is the only one. Never empty.
    Several(Vec<Value<'a>>),
    /// There is a value, but it is not known.
    Unknown(Unknown),
    /// There is no such value for this kind of connection.
    NotApplicable,
}

impl<'a> Value<'a> {
    /// What is known, made a value by `make`; the reason otherwise.
    pub fn known<T>(known: Known<T>, make: impl FnOnce(T) -> Self) -> Self {
        match known {
            Known::Value(value, _) => make(value),
            Known::Unknown(why) => Self::Unknown(why),
            Known::NotApplicable => Self::NotApplicable,
        }
    }

    /// Whether a field of this kind can have it; what is not known is of each kind.
    #[must_use]
    pub fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Text(_) => kind == Kind::Text,
            Self::Count(_) => kind == Kind::Count,
            Self::Port(_) => kind == Kind::Port,
            Self::Bytes(_) => kind == Kind::Bytes,
            Self::BytesPerSecond(_) => kind == Kind::BytesPerSecond,
            Self::Micros(_) => kind == Kind::Duration,
            Self::Percent(_) => kind == Kind::Percent,
            Self::Address(_) => kind == Kind::Address,
            Self::Endpoint(_) => kind == Kind::Endpoint,
            Self::Bool(_) => kind == Kind::Bool,
            Self::Time(_) => kind == Kind::Time,
            Self::List(_) => kind.is_list(),
            Self::Several(values) => values.iter().all(|value| value.is_of(kind)),
            Self::Unknown(_) | Self::NotApplicable => true,
        }
    }

    /// Borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A scalar of a layer.
    #[must_use]
    pub fn of_scalar(scalar: &'a Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => Self::text(text),
            Scalar::Count(n) => Self::Count(*n),
            Scalar::Port(port) => Self::Port(*port),
            Scalar::Bytes(n) => Self::Bytes(*n),
            Scalar::BytesPerSecond(n) => Self::BytesPerSecond(*n),
            Scalar::Micros(us) => Self::Micros(*us),
            Scalar::Percent(n) => Self::Percent(*n),
            Scalar::Address(address) => Self::Address(*address),
            Scalar::Endpoint(end) => Self::Endpoint(*end),
            Scalar::Bool(yes) => Self::Bool(*yes),
            Scalar::Time(us) => Self::Time(*us),
            Scalar::List(records) => Self::List(List(records)),
        }
    }

    /// The value in the base unit, as plain text for CSV and groups: empty if there is none, of
    /// several the first, of a list each record in brief.
    #[must_use]
    pub fn plain_text(self) -> String {
        match self {
            Self::Text(text) => text.into_owned(),
            Self::Count(n) | Self::Bytes(n) | Self::Micros(n) => n.to_string(),
            Self::Port(port) => port.to_string(),
            Self::BytesPerSecond(n) | Self::Percent(n) => n.to_string(),
            Self::Address(address) => address.to_string(),
            Self::Endpoint(end) => end.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Time(us) => us.to_string(),
            Self::List(list) => list.briefs().collect::<Vec<_>>().join(" "),
            Self::Several(values) => {
                values.into_iter().next().map(Self::plain_text).unwrap_or_default()
            }
            Self::Unknown(_) | Self::NotApplicable => String::new(),
        }
    }

    /// The value as a number in its unit, of several the first; `None` if it is none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a chart has fewer digits")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Count(n) | Self::Bytes(n) | Self::Micros(n) => Some(*n as f64),
            Self::BytesPerSecond(n) | Self::Percent(n) => Some(*n),
            Self::Several(values) => values.first()?.number(),
            _ => None,
        }
    }

    /// Whether there is a value at all.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::NotApplicable)
    }
}

/// The records of a list. Columns are those of the field's
/// [`ListSpec`](crate::model::ListSpec), in its order.
pub trait Records {
    /// How many there are.
    fn count(&self) -> usize;

    /// The value of `column` of the record `row`; not applicable beyond either end.
    fn value(&self, row: usize, column: usize) -> Value<'_>;

    /// The record `row` in a few characters, for tables and groups.
    fn brief(&self, row: usize) -> String;

    /// How many more there are, which a bound omits.
    fn omitted(&self) -> u32 {
        0
    }
}

/// A list of records.
#[derive(Clone, Copy)]
pub struct List<'a>(pub &'a dyn Records);

impl<'a> List<'a> {
    /// How many records there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of `column` of the record `row`.
    #[must_use]
    pub fn value(self, row: usize, column: usize) -> Value<'a> {
        self.0.value(row, column)
    }

    /// Each record in a few characters, and how many more a bound omits.
    pub fn briefs(self) -> impl Iterator<Item = String> + 'a {
        let omitted = Some(self.0.omitted()).filter(|omitted| *omitted > 0);
        let more = omitted.map(|omitted| format!("+{omitted} more"));
        (0..self.len()).map(move |row| self.0.brief(row)).chain(more)
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.briefs()).finish()
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.briefs().eq(other.briefs())
    }
}

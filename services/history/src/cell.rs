//! One value of a row, as SQLite has it.

use std::borrow::Cow;

use conns_core::query::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

/// A value of SQLite (<https://sqlite.org/datatype3.html>). What is unknown, and what does not apply, is [`Cell::Null`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// `NULL`.
    Null,
    /// `INTEGER`.
    Integer(i64),
    /// `REAL`, never NaN.
    Real(f64),
    /// `TEXT`.
    Text(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// Borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A number; beyond the range of `INTEGER` it is `REAL`, as SQLite reads such literals.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "as SQLite does where an INTEGER overflows")]
    pub fn unsigned(number: u64) -> Self {
        i64::try_from(number).map_or(Self::Real(number as f64), Self::Integer)
    }

    /// A number that may be fractional; NaN is `NULL`, as in SQLite.
    #[must_use]
    pub fn real(number: f64) -> Self {
        if number.is_nan() { Self::Null } else { Self::Real(number) }
    }

    /// What is known, made a cell by `make`, else `NULL`.
    pub fn of<T>(known: Option<T>, make: impl FnOnce(T) -> Self) -> Self {
        known.map_or(Self::Null, make)
    }

    /// The value of a field that is no list, in the base unit. Of several values, of several owners, the first.
    #[must_use]
    pub fn of_value(value: Value<'a>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Count(number) | Value::Bytes(number) | Value::Micros(number) => {
                Self::unsigned(number)
            }
            Value::Port(port) => Self::Integer(port.into()),
            Value::BytesPerSecond(number) | Value::Percent(number) => Self::real(number),
            Value::Address(address) => Self::Text(address.to_string().into()),
            Value::Endpoint(end) => Self::Text(end.to_string().into()),
            Value::Bool(yes) => Self::Integer(yes.into()),
            Value::Time(us) => Self::Integer(us),
            Value::Several(values) => values.into_iter().next().map_or(Self::Null, Self::of_value),
            value @ Value::List(_) => Self::Text(value.plain_text().into()),
            Value::Unknown(_) | Value::NotApplicable => Self::Null,
        }
    }

    /// Bytes of its text; a number has those of its digits at most.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) => size_of::<Self>(),
        }
    }

    /// The value that SQLite returned. Blobs, which only functions of SQLite make, are shown in hexadecimal digits as
    /// literals of SQLite are.
    pub(crate) fn of_sqlite(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned().into()),
            ValueRef::Blob(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                Self::Text(format!("X'{digits}'").into())
            }
        }
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Owned::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Owned::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Owned::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

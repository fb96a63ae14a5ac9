//! Reads the record of a stream.

use crate::decode::layer_values::{LayerValues, value_at};
use crate::model::{Connection, Known, Record, Scalar};

use super::columns::COLUMNS;

/// A stream in the list of a connection, read by column.
#[derive(Debug, Clone, Copy)]
pub struct MediaStream<'a> {
    /// The name of the protocol that carries it.
    pub protocol: &'static str,
    record: &'a Record,
}

impl<'a> MediaStream<'a> {
    /// The streams of a connection, of all its layers.
    pub fn of(connection: &'a Connection) -> impl Iterator<Item = Self> {
        LayerValues::all(connection).flat_map(|layer| {
            let protocol = layer.protocol();
            layer.records("streams").iter().map(move |record| Self { protocol, record })
        })
    }

    /// The values, in the order of [`MEDIA_COLUMNS`](crate::decode::MEDIA_COLUMNS).
    #[must_use]
    pub fn values(self) -> &'a [Known<Scalar>] {
        &self.record.values
    }

    fn value(self, key: &str) -> Option<&'a Scalar> {
        let at = COLUMNS.iter().position(|column| column.key == key)?;
        value_at(self.record, at)
    }

    /// A number, also of bytes; `None` if it is not known.
    #[must_use]
    pub fn count(self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Scalar::Count(number) | Scalar::Bytes(number) | Scalar::Micros(number) => Some(*number),
            _ => None,
        }
    }

    /// A text; `None` if it is not known.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is so; `None` if it is not known.
    #[must_use]
    pub fn is(self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Scalar::Bool(is) => Some(*is),
            _ => None,
        }
    }

    /// Microseconds since 1970; `None` if it is not known.
    #[must_use]
    pub fn time_us(self, key: &str) -> Option<i64> {
        match self.value(key)? {
            Scalar::Time(at) => Some(*at),
            _ => None,
        }
    }

    /// Percent; `None` if it is not known.
    #[must_use]
    pub fn percent(self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Scalar::Percent(percent) => Some(*percent),
            _ => None,
        }
    }

    /// Bytes a second; `None` if it is not known.
    #[must_use]
    pub fn rate(self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Scalar::BytesPerSecond(rate) => Some(*rate),
            _ => None,
        }
    }

    /// Whether this end sends the media.
    #[must_use]
    pub fn is_sent(self) -> bool {
        self.text("direction") == Some("out")
    }

    /// Whether the end that opened the connection publishes it.
    #[must_use]
    pub fn is_published(self) -> bool {
        self.text("role") == Some("publish")
    }
}

//! Reads the values of a layer by the names of its fields.

use crate::model::{Application, Connection, Known, Layer, Record, Scalar};

use super::{ProtocolSpec, registry};

/// The values of a layer.
#[derive(Debug, Clone, Copy)]
pub struct LayerValues<'a> {
    protocol: &'static ProtocolSpec,
    layer: &'a Layer,
}

impl<'a> LayerValues<'a> {
    /// Of the layer of this protocol; `None` if the connection has none.
    #[must_use]
    pub fn of(connection: &'a Connection, protocol: &'static ProtocolSpec) -> Option<Self> {
        Self::of_layers(connection.application.value()?, protocol)
    }

    /// Of the layer of this protocol among these; `None` if there is none.
    #[must_use]
    pub fn of_layers(layers: &'a Application, protocol: &'static ProtocolSpec) -> Option<Self> {
        Some(Self { protocol, layer: layers.layer(protocol.name)? })
    }

    /// Of each layer, outermost first.
    pub fn all(connection: &'a Connection) -> impl Iterator<Item = Self> {
        let layers = connection.application.value().into_iter().flat_map(|one| one.layers.iter());
        layers.filter_map(|layer| {
            let protocol = registry().find(|one| *one.name == *layer.protocol)?;
            Some(Self { protocol, layer })
        })
    }

    /// The name of the protocol.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        self.protocol.name
    }

    /// The value of a field, by its name without that of the protocol; `None` if it is not known.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a Scalar> {
        let is_named = |field: &str| {
            field.strip_prefix(self.protocol.name).and_then(|rest| rest.strip_prefix('.'))
                == Some(name)
        };
        let at = self.protocol.fields.iter().position(|field| is_named(field.name))?;
        self.layer.values.get(at)?.value()
    }

    /// A text.
    #[must_use]
    pub fn text(self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also of bytes and a port.
    #[must_use]
    pub fn count(self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Scalar::Count(number) | Scalar::Bytes(number) | Scalar::Micros(number) => Some(*number),
            Scalar::Port(port) => Some((*port).into()),
            _ => None,
        }
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(self, name: &str) -> Option<f64> {
        match self.value(name)? {
            Scalar::BytesPerSecond(rate) => Some(*rate),
            _ => None,
        }
    }

    /// A moment, microseconds since 1970.
    #[must_use]
    pub fn time_us(self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Scalar::Time(wall_us) => Some(*wall_us),
            _ => None,
        }
    }

    /// The records of a list; none if it is not known.
    #[must_use]
    pub fn records(self, name: &str) -> &'a [Record] {
        match self.value(name) {
            Some(Scalar::List(records)) => records,
            _ => &[],
        }
    }
}

/// The known value at a place of a record.
pub(super) fn value_at(record: &Record, at: usize) -> Option<&Scalar> {
    record.values.get(at).and_then(Known::value)
}

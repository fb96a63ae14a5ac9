//! A field: a name under which something of a connection can be filtered, sorted, shown.

use std::fmt;
use std::ops::Deref;

use crate::model::{
    Connection, FieldSpec, Kind, Known, Source, TcpInfoField, TcpInfoUnit, Unknown,
};

use super::Value;

/// How a field is read from a connection.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// From anything of it.
    Connection(for<'a> fn(&'a Connection) -> Value<'a>),
    /// From its layer of a protocol, by position among the values.
    Layer {
        /// The protocol.
        protocol: &'static str,
        /// The position.
        index: usize,
    },
    /// From its `tcp_info`.
    TcpInfo(&'static TcpInfoField),
}

/// One field of the catalogue. Its declaration is behind `Deref`.
pub struct Field {
    spec: FieldSpec,
    /// Its name in machine-read output: `name` with the unit.
    pub key: String,
    pub(super) read: Read,
}

impl Deref for Field {
    type Target = FieldSpec;

    fn deref(&self) -> &FieldSpec {
        &self.spec
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Field {
    pub(super) fn new(spec: FieldSpec, read: Read) -> Self {
        Self { key: key_of(spec.name, spec.kind), spec, read }
    }

    /// The field of `tcp_info` this one is, if it is one.
    #[must_use]
    pub fn tcp_info(&self) -> Option<&'static TcpInfoField> {
        match self.read {
            Read::TcpInfo(field) => Some(field),
            Read::Connection(_) | Read::Layer { .. } => None,
        }
    }

    /// The source of this field's value of `connection`; `None` if there is no value.
    #[must_use]
    pub fn source(&self, connection: &Connection) -> Option<Source> {
        match self.read {
            Read::TcpInfo(_) => connection.socket.tcp.source(),
            Read::Connection(_) => connection.source_of(self.part),
            Read::Layer { protocol, index } => {
                let application = connection.application.value()?;
                application.layer(protocol)?.values.get(index)?.source()
            }
        }
    }

    /// The value of this field of `connection`.
    #[must_use]
    #[inline]
    pub fn value<'a>(&self, connection: &'a Connection) -> Value<'a> {
        match self.read {
            Read::Connection(read) => read(connection),
            Read::TcpInfo(field) => tcp_info_value(connection, field),
            Read::Layer { protocol, index } => {
                let value = layer_value(connection, protocol, index);
                // An agent of another version may know the field as another kind.
                if value.is_of(self.kind) {
                    value
                } else {
                    Value::Unknown(Unknown::SourceDoesNotReport)
                }
            }
        }
    }
}

fn tcp_info_value<'a>(connection: &'a Connection, field: &TcpInfoField) -> Value<'a> {
    let tcp = match &connection.socket.tcp {
        Known::Value(tcp, _) => tcp,
        Known::Unknown(why) => return Value::Unknown(*why),
        Known::NotApplicable => return Value::NotApplicable,
    };
    if !field.applies_to(tcp) {
        return Value::NotApplicable;
    }
    let raw = match field.scaled(tcp, connection.socket.age_ms()) {
        Ok(raw) => raw,
        Err(why) => return Value::Unknown(why),
    };
    match field.unit {
        TcpInfoUnit::Count => Value::Count(raw),
        TcpInfoUnit::Bytes => Value::Bytes(raw),
        #[allow(clippy::cast_precision_loss, reason = "a rate above 2^53 bytes/s is no rate")]
        TcpInfoUnit::BytesPerSecond => Value::BytesPerSecond(raw as f64),
        TcpInfoUnit::Micros | TcpInfoUnit::Millis => Value::Micros(raw),
    }
}

/// The name with the suffix of its unit, unless it has it.
fn key_of(name: &str, kind: Kind) -> String {
    let suffix = kind.suffix();
    if name.contains("bytes") || suffix.is_empty() || name.ends_with(suffix) {
        name.to_owned()
    } else {
        format!("{name}{suffix}")
    }
}

/// The value at `index` of the connection's layer of `protocol`.
fn layer_value<'a>(connection: &'a Connection, protocol: &str, index: usize) -> Value<'a> {
    let application = match &connection.application {
        Known::Value(application, _) => application,
        Known::Unknown(why) => return Value::Unknown(*why),
        Known::NotApplicable => return Value::NotApplicable,
    };
    let layer = application.layer(protocol);
    match layer.map(|layer| layer.values.get(index)) {
        Some(Some(value)) => Value::known(value.as_ref(), Value::of_scalar),
        // It keeps the name of the outermost.
        _ if connection.socket.source == Source::History => Value::Unknown(Unknown::NotKept),
        Some(None) => Value::Unknown(Unknown::SourceDoesNotReport),
        None => Value::NotApplicable,
    }
}

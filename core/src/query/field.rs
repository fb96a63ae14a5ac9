//! A field: a name under which something of a connection can be filtered, sorted, shown.

use crate::model::{Connection, Known, TcpInfoField, TcpInfoUnit, Unknown};

use super::Value;

/// The type of a field, its unit included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text; compared without regard to case.
    Text,
    /// A plain number.
    Count,
    /// A port number; a service name is understood too.
    Port,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A time span, kept in microseconds.
    Duration,
    /// Percent, 0 to 100.
    Percent,
    /// An address; IPv4-mapped ones match both ways.
    Address,
    /// Address and port.
    Endpoint,
    /// True or false.
    Bool,
    /// A moment, kept in microseconds since 1970-01-01 UTC.
    Time,
    /// The list of holders; shown, not compared.
    Owners,
    /// The list of peers of a UDP socket; shown, not compared.
    Peers,
}

impl Kind {
    /// The type in a word, for the field reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "number",
            Self::Port => "port",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "rate",
            Self::Duration => "duration",
            Self::Percent => "percent",
            Self::Address => "address",
            Self::Endpoint => "endpoint",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Owners | Self::Peers => "list",
        }
    }

    /// The unit in machine-read output; empty where there is none.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::Duration => "us",
            Self::Percent => "%",
            Self::Time => "us since 1970-01-01 UTC",
            Self::Text
            | Self::Count
            | Self::Port
            | Self::Address
            | Self::Endpoint
            | Self::Bool
            | Self::Owners
            | Self::Peers => "",
        }
    }

    /// What machine-read names end in, so that they carry their unit.
    fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => "_bytes",
            Self::BytesPerSecond => "_bytes_per_s",
            Self::Duration | Self::Time => "_us",
            Self::Percent => "_percent",
            Self::Text
            | Self::Count
            | Self::Port
            | Self::Address
            | Self::Endpoint
            | Self::Bool
            | Self::Owners
            | Self::Peers => "",
        }
    }

    /// Whether it is a list: shown, not compared.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Owners | Self::Peers)
    }

    /// Whether larger and smaller mean something, so that sums and `--sort` do too.
    #[must_use]
    pub fn is_quantity(self) -> bool {
        matches!(
            self,
            Self::Count | Self::Bytes | Self::BytesPerSecond | Self::Duration | Self::Percent
        )
    }
}

/// How a field is read from a connection.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// From anything of it.
    Connection(for<'a> fn(&'a Connection) -> Value<'a>),
    /// From its `tcp_info`.
    TcpInfo(&'static TcpInfoField),
}

/// One field of the catalogue.
pub struct Field {
    /// Its name in filters and on the command line.
    pub name: &'static str,
    /// Other names filters understand.
    pub aliases: &'static [&'static str],
    /// Its name in machine-read output: `name` with the unit.
    pub key: String,
    /// Its type and unit.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
    /// Where it comes from.
    pub origin: String,
    pub(super) read: Read,
    pub(super) of_process: bool,
}

impl Field {
    pub(super) fn key_of(name: &str, kind: Kind) -> String {
        let suffix = kind.suffix();
        if name.contains("bytes") || suffix.is_empty() || name.ends_with(suffix) {
            name.to_owned()
        } else {
            format!("{name}{suffix}")
        }
    }

    /// The field of `tcp_info` this one is, if it is one.
    #[must_use]
    pub fn tcp_info(&self) -> Option<&'static TcpInfoField> {
        match self.read {
            Read::TcpInfo(field) => Some(field),
            Read::Connection(_) => None,
        }
    }

    /// Whether it depends on nothing but the process that holds the socket.
    #[must_use]
    pub fn is_of_process(&self) -> bool {
        self.of_process
    }

    /// The value of this field of `connection`.
    #[must_use]
    pub fn value<'a>(&self, connection: &'a Connection) -> Value<'a> {
        match self.read {
            Read::Connection(read) => read(connection),
            Read::TcpInfo(field) => tcp_info_value(connection, field),
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
    let Some(raw) = field.scaled(tcp, connection.socket.age_ms()) else {
        return Value::Unknown(Unknown::KernelDoesNotTell);
    };
    match field.unit {
        TcpInfoUnit::Count => Value::Count(raw),
        TcpInfoUnit::Bytes => Value::Bytes(raw),
        #[allow(clippy::cast_precision_loss, reason = "a rate above 2^53 bytes/s is no rate")]
        TcpInfoUnit::BytesPerSecond => Value::BytesPerSecond(raw as f64),
        TcpInfoUnit::Micros | TcpInfoUnit::Millis => Value::Micros(raw),
    }
}

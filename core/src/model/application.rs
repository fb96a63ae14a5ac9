//! What a connection carries: its application layers, each with the values of its protocol.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Endpoint, Known, Moment};

/// The protocols above the transport, outermost first: TLS before the HTTP inside it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Application {
    /// The layers.
    pub layers: Box<[Layer]>,
}

impl Application {
    /// The layer of this protocol, the outermost if there are several.
    #[must_use]
    pub fn layer(&self, protocol: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| &*layer.protocol == protocol)
    }

    /// The innermost layer: what the connection is used for.
    #[must_use]
    pub fn innermost(&self) -> Option<&Layer> {
        self.layers.last()
    }
}

/// One protocol of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the protocol in the registry of `core/decode`.
    pub protocol: Arc<str>,
    /// How certain the recognition is.
    pub certainty: Certainty,
    /// Whether it was seen on the wire.
    pub origin: LayerOrigin,
    /// When it was recognised.
    pub since: Moment,
    /// Payload bytes the decoder did not get.
    pub gap_bytes: u64,
    /// The values, in the order of the protocol's fields. Missing ones at the end are unknown: a
    /// newer version has more fields.
    pub values: Box<[Known<Scalar>]>,
}

/// How certain the recognition of a protocol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Certainty {
    /// The bytes can be of no other protocol known here.
    Certain,
    /// The bytes make it likely.
    Likely,
    /// Nothing but the port of the server speaks for it: the connection began before it was seen.
    Port,
}

impl Certainty {
    /// `certain`, `likely` or `port`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Port => "port",
        }
    }
}

/// Where a layer's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LayerOrigin {
    /// Decoded from the bytes of the connection.
    Seen,
    /// Reported by the process that owns the socket.
    Reported,
}

impl LayerOrigin {
    /// `seen` or `reported`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Reported => "reported",
        }
    }
}

/// A value of a layer, in the unit of its field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Text.
    Text(Arc<str>),
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
    /// An address.
    Address(IpAddr),
    /// Address and port.
    Endpoint(Endpoint),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64),
    /// Several records, such as the streams of a media connection.
    List(Arc<[Record]>),
}

/// One entry of a list, its values in the order of the list's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The values.
    pub values: Box<[Known<Scalar>]>,
}

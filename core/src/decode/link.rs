//! The transfers of `conns link`, which its server reports; on the wire they are QUIC.

use std::sync::Arc;

use crate::model::{
    Application, Certainty, EncryptionState, Endpoint, FieldSpec, Kind, Known, Layer, LayerOrigin,
    Moment, Scalar, Source, Transfer, TransferError, Unknown,
};

use super::{ProtocolSpec, field};

/// The declaration of the protocol.
pub(super) static LINK: ProtocolSpec = ProtocolSpec {
    name: "link",
    meaning: "file transfers of conns link",
    fields: FIELDS,
    ports: &[],
    stream: None,
    datagram: None,
};

const ORIGIN: &str = "reported by the link server that has the socket";

static FIELDS: &[FieldSpec] = &[
    field(
        "link.connection",
        Kind::Text,
        "Id of the connection, as getConnection takes it.",
        ORIGIN,
    ),
    field("link.key", Kind::Text, "Public key of the destination.", ORIGIN),
    field("link.state", Kind::Text, "disconnected, negotiating or connected.", ORIGIN),
    field("link.queued", Kind::Count, "Transfers that wait for the destination.", ORIGIN),
    field("link.method", Kind::Text, "How the rate is chosen: fixed, low or fair.", ORIGIN),
    field("link.rate", Kind::BytesPerSecond, "Rate of IP bytes in the latest second.", ORIGIN),
    field(
        "link.average_rate",
        Kind::BytesPerSecond,
        "Rate of IP bytes since the running transfer began.",
        ORIGIN,
    ),
    field("link.max_rate", Kind::BytesPerSecond, "Bound of the rate.", ORIGIN),
    field("link.rtt", Kind::Duration, "Smoothed round-trip time.", ORIGIN),
    field("link.relay", Kind::Endpoint, "Relay that the packets go to.", ORIGIN),
    field("link.destination", Kind::Endpoint, "Receiver, also behind a relay.", ORIGIN),
    field("link.error", Kind::Text, "Why the destination cannot be reached now.", ORIGIN),
];

/// The layer of a connection of a link server.
#[must_use]
pub fn link_application(transfer: &Transfer, at: Moment) -> Application {
    let value = |field: &FieldSpec| match scalar(transfer, field.name) {
        Some(scalar) => Known::Value(scalar, Source::Reported),
        None if matches!(field.name, "link.relay" | "link.error" | "link.average_rate") => {
            Known::NotApplicable
        }
        None if field.name == "link.max_rate" => Known::Unknown(Unknown::Unlimited),
        None => Known::Unknown(Unknown::NothingMeasured),
    };
    let layer = Layer {
        protocol: LINK.name.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Reported,
        since: at,
        gap_bytes: 0,
        values: FIELDS.iter().map(value).collect(),
    };
    Application { layers: Box::new([layer]) }
}

fn scalar(of: &Transfer, name: &str) -> Option<Scalar> {
    let text = |text: &str| Some(Scalar::Text(Arc::from(text)));
    let rate = |kbit_per_s: Option<f64>| Some(Scalar::BytesPerSecond(kbit_per_s? * 125.0));
    match name {
        "link.connection" => text(&of.connection_id),
        "link.key" => text(of.destination_public_key.as_deref()?),
        "link.state" => text(match of.encrypted_connection_state {
            EncryptionState::Disconnected => "disconnected",
            EncryptionState::Negotiating => "negotiating",
            EncryptionState::Connected => "connected",
        }),
        "link.queued" => Some(Scalar::Count(of.transfers_queued)),
        "link.method" => text(&of.rate_control_method),
        "link.rate" => rate(of.send_rate_recent_kbit_per_s),
        "link.average_rate" => rate(of.send_rate_average_kbit_per_s),
        "link.max_rate" => rate(of.send_rate_max_kbit_per_s.map(|rate| rate as f64)),
        "link.rtt" => Some(Scalar::Micros((of.round_trip_time_ms? * 1000.0) as u64)),
        "link.relay" => {
            Some(Scalar::Endpoint(Endpoint { address: of.relay_ip?, port: of.relay_port? }))
        }
        "link.destination" => Some(Scalar::Endpoint(Endpoint {
            address: of.destination_ip,
            port: of.destination_port,
        })),
        "link.error" => text(match of.last_error? {
            TransferError::Unreachable => "unreachable",
            TransferError::Timeout => "timeout",
            TransferError::NotAuthorized => "not authorized",
            TransferError::Encryption => "encryption",
            TransferError::Version => "version",
            TransferError::Relay => "relay",
            TransferError::Local => "local",
        }),
        _ => None,
    }
}

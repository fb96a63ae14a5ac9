//! WebSocket (RFC 6455), to which HTTP is upgraded. Its messages are not read.

use super::ProtocolSpec;

/// The declaration of the protocol. It is only found inside of HTTP.
pub(super) static WEBSOCKET: ProtocolSpec = ProtocolSpec {
    name: "websocket",
    meaning: "messages in an upgraded HTTP connection",
    fields: &[],
    ports: &[],
    stream: None,
    datagram: None,
};

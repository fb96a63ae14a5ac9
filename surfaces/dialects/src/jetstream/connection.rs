//! The Connection structure: the 28 fields of JetStream's page, in its order, with types.
//!
//! The page gives no types. They are declared here; `docs/dialects/jetstream.md` has the same table,
//! and a test compares both with the page.

use std::net::IpAddr;

use serde::Serialize;

/// How this machine sends to one destination at `snapshot_time`. Rates are in kilobits
/// (1000 bits) per second, timestamps in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Identifies the connection in `getConnection`. Opaque.
    pub connection_id: String,
    /// The destination's address.
    #[serde(rename = "destinationIP")]
    pub destination_ip: IpAddr,
    /// The UDP port it receives on.
    pub destination_port: u16,
    /// Its public key; `None` without encryption.
    pub destination_public_key: Option<String>,
    /// How far encryption has been negotiated.
    pub encrypted_connection_state: EncryptedConnectionState,
    /// Whether this server encrypts.
    pub encryption_enabled: bool,
    /// The id, new at each start, of the server that last acknowledged; `None` before the first.
    pub last_destination_server_id: Option<String>,
    /// The lasting id of that server; `None` before the first acknowledgement.
    pub last_destination_server_uid: Option<String>,
    /// Why the destination cannot be reached now; `None` if it can.
    pub last_error: Option<ConnectError>,
    /// `last_error` in words; `None` with it.
    pub last_error_message: Option<String>,
    /// When something was last received; `None` if never.
    pub last_recv_time: Option<i64>,
    /// When something was last sent; `None` if never. The page has "receive", a mistake.
    pub last_send_time: Option<i64>,
    /// Transfers that wait for this destination.
    pub num_transfers_queued: u64,
    /// Whether a controller sets the rate; else it is `send_rate`.
    pub rate_controller_active: bool,
    /// The name of the controller's algorithm. An open list.
    pub rate_control_method: String,
    /// The relay's address; `None` without a relay.
    #[serde(rename = "relayIP")]
    pub relay_ip: Option<IpAddr>,
    /// The relay's port; `None` without a relay.
    pub relay_port: Option<u16>,
    /// Smoothed round trip time in milliseconds; `None` before it was measured.
    pub round_trip_time_ms: Option<f64>,
    /// The address sent from; `None` before the system has chosen one.
    #[serde(rename = "senderIP")]
    pub sender_ip: Option<IpAddr>,
    /// The UDP port sent from; `None` before the system has chosen one.
    pub sender_port: Option<u16>,
    /// The configured rate.
    pub send_rate: u64,
    /// The rate over the running transfer's lifetime; `None` without one.
    pub send_rate_average: Option<f64>,
    /// The rate within a recent window, which is no duration; `None` before a window has passed.
    pub send_rate_average_window: Option<f64>,
    /// The controller stays at or below it; `None` if it has no such bound.
    pub send_rate_max: Option<u64>,
    /// The controller stays at or above it.
    pub send_rate_min: u64,
    /// When this was recorded.
    pub snapshot_time: i64,
    /// The socket's receive buffer, bytes; `None` if the system does not report it.
    pub socket_recv_buffer_size: Option<u64>,
    /// The socket's send buffer, bytes; `None` if the system does not report it.
    pub socket_send_buffer_size: Option<u64>,
}

/// How far encryption has been negotiated. The page's list, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EncryptedConnectionState {
    /// Not started, or not encrypted.
    Disconnected,
    /// Started.
    Negotiating,
    /// Done.
    Connected,
}

impl EncryptedConnectionState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Disconnected, Self::Negotiating, Self::Connected];
}

/// Why a destination cannot be reached. No page lists JetStream's; these are ours, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectError {
    /// The network reports that it cannot be reached (ICMP, or no route here).
    Unreachable,
    /// No answer arrived.
    Timeout,
    /// The destination rejects this server's key, or its own key is not the expected one.
    NotAuthorized,
    /// Encryption could not be agreed on.
    Encryption,
    /// There is no common protocol version.
    Version,
    /// The relay cannot be reached or refuses.
    Relay,
    /// This machine's own socket failed.
    Local,
}

impl ConnectError {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::Timeout,
        Self::NotAuthorized,
        Self::Encryption,
        Self::Version,
        Self::Relay,
        Self::Local,
    ];
}

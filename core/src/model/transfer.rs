//! The connection of a transfer service to one destination: the noun behind the JetStream seed's
//! `Connection`, with its 28 fields under names that carry their units.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How this machine sends to one destination, as it was at `at_wall_us`. Rates are in kilobits
/// (1000 bits) per second, timestamps in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Names the connection in `getConnection`. Opaque.
    pub connection_id: String,
    /// The destination's address.
    pub destination_ip: IpAddr,
    /// The UDP port it receives on.
    pub destination_port: u16,
    /// Its public key; `None` without encryption.
    pub destination_public_key: Option<String>,
    /// How far encryption has been negotiated.
    pub encrypted_connection_state: EncryptionState,
    /// Whether this server encrypts.
    pub encryption_enabled: bool,
    /// The id, new at each start, of the server that last acknowledged; `None` before the first.
    pub last_destination_server_id: Option<String>,
    /// The lasting id of that server; `None` before the first acknowledgement.
    pub last_destination_server_uid: Option<String>,
    /// Why the destination cannot be reached now; `None` if it can.
    pub last_error: Option<TransferError>,
    /// `last_error` in words; `None` with it.
    pub last_error_message: Option<String>,
    /// When something was last received; `None` if never.
    pub last_received_wall_us: Option<i64>,
    /// When something was last sent; `None` if never. The page has "receive" here, an error.
    pub last_sent_wall_us: Option<i64>,
    /// Transfers that wait for this destination.
    pub transfers_queued: u64,
    /// Whether a controller sets the rate; else it is `send_rate_kbit_per_s`.
    pub rate_controller_active: bool,
    /// The name of the controller's algorithm. An open list.
    pub rate_control_method: String,
    /// The relay's address; `None` without a relay.
    pub relay_ip: Option<IpAddr>,
    /// The relay's port; `None` without a relay.
    pub relay_port: Option<u16>,
    /// Smoothed round trip time in milliseconds; `None` before it was measured.
    pub round_trip_time_ms: Option<f64>,
    /// The address sent from; `None` before the system has chosen one.
    pub sender_ip: Option<IpAddr>,
    /// The UDP port sent from; `None` before the system has chosen one.
    pub sender_port: Option<u16>,
    /// The configured rate.
    pub send_rate_kbit_per_s: u64,
    /// The rate over the running transfer's life; `None` without one.
    pub send_rate_average_kbit_per_s: Option<f64>,
    /// The rate of late. A rate, not a length of time; `None` before a window has passed.
    pub send_rate_recent_kbit_per_s: Option<f64>,
    /// The controller stays at or below it; `None` if it has no such bound.
    pub send_rate_max_kbit_per_s: Option<u64>,
    /// The controller stays at or above it.
    pub send_rate_min_kbit_per_s: u64,
    /// When this was recorded.
    pub at_wall_us: i64,
    /// The socket's receive buffer, bytes; `None` if the system does not report it.
    pub socket_receive_buffer_bytes: Option<u64>,
    /// The socket's send buffer, bytes; `None` if the system does not report it.
    pub socket_send_buffer_bytes: Option<u64>,
}

/// How far encryption has been negotiated. The page's list, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EncryptionState {
    /// Not begun, or not encrypted.
    Disconnected,
    /// Begun.
    Negotiating,
    /// Done.
    Connected,
}

impl EncryptionState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Disconnected, Self::Negotiating, Self::Connected];
}

/// Why a destination cannot be reached. No page lists JetStream's; these are ours, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TransferError {
    /// The network reports that it cannot be reached (ICMP, or no route here).
    Unreachable,
    /// Nothing came back.
    Timeout,
    /// It does not know this server's key, or its own key is not the expected one.
    NotAuthorized,
    /// Encryption could not be agreed on.
    Encryption,
    /// It supports no version that this server supports.
    Version,
    /// The relay cannot be reached or refuses.
    Relay,
    /// This machine's own socket failed.
    Local,
}

impl TransferError {
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

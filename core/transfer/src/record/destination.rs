//! A destination: a receiving server, how it is reached, and the state of the connection to it.

mod parameters;

use std::net::IpAddr;
use std::num::NonZeroU64;

use conns_core::model::{EncryptionState, Transfer, TransferError};
use serde::{Deserialize, Serialize};

use super::words;
use super::words::Word as _;
use crate::rate::Method;

pub use parameters::{DEFAULT_PORT, NewDestination, ParameterError, RateChange};

/// JetStream's Destination structure: its own fields and those of the Connection structure. JetStream's page is known up
/// to `permittedDestinationPublicKey`; the fields behind it in alphabetical order are those of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The connection that carries its transfers; `None` before the address was resolved.
    pub connection_id: Option<String>,
    /// The host name or IP address, as it was given.
    pub destination_address: String,
    /// Identifies the destination. Opaque.
    pub destination_id: String,
    /// The resolved address; `None` before it was resolved.
    #[serde(rename = "destinationIP")]
    pub destination_ip: Option<IpAddr>,
    /// The UDP port that the destination receives on.
    pub destination_port: u16,
    /// Its public key.
    pub destination_public_key: String,
    /// How far encryption has been negotiated.
    #[serde(with = "words")]
    pub encrypted_connection_state: EncryptionState,
    /// Whether this server encrypts.
    pub encryption_enabled: bool,
    /// The id, new at each start, of the server that last acknowledged; `None` before the first acknowledgement.
    pub last_destination_server_id: Option<String>,
    /// The lasting id of that server; `None` before the first acknowledgement.
    pub last_destination_server_uid: Option<String>,
    /// Why the destination cannot be reached now; `None` if it can.
    #[serde(with = "words::optional")]
    pub last_error: Option<TransferError>,
    /// `last_error` in words; `None` with it.
    pub last_error_message: Option<String>,
    /// When something was last received; `None` if never.
    #[serde(rename = "lastRecvTime")]
    pub last_received_wall_us: Option<i64>,
    /// When something was last sent; `None` if never.
    #[serde(rename = "lastSendTime")]
    pub last_sent_wall_us: Option<i64>,
    /// Transfers that wait for this destination.
    #[serde(rename = "numTransfersQueued")]
    pub transfers_queued: u64,
    /// The user who created it; `None` if not known.
    pub owner: Option<String>,
    /// Always null: there are no tokens that own destinations.
    pub owner_token: (),
    /// The key that the destination has to prove; the same as `destination_public_key`.
    pub permitted_destination_public_key: String,
    /// Queueing delay of the path at the last acknowledgement, milliseconds; `None` before the first. JetStream has no such field.
    pub queueing_delay_ms: Option<f64>,
    /// Share of the sent bytes of the connection that were lost, percent; `None` before the first acknowledgement. JetStream has
    /// no such field.
    pub loss_percent: Option<f64>,
    /// Whether a controller sets the rate; else it is `send_rate_kbit_per_s`.
    pub rate_controller_active: bool,
    /// How the rate is chosen.
    #[serde(with = "words")]
    pub rate_control_method: Method,
    /// The relay as it was given, `ck1…@HOST:PORT`; `None` without a relay. JetStream has no such field.
    pub relay: Option<String>,
    /// The relay's resolved address; `None` without a relay or before it was resolved.
    #[serde(rename = "relayIP")]
    pub relay_ip: Option<IpAddr>,
    /// The relay's port; `None` with `relay_ip`.
    pub relay_port: Option<u16>,
    /// Smoothed round trip time in milliseconds; `None` before it was measured.
    pub round_trip_time_ms: Option<f64>,
    /// The address sent from; `None` before the system has chosen one.
    #[serde(rename = "senderIP")]
    pub sender_ip: Option<IpAddr>,
    /// The UDP port sent from; `None` before the system has chosen one.
    pub sender_port: Option<u16>,
    /// The configured rate.
    #[serde(rename = "sendRate")]
    pub send_rate_kbit_per_s: u64,
    /// The rate over the running transfer's life; `None` without one.
    #[serde(rename = "sendRateAverage")]
    pub send_rate_average_kbit_per_s: Option<f64>,
    /// The rate within a recent window; `None` before a window has passed.
    #[serde(rename = "sendRateAverageWindow")]
    pub send_rate_recent_kbit_per_s: Option<f64>,
    /// The controller stays at or below it; `None` if it has no such bound.
    #[serde(rename = "sendRateMax")]
    pub send_rate_max_kbit_per_s: Option<u64>,
    /// The controller stays at or above it; 0 is no bound.
    #[serde(rename = "sendRateMin")]
    pub send_rate_min_kbit_per_s: u64,
    /// When this was recorded.
    #[serde(rename = "snapshotTime")]
    pub at_wall_us: i64,
    /// The socket's receive buffer, bytes; `None` if the system does not report it.
    #[serde(rename = "socketRecvBufferSize")]
    pub socket_receive_buffer_bytes: Option<u64>,
    /// The socket's send buffer, bytes; `None` if the system does not report it.
    #[serde(rename = "socketSendBufferSize")]
    pub socket_send_buffer_bytes: Option<u64>,
}

impl Destination {
    /// A destination without a connection, with these rates.
    #[must_use]
    pub fn new(
        destination_id: String,
        parameters: NewDestination,
        send_rate_kbit_per_s: u64,
        rate_control_method: Method,
        at_wall_us: i64,
    ) -> Self {
        Self {
            connection_id: None,
            destination_address: parameters.address,
            destination_id,
            destination_ip: None,
            destination_port: parameters.port,
            destination_public_key: parameters.public_key.clone(),
            encrypted_connection_state: EncryptionState::Disconnected,
            encryption_enabled: true,
            last_destination_server_id: None,
            last_destination_server_uid: None,
            last_error: None,
            last_error_message: None,
            last_received_wall_us: None,
            last_sent_wall_us: None,
            transfers_queued: 0,
            owner: None,
            owner_token: (),
            permitted_destination_public_key: parameters.public_key,
            queueing_delay_ms: None,
            loss_percent: None,
            rate_controller_active: rate_control_method != Method::Fixed,
            rate_control_method,
            relay: parameters.relay,
            relay_ip: None,
            relay_port: None,
            round_trip_time_ms: None,
            sender_ip: None,
            sender_port: None,
            send_rate_kbit_per_s,
            send_rate_average_kbit_per_s: None,
            send_rate_recent_kbit_per_s: None,
            send_rate_max_kbit_per_s: parameters.send_rate_max_kbit_per_s.map(NonZeroU64::get),
            send_rate_min_kbit_per_s: parameters.send_rate_min_kbit_per_s,
            at_wall_us,
            socket_receive_buffer_bytes: None,
            socket_send_buffer_bytes: None,
        }
    }

    /// The connection to the destination; `None` before there was one.
    #[must_use]
    pub fn connection(&self) -> Option<Transfer> {
        Some(Transfer {
            connection_id: self.connection_id.clone()?,
            destination_ip: self.destination_ip?,
            destination_port: self.destination_port,
            destination_public_key: Some(self.destination_public_key.clone()),
            encrypted_connection_state: self.encrypted_connection_state,
            encryption_enabled: self.encryption_enabled,
            last_destination_server_id: self.last_destination_server_id.clone(),
            last_destination_server_uid: self.last_destination_server_uid.clone(),
            last_error: self.last_error,
            last_error_message: self.last_error_message.clone(),
            last_received_wall_us: self.last_received_wall_us,
            last_sent_wall_us: self.last_sent_wall_us,
            transfers_queued: self.transfers_queued,
            rate_controller_active: self.rate_controller_active,
            rate_control_method: self.rate_control_method.word().to_owned(),
            relay_ip: self.relay_ip,
            relay_port: self.relay_port,
            round_trip_time_ms: self.round_trip_time_ms,
            sender_ip: self.sender_ip,
            sender_port: self.sender_port,
            send_rate_kbit_per_s: self.send_rate_kbit_per_s,
            send_rate_average_kbit_per_s: self.send_rate_average_kbit_per_s,
            send_rate_recent_kbit_per_s: self.send_rate_recent_kbit_per_s,
            send_rate_max_kbit_per_s: self.send_rate_max_kbit_per_s,
            send_rate_min_kbit_per_s: self.send_rate_min_kbit_per_s,
            at_wall_us: self.at_wall_us,
            socket_receive_buffer_bytes: self.socket_receive_buffer_bytes,
            socket_send_buffer_bytes: self.socket_send_buffer_bytes,
        })
    }

    /// The same destination with the state of its connection. The keys and the method stay as they were configured.
    #[must_use]
    pub fn with_connection(self, connection: &Transfer) -> Self {
        Self {
            connection_id: Some(connection.connection_id.clone()),
            destination_ip: Some(connection.destination_ip),
            destination_port: connection.destination_port,
            encrypted_connection_state: connection.encrypted_connection_state,
            encryption_enabled: connection.encryption_enabled,
            last_destination_server_id: connection.last_destination_server_id.clone(),
            last_destination_server_uid: connection.last_destination_server_uid.clone(),
            last_error: connection.last_error,
            last_error_message: connection.last_error_message.clone(),
            last_received_wall_us: connection.last_received_wall_us,
            last_sent_wall_us: connection.last_sent_wall_us,
            transfers_queued: connection.transfers_queued,
            rate_controller_active: connection.rate_controller_active,
            relay_ip: connection.relay_ip,
            relay_port: connection.relay_port,
            round_trip_time_ms: connection.round_trip_time_ms,
            sender_ip: connection.sender_ip,
            sender_port: connection.sender_port,
            send_rate_kbit_per_s: connection.send_rate_kbit_per_s,
            send_rate_average_kbit_per_s: connection.send_rate_average_kbit_per_s,
            send_rate_recent_kbit_per_s: connection.send_rate_recent_kbit_per_s,
            send_rate_max_kbit_per_s: connection.send_rate_max_kbit_per_s,
            send_rate_min_kbit_per_s: connection.send_rate_min_kbit_per_s,
            at_wall_us: connection.at_wall_us,
            socket_receive_buffer_bytes: connection.socket_receive_buffer_bytes,
            socket_send_buffer_bytes: connection.socket_send_buffer_bytes,
            ..self
        }
    }
}

//! The Connection structure: the 28 fields of JetStream's page, in its order, with types.
//!
//! The page gives no types. They are declared here; `docs/dialects/jetstream.md` has the same table,
//! and a test compares both with the page.

use std::net::IpAddr;

use conns_core::model::Transfer;
use conns_transfer::record::Word;
use serde::Serialize;

/// A [`Transfer`] under JetStream's names, field by field.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<'a> {
    connection_id: &'a str,
    #[serde(rename = "destinationIP")]
    destination_ip: IpAddr,
    destination_port: u16,
    destination_public_key: Option<&'a str>,
    encrypted_connection_state: &'static str,
    encryption_enabled: bool,
    last_destination_server_id: Option<&'a str>,
    last_destination_server_uid: Option<&'a str>,
    last_error: Option<&'static str>,
    last_error_message: Option<&'a str>,
    last_recv_time: Option<i64>,
    last_send_time: Option<i64>,
    num_transfers_queued: u64,
    rate_controller_active: bool,
    rate_control_method: &'a str,
    #[serde(rename = "relayIP")]
    relay_ip: Option<IpAddr>,
    relay_port: Option<u16>,
    round_trip_time_ms: Option<f64>,
    #[serde(rename = "senderIP")]
    sender_ip: Option<IpAddr>,
    sender_port: Option<u16>,
    send_rate: u64,
    send_rate_average: Option<f64>,
    send_rate_average_window: Option<f64>,
    send_rate_max: Option<u64>,
    send_rate_min: u64,
    snapshot_time: i64,
    socket_recv_buffer_size: Option<u64>,
    socket_send_buffer_size: Option<u64>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(transfer: &'a Transfer) -> Self {
        Self {
            connection_id: &transfer.connection_id,
            destination_ip: transfer.destination_ip,
            destination_port: transfer.destination_port,
            destination_public_key: transfer.destination_public_key.as_deref(),
            encrypted_connection_state: transfer.encrypted_connection_state.word(),
            encryption_enabled: transfer.encryption_enabled,
            last_destination_server_id: transfer.last_destination_server_id.as_deref(),
            last_destination_server_uid: transfer.last_destination_server_uid.as_deref(),
            last_error: transfer.last_error.map(Word::word),
            last_error_message: transfer.last_error_message.as_deref(),
            last_recv_time: transfer.last_received_wall_us,
            last_send_time: transfer.last_sent_wall_us,
            num_transfers_queued: transfer.transfers_queued,
            rate_controller_active: transfer.rate_controller_active,
            rate_control_method: &transfer.rate_control_method,
            relay_ip: transfer.relay_ip,
            relay_port: transfer.relay_port,
            round_trip_time_ms: transfer.round_trip_time_ms,
            sender_ip: transfer.sender_ip,
            sender_port: transfer.sender_port,
            send_rate: transfer.send_rate_kbit_per_s,
            send_rate_average: transfer.send_rate_average_kbit_per_s,
            send_rate_average_window: transfer.send_rate_recent_kbit_per_s,
            send_rate_max: transfer.send_rate_max_kbit_per_s,
            send_rate_min: transfer.send_rate_min_kbit_per_s,
            snapshot_time: transfer.at_wall_us,
            socket_recv_buffer_size: transfer.socket_receive_buffer_bytes,
            socket_send_buffer_size: transfer.socket_send_buffer_bytes,
        }
    }
}

//! Made-up transfers: no transfer service exists yet, so that the shape is tested with these.

use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::{Health, Snapshot, Update};
use conns_dialects::jetstream::{
    ConnectError, Connection, EncryptedConnectionState, Options, Service, Transfers,
};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, Pieces, ResponseCache};
use http::{Request, Response};

/// Transfers that do not change.
pub(crate) struct Fixed(pub(crate) Arc<[Connection]>);

impl Transfers for Fixed {
    fn connections(&self, _update: &Update) -> Arc<[Connection]> {
        Arc::clone(&self.0)
    }
}

/// A connection with a value in every field.
pub(crate) fn full(id: &str) -> Connection {
    Connection {
        connection_id: id.to_owned(),
        destination_ip: "192.0.2.10".parse().expect("an address"),
        destination_port: 8886,
        destination_public_key: Some("uQhc0W2h+M=".to_owned()),
        encrypted_connection_state: EncryptedConnectionState::Connected,
        encryption_enabled: true,
        last_destination_server_id: Some("5b0f".to_owned()),
        last_destination_server_uid: Some("7a11".to_owned()),
        last_error: Some(ConnectError::NotAuthorized),
        last_error_message: Some("the destination does not know the key \"k\"".to_owned()),
        last_recv_time: Some(1_477_934_856_594_315),
        last_send_time: Some(1_477_934_856_594_300),
        num_transfers_queued: 3,
        rate_controller_active: true,
        rate_control_method: "delay".to_owned(),
        relay_ip: Some("2001:db8::7".parse().expect("an address")),
        relay_port: Some(8886),
        round_trip_time_ms: Some(80.25),
        sender_ip: Some("198.51.100.4".parse().expect("an address")),
        sender_port: Some(40_001),
        send_rate: 500_000,
        send_rate_average: Some(192_300.5),
        send_rate_average_window: Some(193_000.0),
        send_rate_max: Some(1_000_000),
        send_rate_min: 1000,
        snapshot_time: 1_477_934_857_000_000,
        socket_recv_buffer_size: Some(425_984),
        socket_send_buffer_size: Some(212_992),
    }
}

/// A connection of which nothing is known that may be unknown.
pub(crate) fn bare(id: &str) -> Connection {
    Connection {
        connection_id: id.to_owned(),
        destination_ip: "2001:db8::9".parse().expect("an address"),
        destination_port: 9000,
        destination_public_key: None,
        encrypted_connection_state: EncryptedConnectionState::Disconnected,
        encryption_enabled: false,
        last_destination_server_id: None,
        last_destination_server_uid: None,
        last_error: None,
        last_error_message: None,
        last_recv_time: None,
        last_send_time: None,
        num_transfers_queued: 0,
        rate_controller_active: false,
        rate_control_method: "delay".to_owned(),
        relay_ip: None,
        relay_port: None,
        round_trip_time_ms: None,
        sender_ip: None,
        sender_port: None,
        send_rate: 10_000,
        send_rate_average: None,
        send_rate_average_window: None,
        send_rate_max: None,
        send_rate_min: 0,
        snapshot_time: 1_477_934_857_000_000,
        socket_recv_buffer_size: None,
        socket_send_buffer_size: None,
    }
}

/// A service of these connections.
pub(crate) fn service(connections: &[Connection]) -> Service {
    Service::new(Options {
        host_name: Some("host7".to_owned()),
        api_port: Some(8886),
        transfers: Arc::new(Fixed(connections.into())),
        ..Options::default()
    })
}

/// A beat of an agent that sees nothing.
pub(crate) fn cache() -> ResponseCache {
    ResponseCache::new(Arc::new(Update {
        instance: 0xfe,
        snapshot: Arc::new(Snapshot { sequence: 1, ..Snapshot::default() }),
        closed: Arc::default(),
        closed_complete_since: 1,
        events: Arc::default(),
        events_complete_since: 0,
        health: Health::default(),
        ..Update::default()
    }))
}

pub(crate) fn joined(pieces: &Pieces) -> String {
    String::from_utf8(pieces.concat()).expect("an answer is UTF-8")
}

/// What is answered to a line, without its end.
pub(crate) fn line(service: &Service, sent: &str) -> String {
    let outcome = service.lines().answer(sent.as_bytes(), &cache());
    assert!(!outcome.close, "{sent}");
    let answer = joined(&outcome.pieces);
    assert_eq!(answer.matches('\n').count(), usize::from(!answer.is_empty()), "{answer}");
    answer.trim_end_matches('\n').to_owned()
}

/// What is answered to a request.
pub(crate) fn http(service: &Service, request: Request<&str>) -> Response<Pieces> {
    match service.http().answer(&request.map(|body| Bytes::from(body.to_owned())), &cache()) {
        HttpOutcome::Answer(response) => response,
        HttpOutcome::Hangup => unreachable!("this dialect never hangs up"),
    }
}

//! Sample transfers: no transfer service exists yet.

use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::{EncryptionState, Transfer, TransferError, Update};
use conns_dialects::jetstream::{Options, Service};
use conns_dialects::{BodyChunks, HttpDialect, HttpOutcome, LineDialect, ResponseCache};
use conns_fixtures::{at, snapshot, update};
use http::{Request, Response};

/// A service and an update with transfers.
pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) cache: ResponseCache,
}

/// A transfer with a value in every field.
pub(crate) fn full(id: &str) -> Transfer {
    Transfer {
        connection_id: id.to_owned(),
        destination_ip: "192.0.2.10".parse().expect("an address"),
        destination_port: 8886,
        destination_public_key: Some("uQhc0W2h+M=".to_owned()),
        encrypted_connection_state: EncryptionState::Connected,
        encryption_enabled: true,
        last_destination_server_id: Some("5b0f".to_owned()),
        last_destination_server_uid: Some("7a11".to_owned()),
        last_error: Some(TransferError::NotAuthorized),
        last_error_message: Some("the destination does not know the key \"k\"".to_owned()),
        last_received_wall_us: Some(1_477_934_856_594_315),
        last_sent_wall_us: Some(1_477_934_856_594_300),
        transfers_queued: 3,
        rate_controller_active: true,
        rate_control_method: "delay".to_owned(),
        relay_ip: Some("2001:db8::7".parse().expect("an address")),
        relay_port: Some(8886),
        round_trip_time_ms: Some(80.25),
        sender_ip: Some("198.51.100.4".parse().expect("an address")),
        sender_port: Some(40_001),
        send_rate_kbit_per_s: 500_000,
        send_rate_average_kbit_per_s: Some(192_300.5),
        send_rate_recent_kbit_per_s: Some(193_000.0),
        send_rate_max_kbit_per_s: Some(1_000_000),
        send_rate_min_kbit_per_s: 1000,
        at_wall_us: 1_477_934_857_000_000,
        socket_receive_buffer_bytes: Some(425_984),
        socket_send_buffer_bytes: Some(212_992),
    }
}

/// A transfer with every optional field unknown.
pub(crate) fn bare(id: &str) -> Transfer {
    Transfer {
        connection_id: id.to_owned(),
        destination_ip: "2001:db8::9".parse().expect("an address"),
        destination_port: 9000,
        destination_public_key: None,
        encrypted_connection_state: EncryptionState::Disconnected,
        encryption_enabled: false,
        last_destination_server_id: None,
        last_destination_server_uid: None,
        last_error: None,
        last_error_message: None,
        last_received_wall_us: None,
        last_sent_wall_us: None,
        transfers_queued: 0,
        rate_controller_active: false,
        rate_control_method: "delay".to_owned(),
        relay_ip: None,
        relay_port: None,
        round_trip_time_ms: None,
        sender_ip: None,
        sender_port: None,
        send_rate_kbit_per_s: 10_000,
        send_rate_average_kbit_per_s: None,
        send_rate_recent_kbit_per_s: None,
        send_rate_max_kbit_per_s: None,
        send_rate_min_kbit_per_s: 0,
        at_wall_us: 1_477_934_857_000_000,
        socket_receive_buffer_bytes: None,
        socket_send_buffer_bytes: None,
    }
}

/// The options of a server.
pub(crate) fn options() -> Options {
    Options { host_name: Some("host7".to_owned()), api_port: Some(8886), ..Options::default() }
}

/// A server with these transfers.
pub(crate) fn server(transfers: &[Transfer]) -> Server {
    let update = Update {
        instance: 0xfe,
        transfers: transfers.into(),
        ..update(snapshot(1, at(0), Vec::new()))
    };
    Server { service: Service::new(options()), cache: ResponseCache::new(Arc::new(update)) }
}

/// The JSON of one transfer.
pub(crate) fn record(transfer: Transfer) -> String {
    let list = line(&server(&[transfer]), r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#);
    let record = list.strip_prefix(r#"{"jsonrpc":"2.0","result":["#).expect("a list");
    record.strip_suffix(r#"],"id":1}"#).expect("its end").to_owned()
}

pub(crate) fn joined(chunks: &BodyChunks) -> String {
    String::from_utf8(chunks.concat()).expect("an answer is UTF-8")
}

/// The answer to a line, without its end.
pub(crate) fn line(server: &Server, sent: &str) -> String {
    let outcome = server.service.lines().answer(sent.as_bytes(), &server.cache);
    assert!(!outcome.close, "{sent}");
    let answer = joined(&outcome.chunks);
    assert_eq!(answer.matches('\n').count(), usize::from(!answer.is_empty()), "{answer}");
    answer.trim_end_matches('\n').to_owned()
}

/// The answer to a request.
pub(crate) fn http(server: &Server, request: Request<&str>) -> Response<BodyChunks> {
    let request = request.map(|body| Bytes::from(body.to_owned()));
    match server.service.http().answer(&request, &server.cache) {
        HttpOutcome::Answer(response) => response,
        HttpOutcome::Hangup => unreachable!("this dialect never hangs up"),
    }
}

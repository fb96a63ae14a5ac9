//! Any bytes as a JSON-RPC message, over HTTP and as a line: the answer is nothing, or JSON that
//! the service itself can read, and never longer than its parts allow.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use conns_core::model::{EncryptionState, Transfer, Update};
use conns_dialects::jetstream::{MAX_BATCH, MAX_BYTES, Options, Service};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, ResponseCache};
use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;

/// An answer is the request's texts, at most six times as long by escaping and repeated up to twice,
/// and for each request of a batch an envelope and the list.
const LONGEST_ANSWER_BUT_TEXTS: usize = MAX_BATCH * (4096 + 512);

fuzz_target!(|bytes: &[u8]| {
    let line = LINES.answer(bytes, &CACHE);
    assert!(!line.close);
    let line = line.chunks.concat();
    check(bytes, &line);

    let request = Request::post("/").body(Bytes::copy_from_slice(bytes)).expect("a request");
    let HttpOutcome::Answer(response) = HTTP.answer(&request, &CACHE) else {
        panic!("it never hangs up")
    };
    let body = response.body().concat();
    let silent = response.status() == StatusCode::NO_CONTENT;
    assert_eq!(body.is_empty(), silent);
    assert!(silent || response.status() == StatusCode::OK);
    // Both ways carry the same, but for the line that is empty.
    assert!(bytes.trim_ascii().is_empty() || line.trim_ascii_end() == body);
});

fn check(sent: &[u8], answer: &[u8]) {
    let Some((end, answer)) = answer.split_last() else { return };
    assert_eq!(*end, b'\n');
    assert!(!answer.contains(&b'\n'), "more than a line");
    assert!(
        answer.starts_with(br#"{"jsonrpc":"2.0","#) || answer.starts_with(br#"[{"jsonrpc":"2.0","#)
    );
    assert!(answer.len() <= 12 * sent.len() + LONGEST_ANSWER_BUT_TEXTS, "{} bytes", answer.len());
    // An answer is no request, but JSON it is.
    if answer.len() <= MAX_BYTES {
        let again = LINES.answer(answer, &CACHE).chunks.concat();
        assert!(!again.windows(6).any(|six| six == b"-32700"), "not JSON");
    }
}

static CACHE: LazyLock<ResponseCache> = LazyLock::new(|| {
    let transfers = ["\"\n", "1", "2"].map(transfer).into();
    ResponseCache::new(Arc::new(Update { instance: 1, transfers, ..Update::default() }))
});

static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new(Options::default()));
static LINES: LazyLock<Box<dyn LineDialect>> = LazyLock::new(|| Box::new(SERVICE.lines()));
static HTTP: LazyLock<Box<dyn HttpDialect>> = LazyLock::new(|| Box::new(SERVICE.http()));

fn transfer(id: &str) -> Transfer {
    Transfer {
        connection_id: id.to_owned(),
        destination_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        destination_port: 8886,
        destination_public_key: None,
        encrypted_connection_state: EncryptionState::Negotiating,
        encryption_enabled: true,
        last_destination_server_id: None,
        last_destination_server_uid: None,
        last_error: None,
        last_error_message: None,
        last_received_wall_us: Some(1),
        last_sent_wall_us: None,
        transfers_queued: 0,
        rate_controller_active: true,
        rate_control_method: "delay".to_owned(),
        relay_ip: None,
        relay_port: None,
        round_trip_time_ms: Some(0.5),
        sender_ip: None,
        sender_port: None,
        send_rate_kbit_per_s: 1,
        send_rate_average_kbit_per_s: None,
        send_rate_recent_kbit_per_s: Some(f64::MAX),
        send_rate_max_kbit_per_s: None,
        send_rate_min_kbit_per_s: 0,
        at_wall_us: i64::MIN,
        socket_receive_buffer_bytes: None,
        socket_send_buffer_bytes: Some(u64::MAX),
    }
}

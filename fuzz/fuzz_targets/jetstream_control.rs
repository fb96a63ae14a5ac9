//! Any calls of the JetStream dialect on a transfer service in memory: each line is the name of a method and the text of its
//! parameters. What is created is found again, every answer is JSON-RPC, and every record is read as it is written.

#![no_main]

use std::sync::{Arc, LazyLock};

use conns_core::model::{EncryptionState, Update};
use conns_dialects::jetstream::{Backend, Options, Service, is_method};
use conns_dialects::{LineDialect, ResponseCache};
use conns_transfer::record::{
    Destination, ManifestFiles, ManifestRecord, ReceiveTransfer, Source, TransferRecord,
};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The transfer service of the dialect's tests.
#[allow(dead_code, reason = "those tests use more of it")]
#[path = "../../surfaces/dialects/tests/jetstream/fake.rs"]
mod fake;

/// Records that the service reports of what no call makes.
mod values {
    use std::net::{IpAddr, Ipv4Addr};

    use super::EncryptionState;
    use conns_transfer::record::{ManifestFile, ReceiveStatus, ReceiveTransfer, Receiver, Source};

    pub(crate) fn full_file() -> ManifestFile {
        ManifestFile {
            destination_path: String::new(),
            destination_path_hex: None,
            executable: false,
            file_bytes: u64::MAX,
            is_empty_dir: false,
            modified_wall_us: i64::MIN,
            source_path: String::new(),
            source_path_hex: None,
        }
    }

    pub(crate) fn full_received() -> ReceiveTransfer {
        ReceiveTransfer {
            destination_path: Some("a/\u{fffd}".to_owned()),
            last_error_wall_us: None,
            last_received_wall_us: Some(1),
            last_sent_wall_us: None,
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            source_port: 1,
            status: ReceiveStatus::Receiving,
            total_bytes: 0,
            transfer_id: "r".to_owned(),
        }
    }

    pub(crate) fn full_receiver() -> Receiver {
        Receiver {
            recv_port: 8886,
            recv_relay_host: None,
            recv_relay_port: None,
            only_authorized_clients_allowed: false,
        }
    }

    pub(crate) fn full_source() -> Source {
        Source {
            active_transfers: 0,
            receive_rate_average_kbit_per_s: None,
            receive_rate_recent_kbit_per_s: Some(0.5),
            complete_transfers: 0,
            destination_public_key: "ck1".to_owned(),
            encrypted_connection_state: EncryptionState::Connected,
            encryption_enabled: true,
            error_transfers: 0,
            inactive_transfers: 0,
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            source_port: 1,
            source_public_key: None,
        }
    }
}

/// Calls of one input: lists grow with each.
const MAX_CALLS: usize = 64;

static CACHE: LazyLock<ResponseCache> =
    LazyLock::new(|| ResponseCache::new(Arc::new(Update { instance: 1, ..Update::default() })));

fuzz_target!(|bytes: &[u8]| {
    let service = fake::Fake::default();
    let options = Options { backend: Backend::Control(Arc::new(service)), ..Options::default() };
    let lines = Service::new(options).lines();
    for call in bytes.split(|byte| *byte == b'\n').take(MAX_CALLS) {
        let (method, params) = match call.iter().position(|byte| *byte == b' ') {
            Some(space) => (&call[..space], &call[space + 1..]),
            None => (call, &call[..0]),
        };
        // The target `jetstream` has names of no method.
        let Ok(method) = std::str::from_utf8(method) else { continue };
        if !is_method(method) {
            continue;
        }
        let Some(result) = answer(&lines, method, params) else { continue };
        match method.strip_prefix("send.").unwrap_or(method) {
            "createDestination" => {
                created::<Destination>(&lines, result, "getDestination", "destinationId")
            }
            "createManifest" => {
                created::<ManifestRecord>(&lines, result, "getManifest", "manifestId");
            }
            "createTransfer" => {
                created::<TransferRecord>(&lines, result, "getTransfer", "transferId");
            }
            "getDestinations" => same::<Vec<Destination>>(result),
            "getManifests" => same::<Vec<ManifestRecord>>(result),
            "getTransfers" => same::<Vec<TransferRecord>>(result),
            "getManifestFiles" => same::<ManifestFiles>(result),
            "recv.getSources" => same::<Vec<Source>>(result),
            "recv.getTransfers" => same::<Vec<ReceiveTransfer>>(result),
            _ => {}
        }
    }
});

/// The result of a call; `None` if it is refused.
fn answer(lines: &impl LineDialect, method: &str, params: &[u8]) -> Option<Value> {
    let head = format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":7"#);
    let request = match params {
        [] => [head.as_bytes(), b"}"].concat(),
        params => [head.as_bytes(), br#","params":"#, params, b"}"].concat(),
    };
    let outcome = lines.answer(&request, &CACHE);
    assert!(!outcome.close);
    let answer = outcome.chunks.concat();
    let (end, answer) = answer.split_last()?;
    assert!(*end == b'\n' && !answer.contains(&b'\n'), "more than a line");
    let mut answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    // The parameters may close the request's object and begin a batch or another request.
    let answer = answer.as_object_mut()?;
    assert_eq!(answer.get("jsonrpc"), Some(&Value::from("2.0")));
    assert_ne!(answer.contains_key("result"), answer.contains_key("error"));
    if let Some(error) = answer.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{error}");
    }
    answer.get_mut("result").map(Value::take)
}

/// What was created is found by its id, and is the same.
fn created<T: Serialize + DeserializeOwned>(
    lines: &impl LineDialect,
    record: Value,
    get: &str,
    id: &str,
) {
    // Parameters with a method of their own lead to another result.
    let Some(value) = record.get(id).filter(|value| value.is_string()) else { return };
    let params = serde_json::json!({ id: value }).to_string();
    let found = answer(lines, get, params.as_bytes());
    assert_eq!(found.as_ref(), Some(&record));
    same::<T>(record);
}

/// A record is read as it was written.
fn same<T: Serialize + DeserializeOwned>(result: Value) {
    if let Ok(record) = serde_json::from_value::<T>(result.clone()) {
        assert_eq!(serde_json::to_value(record).expect("JSON"), result);
    } else {
        panic!("a result is not read: {result}");
    }
}

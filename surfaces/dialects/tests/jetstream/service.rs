//! The methods of a transfer service, in this process and forwarded to another one.

use std::sync::Arc;

use conns_dialects::jetstream::{
    Backend, Forward, MAX_REQUESTS, MAX_TRANSFER_BYTES, METHODS, Options, Service, is_method,
    method_names,
};
use conns_dialects::{HttpDialect, LineDialect};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::sample::{self, Server};
use crate::{OURS, call, keys};

pub(crate) fn with_backend(backend: Backend) -> Server {
    let service = Service::new(Options { backend, ..sample::options() });
    Server { service, ..sample::server(&[sample::full("c0")]) }
}

pub(crate) fn server() -> Server {
    with_backend(Backend::Control(Arc::new(Fake::default())))
}

/// The line protocol of a service in another process.
struct Remote(Server);

impl Forward for Remote {
    fn call(&self, request: &str) -> Result<String, String> {
        assert!(!request.contains('\n'), "{request}");
        Ok(sample::line(&self.0, request))
    }
}

pub(crate) fn forwarding() -> Server {
    with_backend(Backend::Forward(Arc::new(Remote(server()))))
}

pub(crate) fn new_destination() -> Value {
    json!({"destinationAddress": "north.example", "destinationPublicKey": "ck1north", "sendRate": 200_000})
}

/// A transfer to a new destination.
fn new_transfer(server: &Server) -> Value {
    let destination = call(server, "createDestination", &new_destination());
    let manifest = call(server, "createManifest", &json!({"mappings": {"a": "/srv/a"}}));
    let transfer = json!({
        "manifestId": manifest["manifestId"], "destinationId": destination["destinationId"],
    });
    call(server, "createTransfer", &transfer)
}

#[test]
fn the_documentation_has_every_method() {
    for method in METHODS {
        assert!(OURS.contains(&format!("`{method}`")), "{method}");
    }
    assert_eq!(method_names().filter(|name| name.starts_with("send.")).count(), 21);
    for name in ["send.getTransfers", "getTransfers", "recv.getTransfers", "getServerInfo"] {
        assert!(is_method(name) && method_names().any(|known| known == name), "{name}");
    }
    for name in ["send.getServerInfo", "getSources", "recv.getConnections", "send.", ""] {
        assert!(!is_method(name), "{name}");
    }
}

#[test]
fn without_a_service_its_methods_are_refused() {
    let server = sample::server(&[]);
    for method in method_names() {
        let answer = call(&server, method, &json!({"connectionId": "a"}));
        let of_connections = method.contains("Connection") || method == "getServerInfo";
        assert_eq!(answer["code"] == -32005, !of_connections, "{method} {answer}");
    }
    let error = call(&server, "getTransfers", &json!({}));
    assert_eq!(error["message"], "No transfer service");
    assert!(error["data"].as_str().is_some_and(|text| text.contains("set [link]")), "{error}");
}

#[test]
fn with_a_service_every_method_is_known_under_both_names() {
    for server in [server(), forwarding()] {
        for method in method_names() {
            let code = call(&server, method, &json!({"frobnicate": 1}))["code"].clone();
            assert_eq!(code, -32602, "{method}");
        }
    }
}

#[test]
fn a_destination_is_created_once() {
    for server in [server(), forwarding()] {
        let first = call(&server, "send.createDestination", &new_destination());
        assert_eq!(
            (&first["destinationAddress"], &first["destinationPort"], &first["sendRate"]),
            (&json!("north.example"), &json!(8886), &json!(200_000))
        );
        assert_eq!(call(&server, "createDestination", &new_destination()), first);
        let second = json!(["north.example", 8886, "ck1north", "relay.example:8887"]);
        let second = call(&server, "createDestination", &second);
        assert_ne!(second["destinationId"], first["destinationId"]);
        assert_eq!(call(&server, "getDestinations", &json!([])), json!([first, second]));
        let id = json!({"destinationId": first["destinationId"]});
        assert_eq!(call(&server, "getDestination", &id), first);
        assert_eq!(call(&server, "deleteDestination", &id), Value::Null);
        let error = call(&server, "getDestination", &id);
        assert_eq!((&error["code"], &error["message"]), (&json!(-32002), &json!("Not found")));
        assert_eq!(error["data"], "no destination has the id `d0`; send.getDestinations lists all");
    }
}

#[test]
fn rates_are_changed_for_themselves() {
    let server = server();
    call(&server, "createDestination", &new_destination());
    let change = |change: Value| {
        let destination = call(&server, "setSendRate", &change);
        ["sendRate", "sendRateMin", "sendRateMax", "rateControlMethod"]
            .map(|field| destination[field].clone())
    };
    let (d0, null) = ("d0", Value::Null);
    let max = change(json!({"destinationId": d0, "sendRateMax": 300_000}));
    assert_eq!(max, [json!(200_000), json!(0), json!(300_000), json!("low")]);
    let two = change(json!([d0, 100_000, 1000]));
    assert_eq!(two, [json!(100_000), json!(1000), json!(300_000), json!("low")]);
    let last =
        change(json!({"destinationId": d0, "sendRateMax": null, "rateControlMethod": "low"}));
    assert_eq!(last, [json!(100_000), json!(1000), null, json!("low")]);

    let limits = |params: Value| call(&server, "updateBandwidthLimits", &params);
    let both = json!({"incomingRateLimit": 5, "outgoingRateLimit": null});
    assert_eq!(limits(json!({"incomingRateLimit": 5})), both);
    assert_eq!(
        limits(json!([null, 7])),
        json!({"incomingRateLimit": null, "outgoingRateLimit": 7})
    );
}

#[test]
fn a_transfer_is_created_and_ends() {
    for server in [server(), forwarding()] {
        let transfer = new_transfer(&server);
        assert_eq!(
            ["status", "processing", "priority", "overwrite"].map(|field| &transfer[field]),
            [&json!("pending"), &json!(true), &json!(100), &json!("never")]
        );
        let id = json!({"transferId": transfer["transferId"]});
        for (method, status) in [
            ("suspendTransfer", "suspended"),
            ("send.resumeTransfer", "pending"),
            ("send.cancelTransfer", "cancelled"),
        ] {
            assert_eq!(call(&server, method, &id)["status"], status, "{method}");
        }
        let error = call(&server, "cancelTransfer", &id);
        assert_eq!(error["code"], -32003);
        assert_eq!(error["data"], "transfer `t0` has ended");
        assert_eq!(call(&server, "getTransfers", &json!({}))[0]["status"], "cancelled");
        assert_eq!(call(&server, "deleteTransfer", &id), Value::Null);

        let transfer = new_transfer(&server);
        let fail = json!({"transferId": transfer["transferId"], "errorMessage": "too \"late\"\n"});
        let failed = call(&server, "failTransfer", &fail);
        assert_eq!((&failed["status"], &failed["processing"]), (&json!("error"), &json!(false)));
        assert_eq!(failed["errorMessage"], "too \"late\"\n");
        assert_eq!(call(&server, "getTransfers", &json!({"after": "t0"})), json!([]));
    }
}

#[test]
fn a_manifest_has_its_files_in_order() {
    let server = server();
    let mappings = json!({"z": "/srv/z", "a": "/srv/a", "m n": "/srv/m:n"});
    let manifest = call(&server, "createManifest", &json!({ "mappings": mappings }));
    assert_eq!((&manifest["status"], &manifest["totalFiles"]), (&json!("complete"), &json!(3)));
    let id = manifest["manifestId"].clone();
    let paths = |params: Value| -> Vec<String> {
        let files = call(&server, "getManifestFiles", &params);
        assert_eq!((keys(&files), &files["manifestId"]), (vec!["fileMappings", "manifestId"], &id));
        let files = files["fileMappings"].as_array().expect("a list").clone();
        files.iter().map(|file| file["destPath"].as_str().expect("a path").to_owned()).collect()
    };
    // The test's own JSON sorts the members.
    assert_eq!(paths(json!([id])), ["a", "m n", "z"]);
    assert_eq!(paths(json!({"manifestId": id, "first": 1, "limit": 1})), ["m n"]);
    assert_eq!(paths(json!({"manifestId": id, "first": 3})), [""; 0]);
    let console = json!({"fileMappings": ["/srv/a:b", "C:\\a::b:c"]});
    call(&server, "createManifest", &console);
    let second = call(&server, "getManifests", &json!({"after": id}))[0]["manifestId"].clone();
    let files = call(&server, "getManifestFiles", &json!([second]));
    assert_eq!(files["fileMappings"][1]["destPath"], "b:c");
    assert_eq!(files["fileMappings"][1]["srcPath"], "C:\\a");
    assert_eq!(call(&server, "deleteManifest", &json!([second])), Value::Null);
    assert_eq!(call(&server, "getManifest", &json!([second]))["code"], -32002);
}

#[test]
fn a_result_is_fetched_by_the_id_of_its_request() {
    for server in [server(), forwarding()] {
        let request = call(&server, "recv.getSourcesAsync", &json!([]));
        assert_eq!(request, json!({"requestId": 1}));
        let status = call(&server, "getRequestStatus", &request);
        let expected = json!({"requestId": 1, "processing": false, "status": "complete", "errorMessage": null});
        assert_eq!(status, expected);
        let sources = call(&server, "recv.getSources", &json!([]));
        assert_eq!(call(&server, "getRequestResult", &request), sources);
        assert_eq!(sources[0]["sourcePublicKey"], "ck1other");

        let request = call(&server, "recv.getTransfersAsync", &json!([]));
        let transfers = call(&server, "recv.getTransfers", &json!({}));
        assert_eq!(call(&server, "getRequestResult", &request), transfers);

        // The call has failed, its request has not.
        let request = call(&server, "send.setSendRateAsync", &json!(["d9", 5]));
        assert_eq!(request, json!({"requestId": 3}));
        let status = call(&server, "getRequestStatus", &request);
        let reason = "no destination has the id `d9`; send.getDestinations lists all";
        assert_eq!((&status["status"], &status["errorMessage"]), (&json!("error"), &json!(reason)));
        let error = call(&server, "getRequestResult", &request);
        assert_eq!((&error["code"], &error["data"]), (&json!(-32002), &json!(reason)));

        let error = call(&server, "getRequestResult", &json!({"requestId": 4}));
        let reason = format!("no request has the id 4; the newest {MAX_REQUESTS} are kept");
        assert_eq!((&error["code"], &error["data"]), (&json!(-32002), &json!(reason)));
    }
}

#[test]
fn server_information_has_the_fields_of_the_service() {
    let expected = json!({
        "allowRemoteControl": false, "apiControlPort": 8886, "APITokensAvailable": false,
        "apiVersion": 40, "authRequired": false,
        "bandwidthLimits": {"incomingRateLimit": null, "outgoingRateLimit": 9},
        "certificateValidation": null, "configuration": null, "encryptionAvailable": true,
        "eventLogAvailable": false, "hostName": "host7", "license": null, "minCipher": 2,
        "multiplexAvailable": false, "publicKey": "ck1own",
        "receiver": {
            "recvPort": 8886, "recvRelayHost": "relay.example", "recvRelayPort": 8887,
            "onlyAuthorizedClientsAllowed": true,
        },
        "revision": null, "serverExternalAddress": null, "serverId": "launch1",
        "serverName": "host7", "serverUid": "uid1", "version": "9.9.9",
    });
    for server in [server(), forwarding()] {
        call(&server, "updateBandwidthLimits", &json!({"outgoingRateLimit": 9}));
        assert_eq!(call(&server, "getServerInfo", &json!({})), expected);
        assert_eq!(call(&server, "getConnections", &json!({}))[0]["connectionId"], "c0");
    }
}

#[test]
fn a_service_that_fails_is_reported() {
    let fake = Arc::new(Fake::default());
    let server = with_backend(Backend::Control(Arc::clone(&fake) as _));
    fake.break_storage();
    for method in ["getServerInfo", "getDestinations", "recv.getSources"] {
        let error = call(&server, method, &json!({}));
        assert_eq!((&error["code"], &error["message"]), (&json!(-32004), &json!("Unavailable")));
        assert_eq!(error["data"], "the database is locked");
    }
}

#[test]
fn a_service_takes_longer_requests_and_blocks() {
    let update = conns_core::model::Update::default();
    let without = sample::server(&[]);
    assert!(without.service.lines().is_brief(100, &update));
    for server in [server(), forwarding()] {
        let (lines, http) = (server.service.lines(), server.service.http());
        assert!(!lines.is_brief(1, &update) && !http.is_brief(1, &update));
        assert_eq!((lines.longest_line(), http.longest_body()), (1 << 20, MAX_TRANSFER_BYTES));
        let answer = sample::joined(&lines.line_too_long().chunks);
        assert!(answer.contains("longer than 1048576 bytes"), "{answer}");
    }
}

#[test]
fn a_read_only_service_changes_nothing() {
    for both in [server(), forwarding()] {
        let transfer = new_transfer(&both);
        let service = both.service.read_only();
        let server = Server { service, ..sample::server(&[]) };
        let refused: Vec<&str> = METHODS
            .into_iter()
            .filter(|method| call(&server, method, &json!({"x": 1}))["code"] == -32003)
            .collect();
        let reading = METHODS.iter().filter(|method| method.contains("get")).count();
        assert_eq!((reading, refused.len()), (16, 13), "{refused:?}");
        let id = json!([transfer["transferId"]]);
        assert_eq!(call(&server, "cancelTransfer", &id)["code"], -32003);
        assert_eq!(call(&server, "getTransfer", &id), transfer);
        assert_eq!(call(&both, "cancelTransfer", &id)["status"], "cancelled");
    }
}

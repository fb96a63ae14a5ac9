//! The Server Information structure without a transfer service.

use std::collections::BTreeSet;

use conns_dialects::jetstream::{Options, Service};
use serde_json::{Value, json};

use crate::{call, keys, sample, section};

#[test]
fn server_information_has_the_options() {
    let server = call(&sample::server(&[]), "getServerInfo", &json!([]));
    let expected = json!({
        "allowRemoteControl": false, "apiControlPort": 8886, "APITokensAvailable": false,
        "apiVersion": 40, "authRequired": false, "bandwidthLimits": null,
        "certificateValidation": null, "configuration": null, "encryptionAvailable": false,
        "eventLogAvailable": false, "hostName": "host7", "license": null, "minCipher": null,
        "multiplexAvailable": false, "publicKey": null, "receiver": null, "revision": null,
        "serverExternalAddress": null, "serverId": "00000000000000fe", "serverName": "host7",
        "serverUid": null, "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(server, expected);
    let listed: BTreeSet<&str> = section("## `getServerInfo`")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(listed, keys(&expected).into_iter().collect());

    let service = Service::new(Options {
        server_name: Some("north".to_owned()),
        remote_control: true,
        auth_required: true,
        ..Options::default()
    });
    let named = sample::Server { service, ..sample::server(&[]) };
    let server = call(&named, "getServerInfo", &json!({}));
    assert_eq!(server["serverName"], "north");
    assert_eq!(
        (&server["allowRemoteControl"], &server["authRequired"]),
        (&json!(true), &json!(true))
    );
    assert_eq!((&server["hostName"], &server["apiControlPort"]), (&Value::Null, &Value::Null));
}

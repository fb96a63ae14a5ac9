//! Wrong parameters of the methods of a transfer service.

use serde_json::{Value, json};

use crate::call;
use crate::sample;
use crate::service::{new_destination, server};

#[test]
fn wrong_parameters_are_refused_with_the_reason() {
    let server = server();
    let destination = |key: &str, value: Value| {
        let mut destination = new_destination();
        destination[key] = value;
        destination
    };
    for (method, params, expected) in [
        ("createDestination", json!({}), "missing field `destinationAddress`"),
        ("createDestination", destination("destinationAddress", json!("")), "has 0 bytes"),
        ("createDestination", destination("destinationPort", json!(0)), "destinationPort is 0"),
        ("createDestination", destination("destinationPort", json!(65_536)), "expected u16"),
        ("createDestination", destination("destinationPublicKey", json!("x")), "`x` is no key"),
        ("createDestination", destination("sendRate", json!(0)), "nonzero"),
        (
            "createDestination",
            destination("rateControlMethod", json!("bbr")),
            "`bbr`, expected fixed or low or fair",
        ),
        (
            "createDestination",
            json!(["a", 1, "ck1", null, 5, 9, 8]),
            "sendRateMin is 9, more than sendRateMax, 8",
        ),
        ("setSendRate", json!(["d0"]), "no rate is given"),
        ("setSendRateAsync", json!(["d0"]), "no rate is given"),
        ("updateBandwidthLimits", json!({}), "no limit is given"),
        ("updateBandwidthLimits", json!([0]), "nonzero"),
        ("createManifest", json!({}), "no file is mapped"),
        ("createManifest", json!({"mappings": {}}), "no file is mapped"),
        ("createManifest", json!({"mappings": {"a": 1}}), "expected a string"),
        ("createManifest", json!({"mappings": ["a"]}), "an object of destination paths"),
        (
            "createManifest",
            json!({"mappings": {"a": "b"}, "fileMappings": "c:a"}),
            "`a` is mapped twice",
        ),
        ("createManifest", json!({"fileMappings": "a"}), "`a` is not SOURCE:DESTINATION"),
        ("createManifest", json!({"fileMappings": "a:b:c"}), "if a path has a colon"),
        ("createManifest", json!({"fileMappings": [":b"]}), "is not SOURCE:DESTINATION"),
        ("createTransfer", json!({"manifestId": "m"}), "missing field `destinationId`"),
        (
            "createTransfer",
            json!(["m", "d", null, 1, 2]),
            "expected never, same, always, 3 (never) or 4",
        ),
        ("createTransfer", json!(["m", "d", null, 1, "no"]), "expected never, same, always"),
        ("failTransfer", json!(["t0", ""]), "errorMessage has 0 bytes"),
        ("failTransfer", json!(["t0", "x".repeat(1025)]), "errorMessage has 1025 bytes"),
        ("getTransfers", json!({"limit": 0}), "nonzero"),
        ("getRequestResult", json!(["1"]), "expected u64"),
    ] {
        let error = call(&server, method, &params);
        assert_eq!(error["code"], -32602, "{method} {params} {error}");
        let data = error["data"].as_str().expect("a text");
        assert!(data.contains(expected), "{method} {params}: {data}");
    }
    let twice = r#"{"jsonrpc":"2.0","method":"createManifest","params":{"mappings":{"a":"b","a":"c"}},"id":1}"#;
    assert!(sample::line(&server, twice).contains("`a` is mapped twice"));
}

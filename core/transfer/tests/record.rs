//! Parameters as they are read from JSON, and the checks that need no service.

#![allow(clippy::expect_used, reason = "a test that cannot continue fails with the reason")]

use std::num::NonZeroU64;

use conns_transfer::record::{
    BandwidthLimits, DEFAULT_PORT, DEFAULT_PRIORITY, HexBytes, LimitsChange, NewDestination,
    NewManifest, NewTransfer, Overwrite, ParameterError, RateChange, TransferStatus,
};
use proptest::prelude::*;

fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect(json)
}

#[test]
fn absent_parameters_have_their_defaults() {
    let destination: NewDestination =
        read(r#"{"destinationAddress":"a","destinationPublicKey":"k"}"#);
    assert_eq!(destination.port, DEFAULT_PORT);
    assert_eq!((destination.relay.as_deref(), destination.send_rate_min_kbit_per_s), (None, 0));
    let transfer: NewTransfer = read(r#"{"manifestId":"m","destinationId":"d"}"#);
    assert_eq!((transfer.priority, transfer.overwrite), (DEFAULT_PRIORITY, None));
}

#[test]
fn an_absent_bound_stays_and_a_null_removes_it() {
    let absent: RateChange = read(r#"{"destinationId":"d"}"#);
    let null: RateChange = read(r#"{"destinationId":"d","sendRateMax":null}"#);
    let one: RateChange = read(r#"{"destinationId":"d","sendRateMax":1}"#);
    assert_eq!(absent.send_rate_max_kbit_per_s, None);
    assert_eq!(null.send_rate_max_kbit_per_s, Some(None));
    assert_eq!(one.send_rate_max_kbit_per_s, Some(NonZeroU64::new(1)));
    assert_eq!(absent.check(), Err(ParameterError::NoChange));
    assert_eq!((null.check(), one.check()), (Ok(()), Ok(())));
    for change in [absent, null, one] {
        let json = serde_json::to_string(&change).expect("JSON");
        assert_eq!(read::<RateChange>(&json), change, "{json}");
    }

    let limits = BandwidthLimits { incoming_kbit_per_s: Some(1), outgoing_kbit_per_s: Some(2) };
    let change = |json| read::<LimitsChange>(json).applied_to(limits);
    assert_eq!(change("{}"), limits);
    let removed = change(r#"{"incomingRateLimit":null,"outgoingRateLimit":3}"#);
    assert_eq!((removed.incoming_kbit_per_s, removed.outgoing_kbit_per_s), (None, Some(3)));
}

#[test]
fn bounds_are_in_order() {
    let change = |min, max| RateChange {
        destination_id: "d".to_owned(),
        send_rate_kbit_per_s: None,
        send_rate_min_kbit_per_s: Some(min),
        send_rate_max_kbit_per_s: Some(NonZeroU64::new(max)),
        rate_control_method: None,
    };
    assert_eq!(change(5, 5).check(), Ok(()));
    assert_eq!(change(6, 5).check(), Err(ParameterError::Bounds { min: 6, max: 5 }));
    assert_eq!(change(6, 0).check(), Ok(()), "0 is no bound");
}

#[test]
fn a_constant_of_jetstream_is_read_where_it_fits() {
    let overwrite = |json: &str| serde_json::from_str::<Overwrite>(json).ok();
    assert_eq!(overwrite("3"), Some(Overwrite::Never));
    assert_eq!(overwrite("4"), Some(Overwrite::Always));
    for word in [Overwrite::Never, Overwrite::Same, Overwrite::Always] {
        assert_eq!(overwrite(&serde_json::to_string(&word).expect("JSON")), Some(word));
    }
    for other in ["0", "1", "2", "5", "-1", "3.0", "\"Never\"", "null", "true"] {
        assert_eq!(overwrite(other), None, "{other}");
    }
}

#[test]
fn three_states_end_a_transfer() {
    let ended = TransferStatus::ALL.into_iter().filter(|status| status.has_ended());
    let words: Vec<String> =
        ended.map(|status| serde_json::to_string(&status).expect("JSON")).collect();
    assert_eq!(words, ["\"complete\"", "\"cancelled\"", "\"error\""]);
}

#[test]
fn mappings_keep_their_order() {
    let manifest: NewManifest =
        read(r#"{"mappings":{"z":"1","a":"2"},"fileMappings":["/x:m","C:\\y::n"]}"#);
    let pairs: Vec<(&[u8], &[u8])> = manifest
        .mappings
        .iter()
        .map(|mapping| (&*mapping.destination_path, &*mapping.source_path))
        .collect();
    assert_eq!(pairs, [(&b"z"[..], &b"1"[..]), (b"a", b"2"), (b"m", b"/x"), (b"n", b"C:\\y"),]);
}

#[test]
fn a_path_that_is_not_utf_8_is_named_by_its_bytes() {
    let manifest: NewManifest = read(r#"{"mappingsHex":{"ff2F":"2f73fe"}}"#);
    let [mapping] = &manifest.mappings[..] else { panic!("one mapping") };
    assert_eq!(
        (&mapping.destination_path[..], &mapping.source_path[..]),
        (&b"\xff/"[..], &b"/s\xfe"[..])
    );
    for digits in ["f", "fg", "0x", "+1", "\u{e9}"] {
        let json = serde_json::json!({ "mappingsHex": { digits: "2f" } }).to_string();
        let error = serde_json::from_str::<NewManifest>(&json).expect_err(digits).to_string();
        assert!(error.contains("is not pairs of hexadecimal digits"), "{digits}: {error}");
    }
    let both = r#"{"mappings":{"a":"b"},"mappingsHex":{"61":"62"}}"#;
    let error = serde_json::from_str::<NewManifest>(both).expect_err(both).to_string();
    assert!(error.contains("`a` is mapped twice"), "{error}");

    let transfer: NewTransfer =
        read(r#"{"manifestId":"m","destinationId":"d","destinationPath":"a"}"#);
    assert_eq!(transfer.folder(), b"a");
    let transfer: NewTransfer =
        read(r#"{"manifestId":"m","destinationId":"d","destinationPathHex":"ff"}"#);
    assert_eq!(transfer.folder(), b"\xff");
    assert_eq!(HexBytes::unless_text("\u{e9}".as_bytes()), None);
    let bytes = HexBytes::unless_text(b"\x00\xff").expect("not UTF-8");
    assert_eq!(read::<HexBytes>(&serde_json::to_string(&bytes).expect("JSON")), bytes);
    assert_eq!(bytes.to_string(), "00ff");
}

proptest! {
    /// No text panics, and one that is read has both paths.
    #[test]
    fn any_text_is_a_mapping_or_refused(text in "[a:/é]{0,8}") {
        let json = serde_json::json!({ "fileMappings": text }).to_string();
        if let Ok(manifest) = serde_json::from_str::<NewManifest>(&json) {
            let [mapping] = &manifest.mappings[..] else { panic!("{text}: not one") };
            prop_assert!(!mapping.source_path.is_empty() && !mapping.destination_path.is_empty());
            let parts = (&mapping.source_path, &mapping.destination_path);
            let with = |separator: &[u8]| [&**parts.0, &**parts.1].join(separator);
            prop_assert!([with(b":"), with(b"::")].contains(&text.into_bytes()));
        }
    }
}

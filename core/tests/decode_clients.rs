//! Protocols of common clients, on recorded sessions of real ones (`fuzz/record/clients.py`).

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests panic and read files"
)]

#[path = "decode/capture.rs"]
mod capture;

use capture::{Key, Packet, Player, packets};
use conns_core::decode::{Side, registry};
use conns_core::model::{Known, Scalar, Unknown};

/// The named values of each connection of a session, in the order in which they were opened, as the end
/// that opened them has them; `?` is unknown and `-` is not applicable.
fn values(packets: &[Packet], protocol: &str, names: &[&str]) -> Vec<String> {
    let mut player = Player::of(registry().collect());
    let mut keys: Vec<Key> = Vec::new();
    let mut shown = Vec::new();
    for packet in packets {
        player.play(packet);
        let known = [(packet.from, packet.to), (packet.to, packet.from)];
        if !keys.iter().any(|key| known.contains(key)) {
            keys.push(known[0]);
        }
    }
    let now = packets[packets.len() - 1].at;
    for key in keys {
        let Some(application) = player.streams.application(key, Side::Sent, now) else {
            shown.push("unrecognised".into());
            continue;
        };
        let layer = application.layer(protocol).expect(protocol);
        assert_eq!(layer.gap_bytes, 0);
        let spec = registry().find(|spec| spec.name == protocol).expect("registered");
        assert_eq!(spec.fields.len(), layer.values.len());
        let values = names.iter().map(|name| {
            let index = spec.fields.iter().position(|field| field.name == *name).expect(name);
            match &layer.values[index] {
                Known::Value(Scalar::Text(text), _) => text.to_string(),
                Known::Value(Scalar::Count(number), _) => number.to_string(),
                Known::Value(Scalar::Micros(micros), _) => {
                    assert!((1..5_000_000).contains(micros), "{micros} us");
                    "time".into()
                }
                Known::Value(other, _) => panic!("{other:?}"),
                Known::Unknown(Unknown::NothingMeasured | Unknown::SourceDoesNotReport) => {
                    "?".into()
                }
                Known::Unknown(why) => panic!("{why:?}"),
                Known::NotApplicable => "-".into(),
            }
        });
        shown.push(values.collect::<Vec<_>>().join(" "));
        player.streams.remove(key);
    }
    assert_eq!(player.streams.memory(), 0);
    shown
}

/// Each segment cut into single bytes.
fn in_bytes(packets: &[Packet]) -> Vec<Packet> {
    let mut cut = Vec::new();
    for packet in packets {
        let count = packet.payload.len().max(1);
        for at in 0..count {
            let flags = if at + 1 == count { packet.flags } else { packet.flags & !1 };
            let payload = packet.payload.get(at..at + 1).unwrap_or_default().to_vec();
            let sequence = packet.sequence.wrapping_add(at as u32);
            cut.push(Packet { flags, payload, sequence, ..packet.clone() });
        }
    }
    cut
}

const TLS: &[&str] = &[
    "tls.sni",
    "tls.version",
    "tls.cipher",
    "tls.alpn",
    "tls.alpn_offered",
    "tls.hello_time",
    "tls.alert",
];

#[test]
fn tls_of_openssl_and_curl() {
    let packets = packets("tls/session.pcap");
    let expected = [
        "thirteen.example 1.3 TLS_AES_256_GCM_SHA384 ? h2,http/1.1 time -",
        "twelve.example 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 http/1.1 http/1.1 time -",
        "- 1.3 TLS_AES_256_GCM_SHA384 ? - time -",
        "curl.example 1.3 TLS_AES_256_GCM_SHA384 ? http/1.1 time -",
        // handshake_failure
        "refused.example ? ? ? - ? 40",
    ];
    assert_eq!(values(&packets, "tls", TLS), expected);
    assert_eq!(values(&in_bytes(&packets), "tls", TLS).len(), expected.len());
}

#[test]
fn ssh_of_openssh() {
    let packets = packets("ssh/session.pcap");
    let names = &["ssh.version", "ssh.peer_version"];
    let expected = ["OpenSSH_9.2p1 Debian-2+deb12u10 OpenSSH_9.2p1 Debian-2+deb12u10"];
    let shown = values(&packets, "ssh", names);
    assert_eq!(shown.len(), expected.len());
    assert!(shown[0].contains("OpenSSH_9.2p1 Debian"), "{shown:?}");
    assert_eq!(values(&in_bytes(&packets), "ssh", names), shown);
}

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

use capture::{Key, Packet, Player, corpus, packets};
use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Side, Streams, registry};
use conns_core::model::{Certainty, Endpoint, Known, Moment, Record, Scalar, Unknown};

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

/// The protocols of each connection, outermost first.
fn layers(packets: &[Packet]) -> Vec<String> {
    let mut player = Player::of(registry().collect());
    let mut keys: Vec<Key> = Vec::new();
    for packet in packets {
        player.play(packet);
        if let Some(key) = player.open.keys().find(|key| !keys.contains(*key)) {
            keys.push(*key);
        }
    }
    let now = packets[packets.len() - 1].at;
    let names = |key| match player.streams.application(key, Side::Sent, now) {
        Some(application) => {
            let names = application.layers.iter().map(|layer| &*layer.protocol);
            names.collect::<Vec<_>>().join(" ")
        }
        None => "unrecognised".into(),
    };
    keys.into_iter().map(names).collect()
}

/// Each segment cut into single bytes.
fn in_bytes(packets: &[Packet]) -> Vec<Packet> {
    let mut cut = Vec::new();
    for packet in packets {
        if packet.is_udp {
            cut.push(packet.clone());
            continue;
        }
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
    "tls.certificate_subject",
    "tls.handshake_time",
];

#[test]
fn tls_of_openssl_and_curl() {
    let packets = packets("tls/session.pcap");
    let expected = [
        "thirteen.example 1.3 TLS_AES_256_GCM_SHA384 ? h2,http/1.1 time - ? time",
        "twelve.example 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 http/1.1 http/1.1 time - CN=server.example time",
        "- 1.3 TLS_AES_256_GCM_SHA384 ? - time - ? time",
        "curl.example 1.3 TLS_AES_256_GCM_SHA384 ? http/1.1 time - ? time",
        // handshake_failure
        "refused.example ? ? ? - ? 40 ? ?",
    ];
    assert_eq!(values(&packets, "tls", TLS), expected);
    assert_eq!(values(&in_bytes(&packets), "tls", TLS), expected);
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

const HTTP: &[&str] = &[
    "http.method",
    "http.host",
    "http.status",
    "http.server",
    "http.requests",
    "http.answers",
    "http.first_byte_time",
    "http.upgrade",
    "http.proxied_host",
];

#[test]
fn http_of_curl() {
    let packets = packets("http/session.pcap");
    let expected = [
        "GET pages.example 404 pages/1 4 4 time - -",
        "HEAD pages.example 200 pages/1 1 1 time - -",
        "POST pages.example 200 pages/1 1 1 time - -",
        "POST pages.example 200 pages/1 1 1 time - -",
        "GET pages.example 101 pages/1 1 1 time websocket -",
        "GET pipelined.example 404 pages/1 3 3 time - -",
    ];
    assert_eq!(values(&packets, "http", HTTP), expected);
    assert_eq!(values(&in_bytes(&packets), "http", HTTP), expected);
    assert_eq!(layers(&packets)[4], "http websocket");
}

#[test]
fn tls_in_a_tunnel_of_http() {
    let packets = packets("http-tunnel/session.pcap");
    assert_eq!(layers(&packets), ["http tls"]);
    let expected = ["CONNECT - 200 BaseHTTP/0.6 Python/3.11.7 1 1 time connect tunnel.example"];
    assert_eq!(values(&packets, "http", HTTP), expected);
    let names = &["tls.sni", "tls.version", "tls.alpn_offered", "tls.handshake_time"];
    assert_eq!(values(&packets, "tls", names), ["tunnel.example 1.3 h2,http/1.1 time"]);
    assert_eq!(values(&in_bytes(&packets), "http", HTTP), expected);
}

#[test]
fn http2_by_its_preface() {
    let packets = packets("http2/session.pcap");
    // The server refuses the upgrade that the second client asks for.
    assert_eq!(layers(&packets), ["http2", "http"]);
    assert_eq!(layers(&in_bytes(&packets)), ["http2", "http"]);
}

const DNS: &[&str] = &[
    "dns.queries",
    "dns.answers",
    "dns.query",
    "dns.query_type",
    "dns.answer_code",
    "dns.answer_time",
];

#[test]
fn dns_of_dig_and_dnsmasq() {
    let packets = packets("dns/session.pcap");
    let expected = [
        "1 1 www.example A NOERROR time",
        "1 1 www.example AAAA NOERROR time",
        "1 1 alias.example A NOERROR time",
        "1 1 missing.example A NXDOMAIN time",
        "1 1 www.example TXT NOERROR time",
        "2 2 missing.example A NXDOMAIN time",
        "1 1 elsewhere.test A REFUSED time",
    ];
    assert_eq!(values(&packets, "dns", DNS), expected);
    let mut player = Player::of(registry().collect());
    packets.iter().for_each(|packet| player.play(packet));
    let names = player.streams.take_names();
    let names: Vec<String> =
        names.iter().map(|(_, name)| format!("{} {}", name.address, name.name)).collect();
    assert_eq!(names[..1], ["192.0.2.1 www.example"], "{names:?}");
    for expected in ["2001:db8::1 www.example", "192.0.2.1 alias.example", "192.0.2.2 www.example"]
    {
        assert!(names.iter().any(|name| name == expected), "{names:?}");
    }
    assert!(player.streams.take_names().is_empty());
}

#[test]
fn quic_of_aioquic() {
    let packets = packets("quic/session.pcap");
    let names = &["quic.sni", "quic.version", "quic.hello_time"];
    let expected =
        ["one.example 1 time", "two.example 2 time", "long.example 1 time", "retry.example 1 time"];
    assert_eq!(values(&packets, "quic", names), expected);
    let offered = values(&packets, "quic", &["quic.alpn_offered"]);
    assert_eq!(offered[..2], ["h3", "h3"]);
    assert!(offered[2].starts_with("h3,protocol-000,protocol-001,"), "{offered:?}");
}

#[test]
fn other_servers_by_their_first_words() {
    for (protocol, names, expected) in [
        (
            "postgresql",
            &["postgresql.server_version"][..],
            &["15.20 (Debian 15.20-0+deb12u1)", "15.20 (Debian 15.20-0+deb12u1)"][..],
        ),
        ("mysql", &["mysql.server_version"], &["5.5.5-10.11.19-MariaDB-0+deb12u1"]),
        ("redis", &["redis.server_version"], &["?", "7.0.15"]),
        ("mqtt", &["mqtt.version"], &["3.1", "3.1.1", "5"]),
        ("smtp", &["smtp.banner"], &["localhost Python SMTP 1.4.3"]),
        ("ftp", &["ftp.banner"], &["(vsFTPd 3.0.3)"]),
        ("bittorrent", &["bittorrent.client", "bittorrent.peer_client"], &["LT"]),
    ] {
        let packets = packets(&format!("{protocol}/session.pcap"));
        let shown = values(&packets, protocol, names);
        println!("{protocol}: {shown:?}");
        assert_eq!(values(&in_bytes(&packets), protocol, names), shown);
        assert_eq!(shown.len(), expected.len(), "{protocol}: {shown:?}");
        for (shown, expected) in shown.iter().zip(expected) {
            assert!(shown.contains(expected), "{protocol}: {shown:?}");
        }
    }
}

#[test]
fn a_connection_joined_late_is_named_by_the_port_of_its_server() {
    for (protocol, port, fields) in [("tls", 443, 9), ("postgresql", 5432, 1), ("levin", 18080, 0)]
    {
        let mut streams = Streams::<u8>::default();
        let local = Endpoint { address: [127, 0, 0, 1].into(), port: 40_000 };
        let ends =
            Ends { local: Some(local), remote: Some(Endpoint { port, ..local }), opener: None };
        streams.open(1, ends);
        let at = Moment::default();
        for number in 0..100 {
            let segment =
                Segment { sequence: number * 4, bytes: b"\xff\x01~~", ..Segment::default() };
            streams.segment(1, Side::Sent, segment, at);
        }
        let application = streams.application(1, Side::Sent, at);
        if fields == 0 {
            assert_eq!(application, None, "Monero's port is no sign of Monero");
            continue;
        }
        let layer = &application.expect("named").layers[0];
        assert_eq!((&*layer.protocol, layer.certainty), (protocol, Certainty::Port));
        assert_eq!(*layer.values, vec![Known::Unknown(Unknown::BeganBefore); fields]);
    }
    // From its begin, the bytes decide.
    let mut streams = Streams::<u8>::default();
    let end = Endpoint { address: [127, 0, 0, 1].into(), port: 443 };
    streams.open(1, Ends { local: Some(end), remote: Some(end), opener: None });
    let at = Moment::default();
    streams.segment(1, Side::Sent, Segment { syn: true, ..Segment::default() }, at);
    let segment = Segment { sequence: 1, bytes: b"\xff\x01~~", ..Segment::default() };
    streams.segment(1, Side::Sent, segment, at);
    assert_eq!(streams.application(1, Side::Sent, at), None);
}

/// The value of a field of the connection or flow whose client has this port, as text.
fn value_of(player: &Player, keys: &[Key], port: u16, field: &str, now: Moment) -> Option<String> {
    let key = keys.iter().find(|(client, _)| client.port == port)?;
    let (protocol, _) = field.split_once('.')?;
    let application = player.streams.application(*key, Side::Sent, now)?;
    let spec = registry().find(|spec| spec.name == protocol)?;
    let (name, of_list) = field.split_once('/').map_or((field, None), |(a, b)| (a, Some(b)));
    let index = spec.fields.iter().position(|spec| spec.name == name)?;
    match (application.layer(protocol)?.values.get(index)?, of_list) {
        (Known::Value(Scalar::Text(text), _), None) => Some(text.to_string()),
        (Known::Value(Scalar::Count(number), _), None) => Some(number.to_string()),
        (Known::Value(Scalar::List(records), _), Some(of)) => messages_of(records, of),
        _ => None,
    }
}

/// Of a command by its number, as `1001/sent`, how many messages there were.
fn messages_of(records: &[Record], of: &str) -> Option<String> {
    let (command, side) = of.split_once('/')?;
    let count = |index: usize| {
        move |record: &Record| match record.values.get(index) {
            Some(Known::Value(Scalar::Count(number), _)) => Some(*number),
            _ => None,
        }
    };
    let is_of = |record: &&Record| count(1)(record) == command.parse().ok();
    let column = if side == "sent" { 2 } else { 3 };
    records.iter().find(is_of).and_then(count(column)).map(|number| number.to_string())
}

/// `fuzz/record/tshark.py` has written what tshark reads in the same files.
#[test]
fn tshark_reads_the_same() {
    let opinions = std::fs::read_to_string(corpus("tshark.tsv")).expect("a file");
    let mut compared = 0;
    for session in ["tls", "http", "dns", "quic", "ssh", "levin"] {
        let packets = packets(&format!("{session}/session.pcap"));
        let mut player = Player::of(registry().collect());
        packets.iter().for_each(|packet| player.play(packet));
        let keys: Vec<Key> = packets.iter().map(|packet| (packet.from, packet.to)).collect();
        let now = packets[packets.len() - 1].at;
        for line in opinions.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [of, port, field, expected] = columns[..] else { panic!("{line}") };
            if of == session {
                let port = port.parse().expect("a port");
                let value = value_of(&player, &keys, port, field, now);
                assert_eq!(value.as_deref(), Some(expected), "{line}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, opinions.lines().count());
}

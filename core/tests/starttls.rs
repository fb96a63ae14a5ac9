//! Connections that begin in clear and become TLS. The handshake is a recorded one.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests panic and read files"
)]

#[path = "decode/capture.rs"]
#[allow(dead_code, reason = "other tests play whole sessions")]
mod capture;

use capture::packets;
use conns_core::decode::{Ends, Side, Streams, Want};
use conns_core::model::{Endpoint, Known, Moment, Scalar};

/// The server's end of a connection from this machine.
fn ends(port: u16) -> Ends {
    let end = Endpoint { address: [127, 0, 0, 1].into(), port };
    let local = Some(Endpoint { port: 40_000, ..end });
    Ends { local, remote: Some(end), opener: Some(Side::Sent) }
}

/// What client and server of TLS send first.
fn handshake() -> [Vec<u8>; 2] {
    let packets = packets("tls/session.pcap");
    let opening = packets.iter().find(|packet| !packet.payload.is_empty()).expect("a hello");
    let (client, server) = (opening.from, opening.to);
    let sent = |from| {
        let of = packets.iter().filter(|packet| packet.from == from);
        let payloads = of.filter(|packet| [packet.from, packet.to].contains(&client));
        payloads.flat_map(|packet| packet.payload.clone()).collect()
    };
    [sent(client), sent(server)]
}

/// What each side sends, in turns; `true` is the client.
type Turns<'a> = Vec<(bool, &'a [u8])>;

/// The layers after all of it, the SNI and the version, and whether more is wanted; `step` bytes are handed over at a time.
fn layers(port: u16, turns: &Turns<'_>, step: usize) -> (Vec<String>, Option<String>, bool) {
    let mut streams = Streams::<u8>::default();
    assert!(streams.open(1, ends(port)));
    let at = Moment::default();
    let mut positions = [0, 0];
    let mut wants = [true, true];
    for (is_client, bytes) in turns {
        let side = if *is_client { Side::Sent } else { Side::Received };
        for part in bytes.chunks(step) {
            let position = &mut positions[usize::from(*is_client)];
            streams.chunk(1, side, *position, part, at);
            *position += part.len() as u64;
            for steering in streams.take_steering() {
                wants[usize::from(steering.side == Side::Sent)] = steering.want != Want::NoMore;
            }
        }
    }
    let application = streams.application(1, Side::Sent, at).expect("recognised");
    let names = application.layers.iter().map(|layer| layer.protocol.to_string()).collect();
    let sni = application.layer("tls").and_then(|layer| match layer.values.first() {
        Some(Known::Value(Scalar::Text(sni), _)) => Some(sni.to_string()),
        _ => None,
    });
    streams.remove(1);
    assert_eq!(streams.memory(), 0);
    (names, sni, wants.contains(&true))
}

#[test]
fn what_begins_in_clear_becomes_tls() {
    let [hello, answer] = handshake();
    let ssl_request: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
    let gss_request: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];
    let mut greeting = vec![74, 0, 0, 0, 10];
    greeting.extend_from_slice(b"8.0.36\0");
    greeting.resize(78, 1);
    let mut request = vec![32, 0, 0, 1];
    request.resize(36, 0);
    let cases: [(&str, u16, Turns<'_>); 4] = [
        (
            "smtp",
            587,
            vec![
                (false, b"220 mail.example ESMTP Postfix\r\n"),
                (true, b"EHLO client.example\r\n"),
                (false, b"250-mail.example\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"),
                (true, b"starttls\r\n"),
                (false, b"220 2.0.0 Ready to start TLS\r\n"),
            ],
        ),
        (
            "ftp",
            21,
            vec![
                (false, b"220 FTP server\r\n"),
                (true, b"AUTH TLS\r\n"),
                (false, b"234 Proceed\r\n"),
            ],
        ),
        (
            "postgresql",
            5432,
            vec![(true, gss_request), (false, b"N"), (true, ssl_request), (false, b"S")],
        ),
        ("mysql", 3306, vec![(false, &greeting), (true, &request)]),
    ];
    for (protocol, port, clear) in cases {
        let mut turns = clear.clone();
        turns.extend([(true, &*hello), (false, &*answer)]);
        for step in [1, 7, 100_000] {
            let (names, sni, _) = layers(port, &turns, step);
            assert_eq!(names, [protocol, "tls"], "by {step}");
            assert!(sni.is_some_and(|sni| sni.ends_with(".example")), "{protocol} by {step}");
        }
        // Without TLS there is the first layer alone.
        assert_eq!(layers(port, &clear, 7).0, [protocol]);
    }
}

#[test]
fn nothing_more_is_wanted_once_something_else_follows() {
    let login: Turns<'_> = vec![
        (false, b"220 mail.example ESMTP\r\n"),
        (true, b"EHLO client.example\r\n"),
        (false, b"250 mail.example\r\n"),
        (true, b"AUTH PLAIN AGEAYg==\r\n"),
        (false, b"235 OK\r\n"),
    ];
    assert_eq!(layers(25, &login, 100_000), (vec!["smtp".into()], None, false));
    let long = b"250-mail.example\r\n".repeat(1000);
    let long: Turns<'_> = vec![(false, b"220 mail.example ESMTP\r\n"), (false, &long)];
    assert_eq!(layers(25, &long, 100), (vec!["smtp".into()], None, false));
    // A line or packet of the server that is none, after the request.
    let plain: Turns<'_> =
        vec![(true, &[0, 0, 0, 8, 4, 210, 22, 47]), (false, b"N"), (true, b"\0\0\0\x08\0\x03\0\0")];
    assert_eq!(layers(5432, &plain, 100_000).0, ["postgresql"]);
}

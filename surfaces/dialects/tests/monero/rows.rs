//! Rows: the page's example, the layout, and each key by its formula.

use conns_core::model::{Direction, Moment, Protocol, State};
use conns_dialects::monero::{Era, Node, Options};
use serde_json::Value;

use crate::sample::{CALL, NOW, Peer, ask, body, cache, cache_at, options, post};

const PAGE: &str = include_str!("../fixtures/monero/get_connections.md");

/// The peer of the page's example, as the kernel would have reported it. Eight seconds before, all
/// of its bytes went: sent and not counted as idle since.
fn peer_of_the_page() -> Peer {
    Peer {
        remote: "173.90.69.136:62950".to_owned(),
        age_us: 8_400_000,
        bytes_sent: 24_342,
        bytes_acked: 24_342,
        bytes_received: 259,
        last_sent_ms: 8_200,
        last_received_ms: 8_100,
        slot_rates: (24_342.0 / 9.0, 259.0 / 9.0),
        ..Peer::default()
    }
}

/// The page's example, made whole JSON, its lines as the node ends them.
fn example() -> String {
    let (_, rest) = PAGE.split_once("```json\n").expect("an example");
    let (text, _) = rest.split_once("\n```").expect("its end");
    text.replace("    },{\n    ...\n    }],", "    }],").replace('\n', "\r\n")
}

fn row(peer: &Peer) -> Value {
    let text = body(options(), &cache(std::slice::from_ref(peer)));
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["result"]["connections"][0].clone()
}

/// Except the keys that need decoded payload, and the id, which is random.
#[test]
fn the_example_of_the_page_comes_out_byte_by_byte() {
    let era = Options { era: Era::V0_11, ..options() };
    let ours = body(era, &cache(&[peer_of_the_page()]));
    let id = ours.split("connection_id\": \"").nth(1).expect("an id")[..32].to_owned();
    let expected = example()
        .replace("083c301a3030329a487adb12ad981d2c", &id)
        .replace("1562127", "0")
        .replace("c959fbfbed9e44fb", "0000000000000000");
    assert_eq!(ours, expected);
}

#[test]
fn every_key_of_the_page_is_there_with_its_type() {
    let rows: Vec<(&str, &str)> = PAGE
        .lines()
        .filter_map(|line| line.split_once("| ..")?.1.split_once('|'))
        .map(|(name, rest)| (name.trim(), rest.split('|').next().expect("a type").trim()))
        .collect();
    assert_eq!(rows.len(), 21);
    for era in [Era::Current, Era::V0_11] {
        let text = body(Options { era, ..options() }, &cache(&[peer_of_the_page()]));
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let row = answer["result"]["connections"][0].as_object().expect("a row").clone();
        for (name, ty) in &rows {
            let is_of_type = match *ty {
                "string" => row[*name].is_string(),
                "unsigned int" => row[*name].is_u64(),
                "boolean" => row[*name].is_boolean(),
                other => panic!("{other}"),
            };
            assert!(is_of_type, "{name}");
        }
        let more = ["address_type", "pruning_seed", "rpc_credits_per_hash", "rpc_port"];
        assert_eq!(more.iter().all(|name| row.contains_key(*name)), era == Era::Current);
        assert_eq!(row.len(), if era == Era::Current { 25 } else { 21 });
        assert_eq!(answer["result"].get("untrusted").is_some(), era == Era::Current);
    }
}

#[test]
fn no_peers_are_no_key_and_two_share_a_line() {
    let none = body(options(), &cache(&[]));
    assert_eq!(
        none,
        "{\r\n  \"id\": \"0\",\r\n  \"jsonrpc\": \"2.0\",\r\n  \"result\": {\r\n    \
         \"status\": \"OK\",\r\n    \"untrusted\": false\r\n  }\r\n}"
    );
    let old = body(Options { era: Era::V0_11, ..options() }, &cache(&[]));
    assert_eq!(
        old,
        "{\r\n  \"id\": \"0\",\r\n  \"jsonrpc\": \"2.0\",\r\n  \"result\": {\r\n    \
         \"status\": \"OK\"\r\n  }\r\n}"
    );
    let fresh = Peer { local: "[::1]:18080", remote: "[fe80::1]:9".into(), ..Peer::default() };
    let one = body(options(), &cache(std::slice::from_ref(&fresh)));
    let id = one.split("connection_id\": \"").nth(1).expect("an id")[..32].to_owned();
    let lines = [
        "{",
        "  \"id\": \"0\",",
        "  \"jsonrpc\": \"2.0\",",
        "  \"result\": {",
        "    \"connections\": [{",
        "      \"address\": \"[fe80::1]:9\",",
        "      \"address_type\": 2,",
        "      \"avg_download\": 0,",
        "      \"avg_upload\": 0,",
        "      \"connection_id\": \"ID\",",
        "      \"current_download\": 0,",
        "      \"current_upload\": 0,",
        "      \"height\": 0,",
        "      \"host\": \"fe80::1\",",
        "      \"incoming\": true,",
        "      \"ip\": \"fe80::1\",",
        "      \"live_time\": 0,",
        "      \"local_ip\": true,",
        "      \"localhost\": false,",
        "      \"peer_id\": \"0000000000000000\",",
        "      \"port\": \"9\",",
        "      \"pruning_seed\": 0,",
        "      \"recv_count\": 0,",
        "      \"recv_idle_time\": 0,",
        "      \"rpc_credits_per_hash\": 0,",
        "      \"rpc_port\": 0,",
        "      \"send_count\": 0,",
        "      \"send_idle_time\": 0,",
        "      \"state\": \"before_handshake\",",
        "      \"support_flags\": 0",
        "    }],",
        "    \"status\": \"OK\",",
        "    \"untrusted\": false",
        "  }",
        "}",
    ];
    assert_eq!(one, lines.join("\r\n").replace("ID", &id));
    let two = body(options(), &cache(&[fresh.clone(), fresh]));
    assert_eq!(two.matches("    },{\r\n").count(), 1);
    assert_eq!(two.lines().count(), 2 * 26 + 9);
}

#[test]
fn addresses_are_written_as_the_node_writes_them() {
    // Remote end, address, host, type, localhost, local_ip.
    let cases = [
        ("127.8.9.1:5", "127.8.9.1:5", "127.8.9.1", 1, true, false),
        ("10.255.0.1:5", "10.255.0.1:5", "10.255.0.1", 1, false, true),
        ("172.31.0.1:5", "172.31.0.1:5", "172.31.0.1", 1, false, true),
        ("172.32.0.1:5", "172.32.0.1:5", "172.32.0.1", 1, false, false),
        ("192.168.9.9:65535", "192.168.9.9:65535", "192.168.9.9", 1, false, true),
        ("169.254.0.1:5", "169.254.0.1:5", "169.254.0.1", 1, false, false),
        ("[::1]:5", "[::1]:5", "::1", 2, true, false),
        ("[febf::1]:5", "[febf::1]:5", "febf::1", 2, false, true),
        ("[fec0::1]:5", "[fec0::1]:5", "fec0::1", 2, false, false),
        ("[fd00::1]:5", "[fd00::1]:5", "fd00::1", 2, false, false),
        ("[::ffff:10.1.2.3]:5", "10.1.2.3:5", "10.1.2.3", 1, false, true),
        ("[::ffff:127.0.0.1]:5", "127.0.0.1:5", "127.0.0.1", 1, true, false),
    ];
    for (remote, address, host, ty, localhost, local_ip) in cases {
        let row = row(&Peer { remote: remote.into(), ..Peer::default() });
        assert_eq!(row["address"], address);
        assert_eq!((&row["host"], &row["ip"]), (&host.into(), &host.into()), "{remote}");
        assert_eq!(row["port"], address.rsplit(':').next().expect("a port"));
        assert_eq!(row["address_type"], ty, "{remote}");
        assert_eq!(row["localhost"], localhost, "{remote}");
        assert_eq!(row["local_ip"], local_ip, "{remote}");
    }
}

#[test]
fn bytes_are_those_the_process_has_read_and_written() {
    let waiting = Peer {
        bytes_sent: 900,
        bytes_retrans: 100,
        bytes_acked: 501,
        notsent_bytes: 70,
        send_queue: 370,
        bytes_received: 50,
        receive_queue: 20,
        direction: Some(Direction::Outbound),
        ..Peer::default()
    };
    let written = row(&waiting);
    assert_eq!((&written["send_count"], &written["recv_count"]), (&870.into(), &30.into()));
    assert_eq!((&written["incoming"], &written["state"]), (&false.into(), &"normal".into()));
    // Linux 4.18 does not count what it sends: 192 bytes of the structure.
    let old = Peer { tcp_info_bytes: 192, ..waiting };
    assert_eq!(row(&old)["send_count"], 870);
    let accepted = Peer { direction: Some(Direction::Inbound), ..old };
    assert_eq!(row(&accepted)["send_count"], 871);
    // A kernel that reports nothing, and more queued than counted.
    let blind = Peer { tcp_info_bytes: 0, receive_queue: 5, ..Peer::default() };
    let written = row(&blind);
    assert_eq!((&written["send_count"], &written["recv_count"]), (&0.into(), &0.into()));
}

#[test]
fn state_is_normal_once_both_have_talked() {
    for (sent, received, waiting, state) in [
        (0, 0, 0, "before_handshake"),
        (0, 9, 0, "before_handshake"),
        (9, 0, 0, "before_handshake"),
        (9, 9, 9, "before_handshake"),
        (9, 9, 8, "normal"),
    ] {
        let peer = Peer {
            bytes_sent: sent,
            bytes_received: received,
            receive_queue: waiting,
            ..Peer::default()
        };
        assert_eq!(row(&peer)["state"], state);
        let text = body(Options { era: Era::V0_11, ..options() }, &cache(&[peer]));
        assert!(text.contains(&format!("\"state\": \"state_{state}\"")));
    }
}

#[test]
fn times_are_whole_seconds_and_averages_are_divided_twice() {
    let peer = Peer {
        age_us: 10_999_999,
        bytes_sent: 10 * 1024 * 3 + 9,
        bytes_received: 10 * 1024 - 1,
        last_sent_ms: 1_999,
        last_received_ms: 2_000,
        slot_rates: (2047.9, 1024.0),
        ..Peer::default()
    };
    let written = row(&peer);
    let number = |key: &str| written[key].as_u64().expect("a number");
    assert_eq!(number("live_time"), 10);
    assert_eq!((number("send_idle_time"), number("recv_idle_time")), (1, 2));
    assert_eq!((number("avg_upload"), number("avg_download")), (3, 0));
    assert_eq!((number("current_upload"), number("current_download")), (1, 1));
    // Nothing was sent yet: idle for its whole lifetime.
    let mute = Peer { age_us: 7_500_000, last_sent_ms: 7_500, ..Peer::default() };
    let written = row(&mute);
    assert_eq!((&written["send_idle_time"], &written["recv_idle_time"]), (&7.into(), &7.into()));
    // In its first second it has no average.
    let young = Peer { age_us: 999_999, bytes_sent: 1 << 20, ..Peer::default() };
    assert_eq!(row(&young)["avg_upload"], 0);
    // First seen just now, but its last byte is a minute old.
    let old = Peer { bytes_sent: 61 * 1024, last_sent_ms: 61_000, ..Peer::default() };
    let written = row(&old);
    assert_eq!((&written["live_time"], &written["avg_upload"]), (&61.into(), &1.into()));
    for rate in [f64::NAN, -1.0, f64::INFINITY] {
        let written = row(&Peer { slot_rates: (rate, rate), ..Peer::default() });
        assert!(written["current_upload"].is_u64(), "{rate}");
    }
}

#[test]
fn only_established_tcp_is_listed_and_an_unknown_direction_is_not_incoming() {
    for (protocol, state) in [
        (Protocol::Udp, State::Established),
        (Protocol::Mptcp, State::Established),
        (Protocol::Tcp, State::CloseWait),
        (Protocol::Tcp, State::SynSent),
        (Protocol::Tcp, State::Listen),
    ] {
        let peer = Peer { protocol, state, ..Peer::default() };
        assert!(
            !body(options(), &cache(&[peer])).contains("connections"),
            "{protocol:?} {state:?}"
        );
    }
    assert_eq!(row(&Peer { direction: None, ..Peer::default() })["incoming"], false);
}

#[test]
fn an_id_is_the_connections_own_and_stays() {
    let id = |options: Options, peer: &Peer, at: Moment| {
        let cache = cache_at(std::slice::from_ref(peer), at);
        let answer: Value = serde_json::from_str(&body(options, &cache)).expect("JSON");
        answer["result"]["connections"][0]["connection_id"].as_str().expect("an id").to_owned()
    };
    let peer = Peer::default();
    let first = id(options(), &peer, NOW);
    assert!(first.len() == 32 && first.bytes().all(|b| b"0123456789abcdef".contains(&b)));
    assert_eq!(first.as_bytes()[12], b'4', "the version of a random UUID");
    assert!(b"89ab".contains(&first.as_bytes()[16]), "its variant");
    let later = Moment { monotonic_us: NOW.monotonic_us + 1, wall_us: NOW.wall_us + 1 };
    let moved = Peer { bytes_sent: 9, age_us: 9, ..peer.clone() };
    assert_eq!(id(options(), &moved, later), first);
    assert_ne!(id(options(), &Peer { cookie: 2, ..peer.clone() }, NOW), first);
    assert_ne!(id(Options { secret: [0; 16], ..options() }, &peer, NOW), first);
}

/// Nodes with different options do not share a list of one cache.
#[test]
fn a_response_cache_separates_eras_and_filters() {
    let cache = cache(&[Peer::default()]);
    let nodes = [
        options(),
        Options { era: Era::V0_11, ..options() },
        Options { peers: crate::sample::filter("port == 1"), ..options() },
        Options { node: Some(crate::sample::filter("port == 1")), ..options() },
        Options { secret: [1; 16], ..options() },
    ]
    .map(Node::new);
    let answers = nodes.each_ref().map(|node| {
        let response = ask(node, &post(CALL), &cache).expect("an answer");
        String::from_utf8(response.into_body().into()).expect("UTF-8")
    });
    for (at, answer) in answers.iter().enumerate() {
        let alike: Vec<usize> = (0..5).filter(|other| answers[*other] == *answer).collect();
        // Two filters that find nothing answer the same.
        assert_eq!(alike, if at == 2 || at == 3 { vec![2, 3] } else { vec![at] });
    }
}

/// The page that explains the keys here has a line for each, in order, with its type and era; and
/// the filter it shows is the one that is used.
#[test]
fn the_documentation_lists_every_key_as_it_is() {
    let page = include_str!("../../../../docs/dialects/monero.md");
    let table: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let keys = |era: Era| -> Vec<(String, &str)> {
        let text = body(Options { era, ..options() }, &cache(&[Peer::default()]));
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let row = answer["result"]["connections"][0].as_object().expect("a row").clone();
        let ty = |value: &Value| match value {
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            other => panic!("{other}"),
        };
        row.iter().map(|(key, value)| (format!("`{key}`"), ty(value))).collect()
    };
    let listed = |is_old: bool| -> Vec<(String, &str)> {
        let lines = table.iter().filter(|line| !is_old || line[4] != "not 0.11");
        lines.map(|line| (line[1].to_owned(), line[2])).collect()
    };
    assert_eq!(listed(false), keys(Era::Current));
    assert_eq!(listed(true), keys(Era::V0_11));
    let (_, shown) = page.split_once("```filter\n").expect("a filter");
    let (shown, _) = shown.split_once("\n```").expect("its end");
    assert_eq!(shown, conns_dialects::monero::DEFAULT_PEERS);
}

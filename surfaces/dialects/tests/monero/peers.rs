//! Which connections are listed by default, and answers of real nodes made from what the kernel
//! reported at the same time.

use conns_core::model::Direction::{Inbound, Outbound};
use conns_core::model::{Direction, State};
use conns_dialects::monero::Options;
use serde_json::Value;

use crate::sample::{Peer, body, cache, default_options, filter, options};

const CONNECTIONS: &str = include_str!("../fixtures/monero/connections.jsonl");

fn listed(options: Options, peers: &[Peer]) -> usize {
    body(options, &cache(peers)).matches("\"address\"").count()
}

#[test]
fn by_default_peers_are_what_a_node_dialled_or_accepted_on_its_port() {
    let cases: &[(&str, Option<Direction>, &str, usize)] = &[
        ("monerod", Some(Inbound), "192.0.2.1:18080", 1),
        ("monerod", Some(Inbound), "192.0.2.1:28080", 1),
        ("monerod", Some(Inbound), "[2001:db8::1]:38080", 1),
        ("cuprated", Some(Inbound), "192.0.2.1:18080", 1),
        ("monerod", Some(Outbound), "192.0.2.1:50000", 1),
        // Of its other ports.
        ("monerod", Some(Inbound), "192.0.2.1:18081", 0),
        ("monerod", Some(Inbound), "192.0.2.1:18083", 0),
        ("monero-wallet-r", Some(Outbound), "192.0.2.1:50000", 0),
        ("nginx", Some(Inbound), "192.0.2.1:18080", 0),
        // Not certainly meant.
        ("monerod", None, "192.0.2.1:18080", 0),
    ];
    for &(process, direction, local, rows) in cases {
        let peer = Peer { process, direction, local, ..Peer::default() };
        assert_eq!(listed(default_options(), &[peer]), rows, "{process} {direction:?} {local}");
    }
    let closing = Peer { state: State::CloseWait, ..Peer::default() };
    assert_eq!(listed(default_options(), &[closing]), 0);
}

#[test]
fn a_node_filter_only_narrows() {
    let here = Peer { local: "192.0.2.1:18080", ..Peer::default() };
    let there = Peer { local: "192.0.2.2:18080", ..Peer::default() };
    let other = Peer { process: "nginx", ..here.clone() };
    let peers = [here, there, other];
    let node = Some(filter("local_addr == 192.0.2.1"));
    assert_eq!(listed(default_options(), &peers), 2);
    assert_eq!(listed(Options { node, ..default_options() }, &peers), 1);
}

/// What `ss` reported of a peer of a recorded node, and the times the node reported, which the kernel does
/// not know.
fn peer(kernel: &Value, row: &Value) -> Peer {
    let number = |key: &str| kernel[key].as_u64().expect("a number");
    let narrow = |key: &str| u32::try_from(number(key)).expect("a small number");
    let idle_ms = |key: &str| u32::try_from(row[key].as_u64().expect("s") * 1000).expect("ms");
    Peer {
        remote: kernel["remote"].as_str().expect("an end").to_owned(),
        // The dialling side counts its SYN.
        direction: Some(if number("bytes_acked") + number("send_queue") == number("bytes_sent") {
            Inbound
        } else {
            Outbound
        }),
        age_us: row["live_time"].as_u64().expect("s") * 1_000_000,
        bytes_sent: number("bytes_sent"),
        bytes_retrans: number("bytes_retrans"),
        bytes_acked: number("bytes_acked"),
        bytes_received: number("bytes_received"),
        notsent_bytes: narrow("notsent"),
        receive_queue: narrow("receive_queue"),
        send_queue: narrow("send_queue"),
        last_sent_ms: idle_ms("send_idle_time"),
        last_received_ms: idle_ms("recv_idle_time"),
        ..Peer::default()
    }
}

/// The keys that need decoded payload, and their constants.
fn without_the_wire(line: &str) -> String {
    let Some((key, value)) = line.split_once(": ") else { return line.to_owned() };
    let instead = match key.trim() {
        "\"connection_id\"" => "\"ID\",",
        "\"height\"" => "0,",
        "\"peer_id\"" => "\"0000000000000000\",",
        "\"support_flags\"" => "0",
        _ => value,
    };
    format!("{key}: {instead}")
}

#[test]
fn answers_equal_those_of_real_nodes_for_the_recorded_sockets() {
    let mut rows = 0;
    for line in CONNECTIONS.lines() {
        let record: Value = serde_json::from_str(line).expect("a line of JSON");
        let answer = record["answer"].as_str().expect("an answer");
        let (_, theirs) = answer.split_once("\r\n\r\n").expect("a body");
        let parsed: Value = serde_json::from_str(theirs).expect("JSON");
        let listed = parsed["result"]["connections"].as_array().expect("rows");
        let kernel = record["kernel"].as_array().expect("sockets");
        assert_eq!(listed.len(), kernel.len());
        let peers: Vec<Peer> = kernel.iter().zip(listed).map(|(k, row)| peer(k, row)).collect();
        let ours = body(options(), &cache(&peers));
        let plain =
            |text: &str| -> Vec<String> { text.split("\r\n").map(without_the_wire).collect() };
        assert_eq!(plain(&ours), plain(theirs), "{}", record["name"]);
        rows += listed.len();
    }
    assert_eq!(rows, 9);
}

//! Levin, on what real Monero nodes sent to each other, beside what they answered of it at that time
//! (`corpus/levin`), and on bytes made for each rule. `fuzz/record/levin.py` records the session.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "tests panic, read files and print"
)]

#[path = "decode/capture.rs"]
mod capture;
#[path = "levin/made.rs"]
mod made;

use std::collections::{BTreeMap, HashSet};

use capture::{Key, Player, corpus, packets};
use conns_core::decode::{LEVIN, Side};
use conns_core::model::{Application, Known, Layer, Moment, Scalar, Unknown};
use serde_json::{Value, json};

const P2P: [u16; 3] = [28180, 28280, 28380];
/// The fields of `get_connections` that are decoded, and by which field.
const COMPARED: [(&str, &str); 7] = [
    ("peer_id", "levin.peer_id"),
    ("height", "levin.height"),
    ("pruning_seed", "levin.pruning_seed"),
    ("rpc_port", "levin.rpc_port"),
    ("rpc_credits_per_hash", "levin.rpc_credits_per_hash"),
    ("support_flags", "levin.support_flags"),
    ("state", "levin.state"),
];

/// The value of a field of a layer.
fn value(layer: &Layer, name: &str) -> Known<Scalar> {
    let spec = &LEVIN;
    assert_eq!(spec.fields.len(), layer.values.len());
    let index = spec.fields.iter().position(|field| field.name == name).expect(name);
    layer.values[index].clone()
}

/// A value as the node's JSON has it: what it does not know yet is 0.
fn as_json(name: &str, value: &Known<Scalar>) -> Value {
    match value.value() {
        Some(Scalar::Text(text)) => json!(&**text),
        Some(Scalar::Count(number)) => json!(number),
        Some(Scalar::Port(port)) => json!(port),
        Some(other) => panic!("{other:?}"),
        None if name == "levin.peer_id" => json!("0000000000000000"),
        None => json!(0),
    }
}

fn layer(application: &Application) -> &Layer {
    application.layer("levin").expect("a layer")
}

/// The layers that a node would list at a moment, by the remote port.
fn listed(player: &Player, node: usize, now: Moment) -> BTreeMap<u16, Layer> {
    let mut found = BTreeMap::new();
    for key in player.open.keys() {
        let (first, second): Key = *key;
        for (own, remote, side) in [(first, second, Side::Sent), (second, first, Side::Received)] {
            let Some(application) = player.streams.application(*key, side, now) else { continue };
            let layer = layer(&application);
            let announced = value(layer, "levin.node_port");
            let is_own = own.port == P2P[node]
                || announced.value() == Some(&Scalar::Port(P2P[node])) && !P2P.contains(&own.port);
            if is_own {
                found.insert(remote.port, layer.clone());
            }
        }
    }
    found
}

#[test]
fn every_value_is_what_the_node_itself_answered() {
    let packets = packets("levin/session.pcap");
    let answers = std::fs::read_to_string(corpus("levin/answers.jsonl")).expect("answers");
    let mut player = Player::of(vec![&LEVIN]);
    let mut next = packets.iter().peekable();
    let (mut compared, mut equal, mut seen) = (0, BTreeMap::new(), HashSet::new());
    let mut differences = Vec::new();
    let mut play_until = |player: &mut Player, until_us: i64| {
        while let Some(packet) = next.next_if(|packet| packet.at.wall_us <= until_us) {
            player.play(packet);
        }
        Moment { monotonic_us: until_us as u64, wall_us: until_us }
    };
    for line in answers.lines() {
        let answer: Value = serde_json::from_str(line).expect("JSON");
        let node = answer["node"].as_u64().expect("a number") as usize;
        // An answer is of a moment between: either end will do.
        let sides = ["before_us", "after_us"].map(|key| {
            let now = play_until(&mut player, answer[key].as_i64().expect("a number"));
            listed(&player, node, now)
        });
        for row in answer["rows"].as_array().expect("rows") {
            let address = row["address"].as_str().expect("an address");
            let port: u16 = address.rsplit_once(':').expect("a port").1.parse().expect("a port");
            let layers: Vec<&Layer> = sides.iter().filter_map(|side| side.get(&port)).collect();
            if layers.is_empty() {
                // The client that sends nothing, and a handshake that has no byte yet.
                assert_eq!(row["state"], "before_handshake", "{line}");
                continue;
            }
            compared += 1;
            for (key, name) in COMPARED {
                seen.insert((key, row[key].to_string()));
                let is_equal =
                    layers.iter().any(|layer| as_json(name, &value(layer, name)) == row[key]);
                *equal.entry(key).or_insert(0) += usize::from(is_equal);
                if !is_equal {
                    let ours: Vec<_> = layers.iter().map(|layer| value(layer, name)).collect();
                    differences.push(format!(
                        "{} {port} {key}: {} {ours:?}",
                        answer["before_us"], row[key]
                    ));
                }
            }
        }
    }
    println!("{compared} rows: {equal:?}\n{}", differences.join("\n"));
    assert!(compared >= 60, "{compared} rows");
    // The node fetched the last blocks from its other peer, which this connection does not show: it is
    // seen as synchronizing for some seconds more. Rows that repeat are omitted from the file, so that
    // these weigh more than they do by time.
    for (key, _) in COMPARED {
        let least = if key == "state" { compared * 93 / 100 } else { compared };
        assert!(
            equal[key] >= least,
            "{key}: {} of {compared}\n{}",
            equal[key],
            differences.join("\n")
        );
    }
    // The session has values that differ from what is sent for want of any.
    for (key, value) in [("state", "\"synchronizing\""), ("rpc_port", "28185"), ("height", "9")] {
        assert!(seen.contains(&(key, value.into())), "no {key} {value} in {seen:?}");
    }
}

#[test]
fn a_session_that_began_before_has_heights_after_the_next_timed_sync() {
    let packets = packets("levin/session.pcap");
    let (first, last) = (packets[0].at, packets[packets.len() - 1].at);
    let middle = first.wall_us + (last.wall_us - first.wall_us) / 3;
    let mut player = Player::of(vec![&LEVIN]);
    packets
        .iter()
        .filter(|packet| packet.at.wall_us > middle)
        .for_each(|packet| player.play(packet));
    let mut heights = 0;
    for key in player.open.keys() {
        for side in Side::ALL {
            let Some(application) = player.streams.application(*key, side, last) else { continue };
            let layer = layer(&application);
            let began_before = Known::Unknown(Unknown::BeganBefore);
            assert_eq!(value(layer, "levin.peer_id"), began_before);
            assert_eq!(value(layer, "levin.handshake"), began_before);
            assert_eq!(value(layer, "levin.refused").value(), Some(&Scalar::Count(0)));
            assert_eq!(value(layer, "levin.height").value(), Some(&Scalar::Count(9)));
            assert_eq!(value(layer, "levin.state").value(), Some(&Scalar::Text("normal".into())));
            heights += 1;
        }
    }
    assert_eq!(heights, 6, "three connections, two ends each");
}

#[test]
fn the_messages_of_the_session_are_all_counted() {
    let mut player = Player::of(vec![&LEVIN]);
    let packets = packets("levin/session.pcap");
    packets.iter().for_each(|packet| player.play(packet));
    let now = packets[packets.len() - 1].at;
    let bytes: usize = packets.iter().map(|packet| packet.payload.len()).sum();
    let mut totals = BTreeMap::new();
    let keys: Vec<Key> = player.open.keys().copied().collect();
    for key in keys {
        let Some(application) = player.streams.application(key, Side::Sent, now) else { continue };
        let layer = layer(&application);
        assert_eq!(layer.gap_bytes, 0);
        assert_eq!(value(layer, "levin.refused").value(), Some(&Scalar::Count(0)));
        let Known::Value(Scalar::List(records), _) = value(layer, "levin.messages") else {
            panic!("no list")
        };
        for record in records.iter() {
            let Some(Scalar::Text(name)) = record.values[0].value() else { panic!("{record:?}") };
            let count = |index: usize| match record.values[index].value() {
                Some(Scalar::Count(count)) => *count,
                other => panic!("{other:?}"),
            };
            *totals.entry(name.to_string()).or_insert(0) += count(2) + count(3);
        }
        player.streams.remove(key);
    }
    println!("{bytes} bytes: {totals:?}");
    // Counted in the payload by its signature, without the decoder.
    let mut sides: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    for packet in &packets {
        sides.entry((packet.from, packet.to)).or_default().extend(&packet.payload);
    }
    let signature = [1, 0x21, 1, 1, 1, 1, 1, 1];
    let headers =
        sides.values().flat_map(|side| side.windows(8)).filter(|eight| **eight == signature);
    assert_eq!(totals.values().sum::<u64>(), headers.count() as u64);
    assert!(totals["handshake"] == 6 && totals["new_fluffy_block"] > 8 && totals["chain"] >= 1);
    assert_eq!(player.streams.memory(), 0);
}

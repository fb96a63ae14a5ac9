//! Our rows against those of a real node, of the same moment, key by key.
//!
//! Invariant: the node answers before and after our sample, so a figure that only grows lies between its two.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, agent, post, same, sequence};
use crate::node::{CALL, LISTENER, NOISE, Node, Pair, make_noise};

/// Seconds by which ages may differ: both are cut to whole seconds, the node's by the wall clock's.
const CLOCKS_S: i64 = 1;
/// KiB a second that one message of noise makes over nine seconds: it may fall on either side of a slot's end.
const SLOT_KIB: i64 = (NOISE / 9 / 1024) as i64 + 1;
/// How often all is compared.
const ROUNDS: usize = 6;

type Rows = BTreeMap<String, Value>;

/// One node, and an agent that speaks for it.
struct Compared<'a> {
    namespace: &'a Namespace,
    node: &'a Node,
    agent: &'a Agent,
}

pub(crate) fn as_the_node() -> Result<()> {
    let namespace = Namespace::create("rows")?;
    let here = format!("netns == \"{}\"", namespace.name());
    let speaking_for = |which: &str| {
        let node = format!("{here} and {which}");
        // A short interval, so that the age of a connection is as exact as the node's.
        let flags = ["--interval", "100ms", "--listen", "http=:0", "--listen", "monero=:0"];
        agent(&namespace, &[&flags[..], &["--monero-node", &node]].concat())
    };
    // Before the nodes: then it knows how old their connections are.
    let for_acceptor = speaking_for(&format!("local_port == {LISTENER}"))?;
    let for_dialler = speaking_for(&format!("remote_port == {LISTENER} and process == monerod"))?;
    let pair = Pair::start(&namespace)?;
    let mut mute = Node::mute_peer(&namespace)?;
    let accepted = Compared { namespace: &namespace, node: &pair.acceptor, agent: &for_acceptor };
    let dialled = Compared { namespace: &namespace, node: &pair.dialler, agent: &for_dialler };
    let before = accepted.of_mute_peer(&mute)?;
    for _ in 0..ROUNDS {
        make_noise(&mut mute)?;
        same("rows of the node that accepts", accepted.compare()?, 2)?;
        same("rows of the node that dials", dialled.compare()?, 1)?;
    }
    let noise = u64::try_from(NOISE * ROUNDS)?;
    let row = wait_for("all noise in our row", TIMEOUT, || {
        let row = accepted.of_mute_peer(&mute)?;
        Ok((row["recv_count"] == noise).then_some(row))
    })?;
    ensure!(row["current_download"].as_i64() > Some(SLOT_KIB), "noise makes no rate: {row}");
    same("invented id", &row["connection_id"], &before["connection_id"])
}

impl Compared<'_> {
    /// Compares all rows and returns their number.
    fn compare(&self) -> Result<usize> {
        let before = self.node.answer(self.namespace)?;
        let samples = sequence(self.agent, self.namespace)?;
        // The sample after the next one begins after the node answered.
        wait_for("two samples", TIMEOUT, || {
            Ok((sequence(self.agent, self.namespace)? >= samples + 2).then_some(()))
        })?;
        let ours = self.ours()?;
        let after = self.node.answer(self.namespace)?;
        same("layout and keys", layout(&ours), layout(&after))?;
        let (before, ours, after) = (rows(&before)?, rows(&ours)?, rows(&after)?);
        same("addresses", ours.keys().collect::<Vec<_>>(), after.keys().collect())?;
        for (address, ours) in &ours {
            let (before, after) = (&before[address], &after[address]);
            compare_row(before, ours, after).with_context(|| {
                format!("our row {ours}\nthe node's before {before}\nand after {after}")
            })?;
        }
        Ok(ours.len())
    }

    fn ours(&self) -> Result<Vec<u8>> {
        let port = self.agent.address("monero")?.port();
        Ok(post(self.namespace, port, "/json_rpc", CALL)?.body)
    }

    fn of_mute_peer(&self, peer: &std::net::TcpStream) -> Result<Value> {
        let address = peer.local_addr()?.to_string();
        wait_for("the row of a mute peer", TIMEOUT, || {
            Ok(rows(&self.ours()?).ok().and_then(|mut rows| rows.remove(&address)))
        })
    }
}

fn compare_row(before: &Value, ours: &Value, after: &Value) -> Result<()> {
    const EQUAL: [&str; 8] =
        ["address", "address_type", "host", "incoming", "ip", "local_ip", "localhost", "port"];
    for key in EQUAL {
        same(key, &ours[key], &after[key])?;
    }
    // What only the wire reports: the agent was there before the handshake.
    const SEEN: [&str; 6] =
        ["peer_id", "height", "pruning_seed", "rpc_credits_per_hash", "rpc_port", "support_flags"];
    for key in SEEN {
        same(key, &ours[key], &after[key])?;
    }
    same("state", &ours["state"], &after["state"])?;
    let id = ours["connection_id"].as_str().context("an id that is no text")?;
    let is_uuid = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && &id[12..13] == "4";
    ensure!(is_uuid, "connection_id {id} is no random UUID");

    let between = |key: &str, slack: i64| -> Result<()> {
        let of = |row: &Value| row[key].as_i64().with_context(|| format!("{key} is no number"));
        let (first, value, last) = (of(before)?, of(ours)?, of(after)?);
        let (least, most) = (first.min(last) - slack, first.max(last) + slack);
        ensure!((least..=most).contains(&value), "{key} is {value}, not in {least}..={most}");
        Ok(())
    };
    between("recv_count", 0)?;
    between("send_count", 0)?;
    for key in ["live_time", "recv_idle_time", "send_idle_time"] {
        between(key, CLOCKS_S)?;
    }
    between("current_download", SLOT_KIB)?;
    between("current_upload", SLOT_KIB)?;
    // Its bytes and its age were compared already; the mean is made of them as the node makes it.
    for row in [ours, after] {
        for (mean, count) in [("avg_download", "recv_count"), ("avg_upload", "send_count")] {
            let of = |key: &str| row[key].as_u64().with_context(|| format!("{key} is no number"));
            let expected = of(count)?.checked_div(of("live_time")?).unwrap_or(0) / 1024;
            same(mean, of(mean)?, expected)?;
        }
    }
    Ok(())
}

/// Rows by address.
pub(crate) fn rows(answer: &[u8]) -> Result<Rows> {
    let mut answer: Value = serde_json::from_slice(answer)?;
    same("status", &answer["result"]["status"], &"OK".into())?;
    let Value::Array(list) = answer["result"]["connections"].take() else {
        bail!("no connections in {answer}");
    };
    let by_address = |row: Value| Some((row["address"].as_str()?.to_owned(), row));
    list.into_iter().map(|row| by_address(row).context("a row without an address")).collect()
}

/// An answer without its values: keys, their order, spaces and line ends.
fn layout(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let without_value = |line: &str| match line.split_once("\": ") {
        Some((key, value)) if !value.starts_with(['{', '[']) => {
            let end = value.find([',', '\r']).map_or("", |at| &value[at..]);
            format!("{key}\": {end}")
        }
        _ => line.to_owned(),
    };
    text.split('\n').map(without_value).collect()
}

//! `conns call`: the answers to the calls of other systems, about sockets the test knows;
//! docs/dialects/ specifies them.

mod ports;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Case;
use crate::owner::Owner;
use crate::program::{Ran, conns};
use crate::sandbox::Sandbox;
use crate::scene::{Scene, same};

pub(crate) const TESTS: &[Case] = &[
    Case("call_get_connections_has_exactly_1es_keys_and_types", &[], get_connections),
    Case("call_get_listening_endpoints_has_its_keys_and_types", &[], get_listening_endpoints),
    Case("call_rows_are_the_same_in_every_format", &[], formats),
    Case("call_has_a_row_for_each_owner_of_a_socket", &[], each_owner),
    Case("call_may_be_written_in_several_ways", &[], spellings),
    Case("call_prints_what_the_port_of_each_system_sends", &[], ports::equal),
    Case("call_has_the_options_of_the_monero_dialect", &[], monero_options),
    Case("calls_unknown_or_in_another_format_are_refused", &[], refusals),
];

/// The columns in 1E's order, and what may stand in them.
const CONNECTIONS: [(&str, Type); 9] = [
    ("Class", Type::Class),
    ("LatencyMs", Type::IntOrNull),
    ("LocalAddress", Type::Address),
    ("LocalPort", Type::Port),
    ("PacketLossPercent", Type::IntOrNull),
    ("ProcessId", Type::IntOrNull),
    ("ProcessName", Type::TextOrNull),
    ("RemoteAddress", Type::Address),
    ("RemotePort", Type::Port),
];

const LISTENING: [(&str, Type); 6] = [
    ("Class", Type::Class),
    ("Protocol", Type::Protocol),
    ("LocalAddress", Type::Address),
    ("LocalPort", Type::Port),
    ("ProcessId", Type::IntOrNull),
    ("ProcessName", Type::TextOrNull),
];

#[derive(Debug, Clone, Copy)]
enum Type {
    Class,
    Protocol,
    Address,
    Port,
    IntOrNull,
    TextOrNull,
}

impl Type {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Class => value == "IPv4" || value == "IPv6",
            Self::Protocol => value == "TCP" || value == "UDP",
            Self::Address => {
                value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
            }
            Self::Port => value.as_u64().is_some_and(|port| port <= 65535),
            Self::IntOrNull => value.is_i64() || value.is_u64() || value.is_null(),
            Self::TextOrNull => value.is_string() || value.is_null(),
        }
    }
}

fn call(sandbox: &Sandbox, words: &[&str]) -> Result<Ran> {
    let mut command = conns([&["call"], words].concat());
    command.args(sandbox.netns()?);
    sandbox.finish(&mut command)
}

/// The rows of an answer, each checked against the columns; of them those of this process.
fn rows(sandbox: &Sandbox, method: &str, columns: &[(&str, Type)]) -> Result<Vec<Value>> {
    let json = call(sandbox, &[method])?.good()?.json()?;
    let rows = json.as_array().context("the answer is no array")?;
    for row in rows {
        let keys: Vec<&str> =
            row.as_object().context("a row is no object")?.keys().map(|key| &**key).collect();
        let expected: BTreeSet<&str> = columns.iter().map(|(name, _)| *name).collect();
        same("the keys", keys, expected.into_iter().collect::<Vec<_>>())?;
        for (name, ty) in columns {
            ensure!(ty.fits(&row[*name]), "{name} is {}, not {ty:?}", row[*name]);
        }
    }
    Ok(rows.iter().filter(|row| is_mine(sandbox, row)).cloned().collect())
}

/// Other tests of this process may have sockets at the same time.
fn is_mine(sandbox: &Sandbox, row: &Value) -> bool {
    let is_here = sandbox.owns(&row["LocalPort"]) || sandbox.owns(&row["RemotePort"]);
    is_here && row["ProcessId"] == std::process::id()
}

fn get_connections() -> Result<()> {
    let scene = Scene::new()?;
    let rows = rows(&scene.sandbox, "Network.GetConnections", &CONNECTIONS)?;
    let (listener, client) = (scene.listener.local_addr()?, scene.client.local_addr()?);
    let find = |local: u16| rows.iter().find(|row| row["LocalPort"] == local).context("no row");
    let (out, inward) = (find(client.port())?, find(listener.port())?);
    same("the remote port", &out["RemotePort"], &listener.port().into())?;
    same("the remote address", &inward["RemoteAddress"], &"127.0.0.1".into())?;
    same("latency on loopback", &out["LatencyMs"], &0.into())?;
    same("loss of what was sent", &out["PacketLossPercent"], &0.into())?;
    same("loss where nothing was sent", &inward["PacketLossPercent"], &Value::Null)?;
    // Neither listeners nor UDP.
    let udp = scene.udp_connected.local_addr()?.port();
    ensure!(
        rows.iter().all(|row| row["LocalPort"] != udp
            || row["RemotePort"] != scene.udp.local_addr().map_or(0, |a| a.port())),
        "UDP is listed"
    );
    Ok(())
}

fn get_listening_endpoints() -> Result<()> {
    let scene = Scene::new()?;
    let rows = rows(&scene.sandbox, "Network.GetListeningEndpoints();", &LISTENING)?;
    let has = |protocol: &str, port: u16| {
        rows.iter().filter(|row| row["Protocol"] == protocol && row["LocalPort"] == port).count()
    };
    same("the listener", has("TCP", scene.listener.local_addr()?.port()), 1)?;
    same("the UDP socket", has("UDP", scene.udp.local_addr()?.port()), 1)?;
    same("the UDP socket with a peer", has("UDP", scene.udp_connected.local_addr()?.port()), 0)?;
    same("the client", has("TCP", scene.client.local_addr()?.port()), 0)
}

fn formats() -> Result<()> {
    let scene = Scene::new()?;
    for (method, columns) in [
        ("Network.GetConnections", &CONNECTIONS[..]),
        ("Network.GetListeningEndpoints", &LISTENING[..]),
    ] {
        let mine = rows(&scene.sandbox, method, columns)?;
        ensure!(mine.len() >= 2, "only {mine:?}");
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let is_mine = |row: &Value| is_mine(&scene.sandbox, row);
        let lines = call(&scene.sandbox, &[method, "-o", "jsonl"])?.good()?.lines_of_json()?;
        same("jsonl", &lines.into_iter().filter(is_mine).collect::<Vec<_>>(), &mine)?;
        let ran = call(&scene.sandbox, &[method, "-o", "csv"])?;
        let (header, cells) = ran.good()?.csv()?;
        same("the header of csv", header.iter().map(|h| &**h).collect::<Vec<_>>(), names.clone())?;
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let expected: Vec<Vec<String>> =
            mine.iter().map(|row| names.iter().map(|name| text(&row[*name])).collect()).collect();
        for row in &expected {
            ensure!(cells.contains(row), "no {row:?} in csv");
        }
        let ran = call(&scene.sandbox, &[method, "-o", "table"])?;
        let table = ran.good()?.text()?;
        let titles: Vec<&str> =
            table.lines().next().context("no header")?.split_whitespace().collect();
        same("the titles of the table", titles, names)?;
        let bare = call(&scene.sandbox, &[method, "-o", "table", "--no-header"])?;
        ensure!(!bare.good()?.text()?.contains("LocalAddress"), "a header with --no-header");
        let order = call(&scene.sandbox, &[method, "-o", "jsonl"])?;
        let first = order.good()?.text()?.lines().next().context("no line")?.to_owned();
        let places: Vec<_> =
            columns.iter().map(|(name, _)| first.find(&format!("\"{name}\":"))).collect();
        ensure!(
            places.is_sorted() && places.iter().all(Option::is_some),
            "the order of keys in {first}"
        );
    }
    Ok(())
}

fn each_owner() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let _same_process = listener.try_clone()?;
    let child = Owner::start(b"second", &[], listener.try_clone()?, None)?;
    let json = call(&sandbox, &["Network.GetListeningEndpoints"])?.good()?.json()?;
    let pids: Vec<&Value> = json
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| row["LocalPort"] == port && row["Protocol"] == "TCP")
        .map(|row| &row["ProcessId"])
        .collect();
    let mut expected = [Value::from(std::process::id()), child.pid().into()];
    expected.sort_by_key(Value::as_u64);
    same("the owners", pids, expected.iter().collect())
}

fn spellings() -> Result<()> {
    let scene = Scene::new()?;
    for call_text in [
        "Network.GetConnections",
        "Network.GetConnections()",
        "Network.GetConnections();",
        " Network . GetConnections ( ) ; ",
    ] {
        let ran = call(&scene.sandbox, &[call_text])?;
        ensure!(ran.good()?.json()?.is_array(), "{call_text:?}: no array");
    }
    Ok(())
}

fn monero_options() -> Result<()> {
    let scene = Scene::new()?;
    let peers = format!("local_port == {}", scene.listener.local_addr()?.port());
    let get = |flags: &[&str]| -> Result<Value> {
        let words = [&["get_connections", "--monero-peers", &peers], flags].concat();
        call(&scene.sandbox, &words)?.good()?.json()
    };
    let state = |answer: Value| answer["result"]["connections"][0]["state"].clone();
    same("the state", state(get(&[])?), "before_handshake".into())?;
    let old = get(&["--monero-era", "0.11"])?;
    same("the state in 0.11", state(old), "state_before_handshake".into())?;
    let none = get(&["--monero-node", "local_port == 1"])?;
    same("connections of another node", &none["result"]["connections"], &Value::Null)?;
    let error = get(&["--monero-restricted"])?;
    same("the error of a restricted node", &error["error"]["code"], &(-32601).into())
}

fn refusals() -> Result<()> {
    let sandbox = Sandbox::new()?;
    for (words, parts) in [
        (&["get_conections"][..], &["unknown call `get_conections`", "`get_connections`?"][..]),
        (&["listConections"], &["did you mean `listConnections`?", "Network.GetConnections();"]),
        (&["{\"method\":\"getConections\"}"], &["did you mean `getConnections`?"]),
        (&["frobnicate"], &["unknown call `frobnicate`", "send.getConnections"]),
        (&["get_connections", "-o", "csv"], &["--output", "JSON"]),
        (&["get_connections", "--monero-peers", "frob == 1"], &["--monero-peers", "`frob`"]),
        (&["help", "--ems-length-prefix"], &["--ems-length-prefix"]),
    ] {
        call(&sandbox, words)?.refused(parts)?;
    }
    Ok(())
}

//! The programs and libraries of Monero's users, pointed at the agent's port.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use serde_json::{Value, json};

use crate::fixture::{Folder, Talks, agent, client, python, same, shell};
use crate::node::{LISTENER, Node, Pair};
use crate::rows::rows;

/// Monero's page, as it is kept beside the dialect's golden tests.
const PAGE: &str =
    include_str!("../../../surfaces/dialects/tests/fixtures/monero/get_connections.md");
/// The port on that page.
const CLASSIC: u16 = 18_081;
const USER: &str = "monitor";
const PASSWORD: &str = "correct-horse";

pub(crate) fn curl_line() -> Result<()> {
    let namespace = Namespace::create("curl")?;
    let pair = Pair::start(&namespace)?;
    // Everything as it is by default, but for the one node: others may run elsewhere on this machine.
    let node = format!("pid == {}", pair.acceptor.pid());
    let _agent = speak(&namespace, &["--monero-node", &node])?;
    let line = PAGE.lines().find_map(|line| line.strip_prefix("$ ")).context("no line to type")?;
    ensure!(line.starts_with("curl ") && line.contains(&format!(":{CLASSIC}/")), "{line}");
    let answer = shell(&namespace, line)?;
    let envelope: Value = serde_json::from_str(&answer)?;
    same("id", &envelope["id"], &json!("0"))?;
    let ours = rows(answer.as_bytes())?;
    let theirs = rows(&pair.acceptor.answer(&namespace)?)?;
    same("rows", ours.len(), 1)?;
    for (address, row) in ours {
        let its = theirs.get(&address).with_context(|| format!("the node has no {address}"))?;
        for key in ["host", "ip", "port", "incoming", "state"] {
            same(key, &row[key], &its[key])?;
        }
        // This agent came late; the connection is at least as old as its last byte.
        ensure!(row["live_time"].as_u64() <= its["live_time"].as_u64().map(|s| s + 1), "{row}");
    }
    Ok(())
}

pub(crate) fn print_cn() -> Result<()> {
    let namespace = Namespace::create("print")?;
    let pair = Pair::start(&namespace)?;
    let node = format!("pid == {}", pair.acceptor.pid());
    let _agent = speak(&namespace, &["--monero-node", &node])?;
    compare_printed(&namespace, &pair.acceptor, &[])
}

pub(crate) fn print_cn_with_login() -> Result<()> {
    let namespace = Namespace::create("print-login")?;
    let pair = Pair::start(&namespace)?;
    let node = format!("pid == {}", pair.acceptor.pid());
    let login = login(&namespace)?;
    let _agent = speak(&namespace, &["--monero-node", &node, "--monero-login", &login])?;
    let right = format!("{USER}:{PASSWORD}");
    compare_printed(&namespace, &pair.acceptor, &["--rpc-login", &right])?;
    let wrong = printed(&namespace, CLASSIC, &["--rpc-login", &format!("{USER}:guess")])?;
    same("lines for a wrong password", wrong, Vec::new())
}

pub(crate) fn libraries() -> Result<()> {
    let namespace = Namespace::create("libraries")?;
    let (talks, _agent) = with_talks(&namespace, &[])?;
    let results = python(&namespace, "monero_rpc.py", &[&CLASSIC.to_string()])?;
    all_libraries_list(&results, &talks)
}

pub(crate) fn libraries_with_login() -> Result<()> {
    let namespace = Namespace::create("libraries-login")?;
    let login = login(&namespace)?;
    let (talks, _agent) = with_talks(&namespace, &["--monero-login", &login])?;
    let port = CLASSIC.to_string();
    let results = python(&namespace, "monero_rpc.py", &[&port, USER, "guess"])?;
    same("a wrong password", &results["monero"], &json!({"error": "Unauthorized"}))?;
    let results = python(&namespace, "monero_rpc.py", &[&port, USER, PASSWORD])?;
    all_libraries_list(&results, &talks)?;
    let results = python(&namespace, "monero_rpc.py", &[&port])?;
    same("no login", &results["monero"], &json!({"error": "Unauthorized"}))?;
    same("no login", &results["python-monerorpc"]["code"], &json!(-344))?;
    same("no login", &results["jsonrpcclient"], &json!({"error": 401}))?;

    let url = format!("http://127.0.0.1:{CLASSIC}/json_rpc");
    let body = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;
    let curl = |password: &str| {
        let user = format!("{USER}:{password}");
        let arguments = ["-sS", "--digest", "-u", &user, "-w", "\n%{http_code}", "-d", body, &url];
        client(&namespace, "curl", &arguments)
    };
    let answer = curl(PASSWORD)?;
    let (body, code) = answer.rsplit_once('\n').context("curl printed no code")?;
    same("status", code, "200")?;
    same("peers", rows(body.as_bytes())?.len(), talks.talks.len())?;
    ensure!(curl("guess")?.ends_with("\n401"), "a wrong password is let in");
    Ok(())
}

pub(crate) fn restricted() -> Result<()> {
    let namespace = Namespace::create("restricted")?;
    let (_talks, _agent) = with_talks(&namespace, &["--monero-restricted"])?;
    let results = python(&namespace, "monero_rpc.py", &[&CLASSIC.to_string()])?;
    same("monero", &results["monero"], &json!({"error": "MethodNotFound"}))?;
    same("python-monerorpc", &results["python-monerorpc"]["code"], &json!(-32601))?;
    let text = results["jsonrpcclient"]["error"].to_string();
    ensure!(text.contains("-32601") && text.contains("Method not found"), "{text}");
    Ok(())
}

fn speak(namespace: &Namespace, more: &[&str]) -> Result<Agent> {
    let port = format!("monero=127.0.0.1:{CLASSIC}");
    agent(namespace, &[&["--listen", &port], more].concat())
}

/// Connections of this process that are peers to an agent.
fn with_talks(namespace: &Namespace, more: &[&str]) -> Result<(Talks, Agent)> {
    let talks = Talks::open(namespace, LISTENER, 3)?;
    let peers = format!("netns == \"{}\" and local_port == {LISTENER}", namespace.name());
    let agent = speak(namespace, &[&["--monero-peers", &peers], more].concat())?;
    Ok((talks, agent))
}

/// Made as docs/config.md describes.
fn login(namespace: &Namespace) -> Result<String> {
    let sum = shell(namespace, &format!("printf %s '{USER}:monero-rpc:{PASSWORD}' | md5sum"))?;
    let digest = sum.split(' ').next().context("md5sum printed nothing")?;
    Ok(format!("{USER}:{digest}"))
}

fn all_libraries_list(results: &Value, talks: &Talks) -> Result<()> {
    let expected: BTreeMap<u64, Value> = talks
        .talks
        .iter()
        .map(|talk| {
            let port = talk.far.to_string();
            let address = format!("127.0.0.1:{port}");
            let row = json!([address, port, true, talk.up, talk.down, "normal"]);
            (u64::from(talk.far), row)
        })
        .collect();
    for library in ["monero", "python-monerorpc", "jsonrpcclient"] {
        let list = results[library]["result"]["connections"].as_array();
        let list = list.with_context(|| format!("{library} returned {}", results[library]))?;
        let shown: BTreeMap<u64, Value> = list
            .iter()
            .map(|row| {
                let keys = ["address", "port", "incoming", "recv_count", "send_count", "state"];
                let port = row["port"].as_str().and_then(|port| port.parse().ok());
                let shown: Vec<&Value> = keys.iter().map(|key| &row[*key]).collect();
                Ok((port.context("no port")?, json!(shown)))
            })
            .collect::<Result<_>>()?;
        same(library, &shown, &expected)?;
    }
    same("monero", &results["monero"]["unknown"], &json!("MethodNotFound"))?;
    same("python-monerorpc", &results["python-monerorpc"]["unknown"], &json!(-32601))?;
    same("times asked", &results["jsonrpcclient"]["asked"], &json!(3))
}

/// The lines of `print_cn`, of our port and the node's own.
fn compare_printed(namespace: &Namespace, node: &Node, more: &[&str]) -> Result<()> {
    let before = rows(&node.answer(namespace)?)?;
    let ours = printed(namespace, CLASSIC, more)?;
    let theirs = printed(namespace, node.rpc, &[])?;
    let after = rows(&node.answer(namespace)?)?;
    same("lines", ours.len(), theirs.len())?;
    same("lines", ours.len(), after.len())?;
    for line in &ours {
        let [way, address, family, ssl, peer, flags, moved, state, .., place] = line.as_slice()
        else {
            anyhow::bail!("a line of too few columns: {line:?}");
        };
        let shown = [way, address, family, ssl, state, place].map(String::as_str);
        let its = theirs.iter().find(|its| its.get(1) == Some(address));
        let its = its.with_context(|| format!("the node does not print {address}: {theirs:?}"))?;
        let its = [&its[0], &its[1], &its[2], &its[3], &its[7], &its[its.len() - 1]];
        same("columns", shown, its.map(String::as_str))?;
        same(
            "what only the wire reports",
            [peer, flags].map(String::as_str),
            ["0000000000000000", "0"],
        )?;
        // "338(5)/405(5)": bytes received and seconds since, bytes sent and seconds since.
        let counts: Vec<u64> =
            moved.split('/').filter_map(|part| part.split('(').next()?.parse().ok()).collect();
        for (count, key) in counts.iter().zip(["recv_count", "send_count"]) {
            let of = |rows: &BTreeMap<String, Value>| rows[address][key].as_u64();
            ensure!(
                of(&before) <= Some(*count) && Some(*count) <= of(&after),
                "{key} is {count}, not between {:?} and {:?}",
                of(&before),
                of(&after)
            );
        }
        same("counts", counts.len(), 2)?;
    }
    Ok(())
}

/// The columns of each connection that `monerod print_cn` prints.
fn printed(namespace: &Namespace, port: u16, more: &[&str]) -> Result<Vec<Vec<String>>> {
    let folder = Folder::create("print")?;
    let (log, data, port) =
        (folder.after("--log-file=") + "/log", folder.after("--data-dir="), port.to_string());
    let flags = ["--rpc-bind-port", &port, &log, &data, "--rpc-ssl", "disabled"];
    let results = client(namespace, "monerod", &[&flags[..], more, &["print_cn"]].concat())?;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Ok(results
        .lines()
        .filter(|l| l.starts_with("INC ") || l.starts_with("OUT "))
        .map(words)
        .collect())
}

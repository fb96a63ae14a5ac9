//! The field `pair`: equal at both ends of one connection, and of no other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns};

/// Opens the connections.
const SCRIPT: &str = include_str!("pairs.py");
/// Connections through NAT.
const TRANSLATED: usize = 200;

/// The script at work; its end of input ends it.
struct Script {
    child: Child,
    /// Ports of both ends, by kind of connection.
    ports: BTreeMap<String, (u64, u64)>,
}

impl Script {
    fn start(namespace: &Namespace, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let mut line = String::new();
        let output = child.stdout.take().context("no standard output")?;
        BufReader::new(output).read_line(&mut line).context("reading the script's output")?;
        let mut script = Self { child, ports: BTreeMap::new() };
        script.ports = serde_json::from_str(&line)
            .with_context(|| format!("the script {arguments:?} wrote {line:?}"))?;
        Ok(script)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// An agent with a key in a file, as a second one on another machine would have it.
fn start(home: &Namespace, key: &Path) -> Result<Agent> {
    let key = key.to_str().context("the path of the key is not UTF-8")?;
    Agent::start(conns()?.path(), Some(home), &["--listen", "http=127.0.0.1:0", "--pair-key", key])
}

/// A file with a key, removed at the end.
struct Key(PathBuf);

impl Key {
    fn write(namespace: &Namespace) -> Result<Self> {
        let file = std::env::temp_dir().join(format!("{}.key", namespace.name()));
        std::fs::write(&file, "00112233445566778899aabbccddeeff\n")
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(Self(file))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The rows of TCP sockets in a namespace, by an agent.
fn rows(agent: &Agent, home: &Namespace, of: &Namespace) -> Result<Vec<Value>> {
    let filter = format!("netns_inode=={}%20and%20proto==tcp", of.inode()?);
    let path = format!("/api/v1/connections?view=all&fields=all&limit=10000&filter={filter}");
    let answer = agent.get(Some(home), &path)?;
    ensure!(answer.status == 200, "the list answers {}", answer.status);
    let mut list: Value = serde_json::from_slice(&answer.body)?;
    Ok(std::mem::take(list["connections"].as_array_mut().context("no connections in the list")?))
}

/// The rows of the namespace itself, by a single list with the key of the file.
fn listed(namespace: &Namespace, key: &Path) -> Result<Vec<Value>> {
    let binary = conns()?;
    let script = format!(
        "CONNS_PAIR_KEY={} exec {} --source ebpf --netns self -a proto==tcp -o json",
        key.display(),
        binary.path().display()
    );
    let list: Value = serde_json::from_str(&namespace.output("sh", &["-c", &script])?)?;
    list["connections"].as_array().cloned().context("no connections in the list")
}

/// `pair` of an open connection, by local and remote port; null is `None`.
fn pairs(rows: &[Value]) -> HashMap<(u64, u64), Option<String>> {
    let pair = |row: &Value| {
        let ports = (row["local_port"].as_u64()?, row["remote_port"].as_u64()?);
        let is_open = row["state"] != "TIME-WAIT";
        is_open.then(|| (ports, row["pair"].as_str().map(str::to_owned)))
    };
    rows.iter().filter_map(pair).collect()
}

/// Both ends of each kind have the same `pair`, which no other kind has.
fn check(what: &str, script: &Script, rows: &[Value]) -> Result<HashMap<String, String>> {
    let found = pairs(rows);
    let mut by_kind = HashMap::new();
    for (kind, &(client, server)) in &script.ports {
        let at = |ports| found.get(&ports).cloned().flatten();
        let (one, other) = (at((client, server)), at((server, client)));
        ensure!(one.is_some() && one == other, "{what}, {kind}: {one:?} and {other:?}");
        by_kind.extend(one.map(|pair| (kind.clone(), pair)));
    }
    let different: HashSet<&String> = by_kind.values().collect();
    ensure!(
        different.len() == by_kind.len(),
        "{what}: different connections share one: {by_kind:?}"
    );
    for row in rows.iter().filter(|row| row["state"] == "TIME-WAIT") {
        ensure!(row["pair"].is_null(), "{what}: of TIME-WAIT nothing is known: {row}");
    }
    Ok(by_kind)
}

/// A namespace in which every kind of connection can be opened.
fn home() -> Result<Namespace> {
    let home = Namespace::create("pair")?;
    // Client and server, both without a cookie.
    home.set("net/ipv4/tcp_fastopen", "519")?;
    home.output("nft", &["add table inet pair"])?;
    home.output("nft", &["add chain inet pair out { type filter hook output priority 0; }"])?;
    // Without resets both ends can call connect.
    home.output("nft", &["add rule inet pair out tcp flags & rst == rst drop"])?;
    Ok(home)
}

/// Of every kind of connection, opened before an agent and after, by an agent and by a single list.
pub(crate) fn of_every_kind() -> Result<()> {
    let home = home()?;
    let key = Key::write(&home)?;
    let early = start(&home, key.path())?;
    let script = Script::start(&home, &["kinds", "large"])?;
    ensure!(script.ports.len() > 10, "the script opened only {:?}", script.ports);
    let late = start(&home, key.path())?;
    let mut answers = vec![check("a single list", &script, &listed(&home, key.path())?)?];
    for (what, agent) in [("an agent that saw them opened", &early), ("a later agent", &late)] {
        // Several within a second; the sample after it has all.
        let checked = wait_for(what, TIMEOUT, || {
            let rows = rows(agent, &home, &home)?;
            let has_all = pairs(&rows).len() >= 2 * script.ports.len();
            Ok(has_all.then(|| check(what, &script, &rows)))
        })?;
        answers.push(checked?);
    }
    ensure!(answers[0] == answers[1] && answers[1] == answers[2], "they differ: {answers:?}");
    Ok(())
}

/// A closed connection has it in the events of both ends.
pub(crate) fn of_closed() -> Result<()> {
    let home = home()?;
    let key = Key::write(&home)?;
    let agent = start(&home, key.path())?;
    let script = Script::start(&home, &["kinds", "small"])?;
    let ports = script.ports.clone();
    let open = wait_for("the connections", TIMEOUT, || {
        let found = pairs(&rows(&agent, &home, &home)?);
        Ok((found.len() >= 2 * ports.len()).then_some(found))
    })?;
    // What was not read resets its connection.
    home.output("nft", &["delete table inet pair"])?;
    drop(script);
    let closed = wait_for("their ends", TIMEOUT, || {
        let path = format!(
            "/api/v1/events?event=closed&fields=all&limit=10000&filter=netns_inode=={}",
            home.inode()?
        );
        let list: Value = serde_json::from_slice(&agent.get(Some(&home), &path)?.body)?;
        let found = pairs(list["events"].as_array().with_context(|| list.to_string())?);
        let is_there = |&(one, other): &(u64, u64)| found.contains_key(&(one, other));
        Ok(ports.values().all(is_there).then_some(found))
    })?;
    for (kind, &(client, server)) in &ports {
        for ports in [(client, server), (server, client)] {
            // Of a connection of MPTCP the subflow is closed, and of a reset one only one end may be.
            let Some(at_end) = closed.get(&ports) else { continue };
            ensure!(
                at_end.is_some() && open.get(&ports) == Some(at_end),
                "{kind}: {:?} while it was open, {at_end:?} at its end",
                open.get(&ports)
            );
        }
    }
    Ok(())
}

/// A client, a machine that translates both addresses of each connection and the port of the server, and a server.
pub(crate) fn through_nat() -> Result<()> {
    let (client, router, server) =
        (Namespace::create("client")?, Namespace::create("router")?, Namespace::create("server")?);
    for (end, name, subnet) in [(&client, "inside", "10.1.0"), (&server, "outside", "10.2.0")] {
        end.ip(&["link", "add", "eth0", "type", "veth", "peer", name, "netns", router.name()])?;
        end.ip(&["address", "add", &format!("{subnet}.2/24"), "dev", "eth0"])?;
        end.ip(&["link", "set", "eth0", "up"])?;
        router.ip(&["address", "add", &format!("{subnet}.1/24"), "dev", name])?;
        router.ip(&["link", "set", name, "up"])?;
    }
    router.set("net/ipv4/ip_forward", "1")?;
    for rule in [
        "add table ip nat",
        "add chain ip nat pre { type nat hook prerouting priority -100; }",
        "add chain ip nat post { type nat hook postrouting priority 100; }",
        "add rule ip nat pre tcp dport 8080 dnat to 10.2.0.2:9090",
        "add rule ip nat post oifname outside masquerade random",
    ] {
        router.output("nft", &[rule])?;
    }
    // As on two machines: one agent for each end, which have the key in common.
    let home = Namespace::create("home")?;
    let key = Key::write(&home)?;
    let (of_client, of_server) = (start(&home, key.path())?, start(&home, key.path())?);
    let _accepting = Script::start(&server, &["accept", "9090"])?;
    let count = TRANSLATED.to_string();
    let _connected = Script::start(&client, &["connect", "10.1.0.1", "8080", &count])?;
    let established = |agent: &Agent, end: &Namespace| -> Result<Vec<Value>> {
        wait_for("all connections", TIMEOUT, || {
            let mut found = rows(agent, &home, end)?;
            found.retain(|row| row["state"] == "ESTAB");
            Ok((found.len() == TRANSLATED).then_some(found))
        })
    };
    let (at_client, at_server) =
        (established(&of_client, &client)?, established(&of_server, &server)?);
    let ends = |row: &Value, keys: [&str; 4]| keys.map(|key| row[key].to_string());
    let of_rows = |rows: &[Value], keys| -> HashSet<[String; 4]> {
        rows.iter().map(|row| ends(row, keys)).collect()
    };
    let by_address =
        of_rows(&at_client, ["local_address", "local_port", "remote_address", "remote_port"]);
    let reversed =
        of_rows(&at_server, ["remote_address", "remote_port", "local_address", "local_port"]);
    let same = by_address.intersection(&reversed).count();
    ensure!(same == 0, "{same} connections have the same addresses at both ends");
    let found = |rows: &[Value]| -> HashSet<String> {
        rows.iter().filter_map(|row| row["pair"].as_str().map(str::to_owned)).collect()
    };
    let (one, other) = (found(&at_client), found(&at_server));
    let joined = one.intersection(&other).count();
    ensure!(joined == TRANSLATED, "{joined} of {TRANSLATED} have the same pair at both ends");
    // Under another key, which each process has by itself, none has.
    let alone = Agent::start(conns()?.path(), Some(&home), &["--listen", "http=127.0.0.1:0"])?;
    let without = found(&established(&alone, &server)?);
    ensure!(
        without.len() == TRANSLATED && without.is_disjoint(&one),
        "the key makes no difference"
    );
    Ok(())
}

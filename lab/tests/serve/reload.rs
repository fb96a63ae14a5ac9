//! SIGHUP: the file is read again, and what is wrong in it changes nothing.

use std::fs;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::{Peer, wait_for};
use rustix::process::Signal;
use serde_json::Value;

use crate::fixture::{Folder, HTTP, TIMEOUT, agent, gets, peer, token, wait_stderr};

/// Two nodes: one with one peer, one with two.
const NODES: [(u16, usize); 2] = [(9001, 1), (9002, 2)];

/// The configuration of an agent that speaks for one of the two nodes in `namespace`: it sees the whole machine, where
/// other tests use the same ports.
fn file(namespace: &Namespace, interval: &str, hash: &str, node: u16) -> Result<String> {
    let inode = namespace.inode()?;
    Ok(format!(
        "interval = \"{interval}\"\ntokens = [\"{hash}\"]\n\n[monero]\n\
         peers = \"netns_inode == {inode} and local_port in (9001, 9002) and state == established\"\n\
         node = \"netns_inode == {inode} and local_port == {node}\"\n"
    ))
}

struct Scene {
    namespace: Namespace,
    folder: Folder,
    agent: Agent,
    _peers: Vec<Peer>,
}

impl Scene {
    fn set(interval: &str, hash: &str, node: u16) -> Result<Self> {
        let namespace = Namespace::create("serve")?;
        let mut peers = Vec::new();
        for (port, count) in NODES {
            peers.push(peer(&namespace, &format!("listen --at 127.0.0.1:{port} --do ignore"))?);
            let connect = format!("connect --to 127.0.0.1:{port} --count {count} --do ignore");
            peers.push(peer(&namespace, &connect)?);
        }
        let folder = Folder::create()?;
        fs::write(folder.path("conns.toml"), file(&namespace, interval, hash, node)?)?;
        let file = folder.text("conns.toml");
        let agent = agent(&namespace, &["--config", &file, "--listen", HTTP])?;
        Ok(Self { namespace, folder, agent, _peers: peers })
    }

    /// The text of the configuration with these values.
    fn file(&self, interval: &str, hash: &str, node: u16) -> Result<String> {
        file(&self.namespace, interval, hash, node)
    }

    /// Rewrites the file, sends SIGHUP, and waits for the message.
    fn reload(&self, text: &str, expected: &str) -> Result<String> {
        fs::write(self.folder.path("conns.toml"), text)?;
        self.agent.signal(Signal::HUP)?;
        wait_stderr(&self.agent, expected)
    }

    fn ask(&self, expected: u16, token: &str, path: &str, more: &[&str]) -> Result<String> {
        let url = format!("{}{path}", self.agent.place("http")?);
        let bearer = format!("Authorization: Bearer {token}");
        let mut all = vec!["-H", &bearer, &url];
        all.extend_from_slice(more);
        gets(&self.namespace, expected, &all)
    }

    /// Peers in the Monero dialect.
    fn peers(&self, token: &str) -> Result<usize> {
        let call = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;
        let answer = self.ask(200, token, "/monero/json_rpc", &["-d", call])?;
        let answer: Value = serde_json::from_str(&answer)?;
        // Without peers the list is absent.
        Ok(answer["result"]["connections"].as_array().map_or(0, Vec::len))
    }

    fn interval_us(&self, token: &str) -> Result<u64> {
        let health: Value = serde_json::from_str(&self.ask(200, token, "/health", &[])?)?;
        health["interval_us"].as_u64().with_context(|| format!("no interval in {health}"))
    }

    fn wait_peers(&self, token: &str, expected: usize) -> Result<()> {
        wait_for(&format!("{expected} peers of the node"), TIMEOUT, || {
            Ok((self.peers(token)? == expected).then_some(()))
        })
    }
}

/// Token, interval and node change.
pub(crate) fn changes() -> Result<()> {
    let ((old, old_hash), (new, new_hash)) = (token()?, token()?);
    let scene = Scene::set("1s", &old_hash, NODES[0].0)?;
    scene.ask(401, "wrong", "/health", &[])?;
    scene.ask(401, &new, "/health", &[])?;
    ensure!(scene.interval_us(&old)? == 1_000_000, "the file's interval is not in force");
    scene.wait_peers(&old, NODES[0].1)?;

    scene.reload(&scene.file("250ms", &new_hash, NODES[1].0)?, "configuration reloaded")?;
    scene.ask(401, &old, "/health", &[])?;
    wait_for("the new interval", TIMEOUT, || {
        Ok((scene.interval_us(&new)? == 250_000).then_some(()))
    })?;
    scene.wait_peers(&new, NODES[1].1)
}

/// A file that cannot be read or parsed is reported with the position, and the old configuration stays.
pub(crate) fn broken() -> Result<()> {
    let (token, hash) = token()?;
    let scene = Scene::set("500ms", &hash, NODES[0].0)?;
    let stays = "configuration not reloaded";
    for (text, expected) in [
        ("interval = \n".to_owned(), "conns.toml:1"),
        (scene.file("1y", &hash, 1)?, "conns.toml:1"),
        (scene.file("1s", "no hash", 1)?, "conns.toml:2"),
        (scene.file("1s", &hash, 1)?.replace("node", "nod"), "did you mean `monero.node`"),
        (scene.file("1s", &hash, 1)?.replace("local_port ==", "local_prt =="), "local_prt"),
    ] {
        let before = scene.agent.stderr_lines().len();
        fs::write(scene.folder.path("conns.toml"), &text)?;
        scene.agent.signal(Signal::HUP)?;
        let stderr = wait_for("a message about the broken file", TIMEOUT, || {
            let stderr = scene.agent.stderr_lines().split_off(before).join("\n");
            Ok(stderr.contains(expected).then_some(stderr))
        })
        .with_context(|| {
            format!("{expected:?} after {text:?}; stderr: {:?}", scene.agent.stderr_lines())
        })?;
        ensure!(
            stderr.contains(stays),
            "it does not report that the configuration stays: {stderr}"
        );
        ensure!(scene.interval_us(&token)? == 500_000, "{text:?} changed the interval");
        ensure!(scene.peers(&token)? == NODES[0].1, "{text:?} changed the node");
    }
    fs::remove_file(scene.folder.path("conns.toml"))?;
    let before = scene.agent.stderr_lines().len();
    scene.agent.signal(Signal::HUP)?;
    wait_for("a message about the missing file", TIMEOUT, || {
        Ok(scene
            .agent
            .stderr_lines()
            .split_off(before)
            .iter()
            .any(|line| line.contains(stays))
            .then_some(()))
    })?;
    ensure!(scene.interval_us(&token)? == 500_000, "a missing file changed the interval");
    scene.reload(&scene.file("300ms", &hash, NODES[1].0)?, "configuration reloaded")?;
    scene.wait_peers(&token, NODES[1].1)
}

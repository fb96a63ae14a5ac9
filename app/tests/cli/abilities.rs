//! `conns abilities`, local and of a remote agent; and events of a remote agent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::Case;
use crate::follower::Follower;
use crate::program::{Ran, SOON, conns, run};
use crate::sandbox::Sandbox;
use crate::scene::{each, same};

pub(crate) const TESTS: &[Case] = &[
    Case("abilities_are_listed_with_meaning_and_reason", &[], local),
    Case("abilities_are_the_same_in_a_table", &[], table),
    Case("a_remote_agent_reports_its_abilities_and_events", &[], of_an_agent),
];

fn listed(ran: &Ran) -> Result<Vec<Value>> {
    let json = ran.code(0)?.json()?;
    json["abilities"].as_array().cloned().context("no list of abilities")
}

fn check(abilities: &[Value]) -> Result<()> {
    for name in ["kernel-tables", "owners", "ebpf-events"] {
        let found = abilities.iter().filter(|ability| ability["name"] == name).count();
        same(name, found, 1)?;
    }
    each(abilities, |ability| {
        let text = |key: &str| ability[key].as_str().unwrap_or_default().to_owned();
        ensure!(!text("name").is_empty() && !text("meaning").is_empty(), "{ability}");
        ensure!(ability["missing"].is_null() || text("missing").len() > 10, "{ability}");
        same("the number of keys", ability.as_object().map(serde_json::Map::len), Some(3))
    })
}

fn local() -> Result<()> {
    let ran = run(&["abilities", "-o", "json"])?;
    check(&listed(&ran)?)
}

fn table() -> Result<()> {
    let abilities = listed(&run(&["abilities", "-o", "json"])?)?;
    let ran = run(&["abilities"])?;
    let mut lines = ran.code(0)?.text()?.lines();
    let header: Vec<&str> = lines.next().context("no header")?.split_whitespace().collect();
    same("the titles", header, vec!["ABILITY", "AVAILABLE", "GIVES", "WHY", "NOT"])?;
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    same("the number of rows", rows.len(), abilities.len())?;
    for (row, ability) in rows.iter().zip(&abilities) {
        let there = if ability["missing"].is_null() { "yes" } else { "no" };
        same("a row", (row[0], row[1]), (ability["name"].as_str().unwrap_or_default(), there))?;
    }
    Ok(())
}

/// An agent in a sandbox; ended when dropped.
pub(crate) struct Agent {
    child: Child,
    /// Where it listens, by the protocol.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Agent {
    pub(crate) fn start(sandbox: &Sandbox, protocols: &[&str]) -> Result<Self> {
        let mut command = conns(["serve", "--interval", "0.5s"]);
        for protocol in protocols {
            command.args(["--listen", &format!("{protocol}=127.0.0.1:0")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = sandbox.spawn(&mut command)?;
        let stderr = child.stderr.take().context("its standard error is no pipe")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let until = Instant::now() + SOON;
        let mut ports = BTreeMap::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).context("the agent does not become ready")?;
            let place = line.strip_prefix("conns: ").and_then(|line| line.split_once(" on "));
            if let Some((protocol, place)) = place
                && let Some((_, port)) = place.trim_end_matches('/').rsplit_once(':')
                && let Ok(port) = port.parse()
            {
                ports.insert(protocol.to_owned(), port);
            }
            if line == "conns: ready" {
                same("the ports", ports.len(), protocols.len())?;
                return Ok(Self { child, ports });
            }
        }
    }

    /// `conns` with these words, about this agent.
    fn conns(&self, words: &[&str]) -> Command {
        let mut command = conns(words);
        let port = self.ports.get("http").copied().unwrap_or_default();
        command.args(["--agent", &format!("http://127.0.0.1:{port}")]);
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of_an_agent() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let agent = Agent::start(&sandbox, &["http"])?;
    check(&listed(&sandbox.finish(&mut agent.conns(&["abilities", "-o", "json"]))?)?)?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    // The agent sees the whole machine, where other tests have the same ports in their own namespaces.
    let filter = format!("netns_inode == {} and port == {}", sandbox.inode()?, at.port());
    let follower = Follower::start(&sandbox, agent.conns(&["events", "-o", "jsonl", &filter]))?;
    let until = Instant::now() + SOON;
    let closed = loop {
        // The first event shows that it follows.
        let pair = sandbox.connect(at, &listener)?;
        let port = pair.0.local_addr()?.port();
        sleep(Duration::from_secs(2));
        drop(pair);
        let is_it = |record: &Value| record["event"] == "closed" && record["local_port"] == port;
        if let Some(closed) = follower.record(Duration::from_secs(5), is_it)? {
            break closed;
        }
        ensure!(Instant::now() < until, "no event within {SOON:?}");
    };
    ensure!(closed["serial"].as_u64() > Some(0), "{closed}");
    follower.signal(Signal::INT)?;
    follower.end()?.good()?;
    // What it keeps is answered at once, with that one in it.
    let ran = sandbox.finish(&mut agent.conns(&["--closed", "-o", "json", &filter]))?;
    ensure!(matches!(ran.code, Some(0 | 3)), "{:?}: {}", ran.code, ran.err);
    let json = ran.json()?;
    let mut kept = json["connections"].as_array().into_iter().flatten();
    ensure!(kept.any(|record| record["cookie"] == closed["cookie"]), "{closed} is not in {json}");
    Ok(())
}

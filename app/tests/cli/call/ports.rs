//! `conns call` against the ports of an agent: both answer a request with the same bytes, except for
//! times and ids.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::program::{SOON, conns};
use crate::sandbox::Sandbox;
use crate::scene::{Scene, same};

/// The protocols of the agent under test.
const PROTOCOLS: [&str; 5] = ["http", "1e", "monero", "ems-http", "jetstream"];

/// Values that differ between two samples or two instances.
const VOLATILE: [&str; 7] = [
    "connection_id",
    "live_time",
    "recv_idle_time",
    "send_idle_time",
    "id",
    "creationTimestamp",
    "queryTimestamp",
];

/// An agent with a port for each protocol; killed when dropped.
struct Agent {
    child: Child,
    ports: HashMap<String, SocketAddr>,
}

impl Agent {
    fn start(sandbox: &Sandbox, flags: &[String]) -> Result<Self> {
        let mut command = conns(["serve", "--interval", "0.5s"]);
        for protocol in PROTOCOLS {
            command.args(["--listen", &format!("{protocol}=127.0.0.1:0")]);
        }
        command.args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut agent = Self { child: sandbox.spawn(&mut command)?, ports: HashMap::new() };
        let messages = agent.child.stderr.take().context("its standard error is no pipe")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(messages).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).context("the agent does not become ready")?;
            if line == "conns: ready" {
                return Ok(agent);
            }
            let Some((protocol, place)) =
                line.strip_prefix("conns: ").and_then(|line| line.split_once(" on "))
            else {
                continue;
            };
            let place = place.trim_start_matches("http://").trim_end_matches('/');
            if let Ok(address) = place.parse() {
                agent.ports.insert(protocol.to_owned(), address);
            }
        }
    }

    fn port(&self, protocol: &str) -> Result<SocketAddr> {
        self.ports.get(protocol).copied().with_context(|| format!("no port of {protocol}"))
    }

    fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.port("http")?))
    }

    /// The body of the response to a request.
    fn http(&self, sandbox: &Sandbox, protocol: &str, start: &str, body: &str) -> Result<Vec<u8>> {
        let address = self.port(protocol)?;
        let mut stream = sandbox.inside(|| Ok(TcpStream::connect(address)?))?;
        stream.set_read_timeout(Some(SOON))?;
        write!(
            stream,
            "{start} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response)?;
        let head = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let head = head.with_context(|| format!("no response to {start}"))?;
        Ok(response.split_off(head + 4))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer with `?` in place of volatile values.
fn masked(answer: &[u8]) -> Result<String> {
    let mut text = String::from_utf8(answer.to_vec())?;
    for key in VOLATILE {
        let key = format!("\"{key}\":");
        let mut masked = String::new();
        let mut rest = &*text;
        while let Some((before, after)) = rest.split_once(&key) {
            masked.push_str(before);
            masked.push_str(&key);
            masked.push('?');
            let end = after.find([',', '}', '\r']).unwrap_or(after.len());
            rest = after.get(end..).unwrap_or_default();
        }
        masked.push_str(rest);
        text = masked;
    }
    Ok(text)
}

/// One call, here and over the agent, compared with the answer of a port.
fn compare(sandbox: &Sandbox, agent: &Agent, words: &[String], port: &[u8]) -> Result<()> {
    ensure!(!port.is_empty(), "{words:?}: the port sends nothing");
    let expected = masked(port)?;
    for place in [vec![], vec!["--agent".to_owned(), agent.url()?]] {
        let mut command = conns(["call"]);
        command.args(words).args(&place);
        let ran = sandbox.finish(&mut command)?;
        ran.good()?;
        let answer = masked(&ran.out)?;
        // A line end is added where the port sends none.
        let answer =
            if expected.ends_with('\n') { &*answer } else { answer.trim_end_matches('\n') };
        same(&ran.shown, answer, &*expected)?;
    }
    Ok(())
}

pub(super) fn equal() -> Result<()> {
    let scene = Scene::new()?;
    let sandbox = &scene.sandbox;
    let (port, netns) = (scene.listener.local_addr()?.port(), sandbox.inode()?);
    let filter = format!("local_port == {port} and netns_inode == {netns}");
    let flags = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|name| [(*name).to_owned(), filter.clone()]).collect()
    };
    let agent = Agent::start(sandbox, &flags(&["--monero-peers", "--ems-streams"]))?;
    let call = |text: &str, names: &[&str]| [vec![text.to_owned()], flags(names)].concat();

    let request = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;
    let sent = agent.http(sandbox, "monero", "POST /json_rpc", request)?;
    let text = std::str::from_utf8(&sent)?;
    ensure!(text.contains("\"recv_count\": 400,\r\n"), "no peer in {text}");
    compare(sandbox, &agent, &call("get_connections", &["--monero-peers"]), &sent)?;
    compare(sandbox, &agent, &call(request, &["--monero-peers"]), &sent)?;
    compare(
        sandbox,
        &agent,
        &call("get_connections", &["--monero-peers", "--monero-node"]),
        &sent,
    )?;

    for (line, target) in [
        (
            "listConnections excludeNonNetworkProtocols=0",
            "/listConnections?params=ZXhjbHVkZU5vbk5ldHdvcmtQcm90b2NvbHM9MA==",
        ),
        ("getConnectionsCount", "/getConnectionsCount"),
        ("getConnectionInfo id=5", "/getConnectionInfo?params=aWQ9NQ=="),
        ("help", "/help"),
    ] {
        let sent = agent.http(sandbox, "ems-http", &format!("GET {target}"), "")?;
        compare(sandbox, &agent, &call(line, &["--ems-streams"]), &sent)?;
    }

    for (text, request) in [
        ("send.getConnections", r#"{"jsonrpc":"2.0","method":"send.getConnections","id":1}"#),
        (
            r#"send.getConnection "connectionId":"a""#,
            r#"{"jsonrpc":"2.0","method":"send.getConnection","params":["a"],"id":1}"#,
        ),
    ] {
        let sent = agent.http(sandbox, "jetstream", "POST /", request)?;
        compare(sandbox, &agent, &call(text, &[]), &sent)?;
        compare(sandbox, &agent, &call(request, &[]), &sent)?;
    }
    one_e(&scene, &agent)
}

/// The agent sees all namespaces, so that only the rows of this test are compared.
fn one_e(scene: &Scene, agent: &Agent) -> Result<()> {
    let sandbox = &scene.sandbox;
    for method in ["Network.GetConnections();", "Network.GetListeningEndpoints();"] {
        let sent: serde_json::Value =
            serde_json::from_slice(&agent.http(sandbox, "1e", "POST /", method)?)?;
        let mut command = conns(["call", method]);
        command.args(["--agent", &agent.url()?]).args(sandbox.netns()?);
        let called = sandbox.finish(&mut command)?.good()?.json()?;
        let mine = |table: &serde_json::Value| -> Vec<serde_json::Value> {
            let rows = table.as_array().into_iter().flatten();
            let mut mine: Vec<_> =
                rows.filter(|row| super::is_mine(sandbox, row)).cloned().collect();
            mine.sort_by_key(ToString::to_string);
            mine
        };
        ensure!(!mine(&sent).is_empty(), "{method}: no row of this test");
        same(method, mine(&called), mine(&sent))?;
    }
    Ok(())
}

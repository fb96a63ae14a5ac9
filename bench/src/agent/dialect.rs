//! The table of requests. Each lists all open sockets, where the dialect has such a list.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use conns_lab::agent::HttpAnswer;

use super::served::PORT;

/// For an answer of tens of megabytes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One request over HTTP.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// As shown in the result, and its file at nginx.
    pub(crate) name: &'static str,
    /// Path at the agent.
    pub(crate) path: &'static str,
    /// What is posted; a GET without it.
    pub(crate) body: Option<&'static str>,
    /// What its answer has once for each connection it lists.
    row: Option<&'static str>,
    /// The most rows; `None` is all.
    max: Option<u32>,
}

/// All of them.
pub(crate) static DIALECTS: [Dialect; 5] = [
    Dialect {
        name: "monero",
        path: "/monero/json_rpc",
        body: Some(r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#),
        row: Some("\"connection_id\""),
        max: None,
    },
    Dialect {
        name: "ems",
        path: "/ems/listConnections",
        body: None,
        row: Some("\"carrier\""),
        max: None,
    },
    Dialect {
        name: "1e",
        path: "/1e",
        body: Some("Network.GetConnections();"),
        row: Some("\"RemoteAddress\""),
        max: None,
    },
    Dialect {
        name: "jetstream",
        path: "/jetstream",
        body: Some(r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#),
        row: None,
        max: None,
    },
    Dialect {
        name: "native",
        path: "/api/v1/connections?limit=1000",
        body: None,
        row: Some("\"id\":\""),
        max: Some(1000),
    },
];

/// Lists of all sockets, and the longest list of the native API.
pub(crate) static LONG_LISTS: [Dialect; 4] = [
    Dialect {
        name: "native",
        path: "/api/v1/connections?view=all&limit=10000",
        body: None,
        row: Some("\"id\":\""),
        max: Some(10_000),
    },
    Dialect { name: "snapshot", path: "/api/v1/snapshot", body: None, row: None, max: None },
    Dialect {
        name: "monero",
        path: "/monero/json_rpc",
        body: Some(r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#),
        row: Some("\"connection_id\""),
        max: None,
    },
    Dialect {
        name: "1e",
        path: "/1e",
        body: Some("Network.GetConnections();"),
        row: Some("\"RemoteAddress\""),
        max: None,
    },
];

/// The agent's state.
pub(crate) static HEALTH: Dialect =
    Dialect { name: "health", path: "/health", body: None, row: None, max: None };

impl Dialect {
    /// A request whose answer lists no connections.
    pub(crate) const fn post(name: &'static str, path: &'static str, body: &'static str) -> Self {
        Self { name, path, body: Some(body), row: None, max: None }
    }

    /// The answer as it is now.
    pub(crate) fn fetch(&'static self, netns: &str) -> anyhow::Result<Vec<u8>> {
        let netns = netns.to_owned();
        // A namespace belongs to a thread; this one ends with it.
        let asking = std::thread::spawn(move || {
            crate::inside::enter(&netns)?;
            self.ask()
        });
        asking
            .join()
            .map_err(|_| anyhow::anyhow!("the thread that asks panicked: see above"))?
            .with_context(|| format!("cannot ask the agent in the dialect {}", self.name))
    }

    /// Asks from the namespace of the calling thread.
    pub(crate) fn ask(&self) -> anyhow::Result<Vec<u8>> {
        let HttpAnswer { status, head, body } = self.answer()?;
        ensure!(status == 200, "it answered {head}");
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        ensure!(
            length.is_none_or(|length| length.parse() == Ok(body.len())),
            "{} bytes came with the head {head}",
            body.len()
        );
        Ok(body)
    }

    /// The answer of whatever status, from the namespace of the calling thread.
    pub(crate) fn answer(&self) -> anyhow::Result<HttpAnswer> {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let body = self.body.unwrap_or_default();
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let path = self.path;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        HttpAnswer::read(&mut stream)
    }

    /// Fails unless it lists what is open: a fast answer that is too short is none.
    pub(crate) fn check(&self, body: &[u8], sockets: u32) -> anyhow::Result<()> {
        let Some(row) = self.row else { return Ok(()) };
        let rows = body.windows(row.len()).filter(|window| *window == row.as_bytes()).count();
        let expected = self.max.unwrap_or(sockets).min(sockets) as usize;
        ensure!(
            rows >= expected,
            "the answer in the dialect {} lists {rows} connections where {expected} are open: {}",
            self.name,
            String::from_utf8_lossy(&body[..body.len().min(600)])
        );
        Ok(())
    }
}

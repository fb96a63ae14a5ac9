//! The table of requests. Each lists all open sockets, where the dialect has such a list.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::served::PORT;

/// For an answer of ten megabytes to come.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Most rows; `None` is all.
    most: Option<u32>,
}

/// All of them.
pub(crate) static DIALECTS: [Dialect; 5] = [
    Dialect {
        name: "monero",
        path: "/monero/json_rpc",
        body: Some(r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#),
        row: Some("\"connection_id\""),
        most: None,
    },
    Dialect {
        name: "ems",
        path: "/ems/listConnections",
        body: None,
        row: Some("\"carrier\""),
        most: None,
    },
    Dialect {
        name: "1e",
        path: "/1e",
        body: Some("Network.GetConnections();"),
        row: Some("\"RemoteAddress\""),
        most: None,
    },
    Dialect {
        name: "jetstream",
        path: "/jetstream",
        body: Some(r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#),
        row: None,
        most: None,
    },
    Dialect {
        name: "native",
        path: "/api/v1/connections?limit=1000",
        body: None,
        row: Some("\"id\":\""),
        most: Some(1000),
    },
];

/// The agent's state.
pub(crate) static HEALTH: Dialect =
    Dialect { name: "health", path: "/health", body: None, row: None, most: None };

impl Dialect {
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

    fn ask(&self) -> anyhow::Result<Vec<u8>> {
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
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end =
            answer.windows(4).position(|four| four == b"\r\n\r\n").context("no end of headers")?;
        let body = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        ensure!(head.starts_with("http/1.1 200 "), "it answered {head}");
        let length = format!("content-length: {}\r\n", body.len());
        ensure!(head.contains(&length), "{} bytes came with the head {head}", body.len());
        Ok(body)
    }

    /// Fails unless it lists what is open: a fast answer that is too short is none.
    pub(crate) fn check(&self, body: &[u8], sockets: u32) -> anyhow::Result<()> {
        let Some(row) = self.row else { return Ok(()) };
        let rows = body.windows(row.len()).filter(|window| *window == row.as_bytes()).count();
        let expected = self.most.unwrap_or(sockets).min(sockets) as usize;
        ensure!(
            rows >= expected,
            "the answer in the dialect {} lists {rows} connections where {expected} are open: {}",
            self.name,
            String::from_utf8_lossy(&body[..body.len().min(600)])
        );
        Ok(())
    }
}

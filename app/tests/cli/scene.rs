//! The sockets of most tests, with known numbers.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// Bytes the client has sent.
pub(crate) const SENT: u64 = 1000;
/// Bytes of them the server has read.
pub(crate) const READ: u64 = 400;

/// A listener, a connection over it with bytes on it, an unconnected and a connected UDP socket.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    pub(crate) listener: TcpListener,
    pub(crate) client: TcpStream,
    /// The end the listener accepted; it has to stay open.
    _server: TcpStream,
    pub(crate) udp: UdpSocket,
    pub(crate) udp_connected: UdpSocket,
}

impl Scene {
    pub(crate) fn new() -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let listener = sandbox.listen("127.0.0.1:0")?;
        let (mut client, mut server) = sandbox.connect(listener.local_addr()?, &listener)?;
        client.write_all(&vec![b'x'; SENT as usize])?;
        server.read_exact(&mut vec![0; READ as usize])?;
        let udp = sandbox.udp("127.0.0.1:0")?;
        let udp_connected = sandbox.udp("127.0.0.1:0")?;
        udp_connected.connect(udp.local_addr()?)?;
        sandbox.settle()?;
        Ok(Self { sandbox, listener, client, _server: server, udp, udp_connected })
    }

    /// The five sockets as protocol, state, local and remote end.
    pub(crate) fn sockets(&self) -> Result<BTreeSet<Ends>> {
        let listener = self.listener.local_addr()?;
        let client = self.client.local_addr()?;
        let (udp, connected) = (self.udp.local_addr()?, self.udp_connected.local_addr()?);
        Ok(BTreeSet::from([
            ends("tcp", "LISTEN", listener, None),
            ends("tcp", "ESTAB", client, Some(listener)),
            ends("tcp", "ESTAB", listener, Some(client)),
            ends("udp", "UNCONN", udp, None),
            ends("udp", "ESTAB", connected, Some(udp)),
        ]))
    }

    /// The record of the end at `local` with a remote end.
    pub(crate) fn record(&self, records: &[Value], local: SocketAddr) -> Result<Value> {
        let mut fitting = records
            .iter()
            .filter(|r| r["local_port"] == local.port() && r.get("remote_port").is_some());
        let record =
            fitting.next().with_context(|| format!("no record of {local} in {records:?}"))?;
        ensure!(fitting.next().is_none(), "two records of {local}");
        Ok(record.clone())
    }
}

/// Protocol, state, local and remote end, which name a socket.
pub(crate) type Ends = (String, String, String, String);

pub(crate) fn ends(
    proto: &str,
    state: &str,
    local: SocketAddr,
    remote: Option<SocketAddr>,
) -> Ends {
    let text = |end: SocketAddr| format!("{} {}", end.ip(), end.port());
    (proto.to_owned(), state.to_owned(), text(local), remote.map(text).unwrap_or_default())
}

/// The same of a record; an absent remote end is empty.
pub(crate) fn ends_of(record: &Value) -> Ends {
    let text = |key: &str| record[key].as_str().unwrap_or("?").to_owned();
    let remote = match record.get("remote_addr") {
        None => String::new(),
        Some(_) => format!("{} {}", text("remote_addr"), record["remote_port"]),
    };
    (
        text("proto"),
        text("state"),
        format!("{} {}", text("local_addr"), record["local_port"]),
        remote,
    )
}

/// The same of every record; fails where two are the same.
pub(crate) fn all_ends(records: &[Value]) -> Result<BTreeSet<Ends>> {
    let all: BTreeSet<_> = records.iter().map(ends_of).collect();
    ensure!(all.len() == records.len(), "a socket is listed twice in {records:?}");
    Ok(all)
}

/// Checks every case and fails with all that fail, not with the first alone.
pub(crate) fn each<T>(
    cases: impl IntoIterator<Item = T>,
    check: impl Fn(T) -> Result<()>,
) -> Result<()> {
    let failures: Vec<_> = cases
        .into_iter()
        .filter_map(|case| check(case).err())
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Fails unless both are equal, and shows the difference.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<()> {
    ensure!(seen == expected, "{what}: {seen:?} instead of {expected:?}");
    Ok(())
}

//! The list against `ss` and `/proc`, from each source that this kernel offers; and a verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::oracle::{owners, ss};
use conns_lab::process::{Peer, wait_for};
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns, peer};

/// Protocol and both addresses; port 0 where there is no remote end.
type Key = (String, SocketAddr, SocketAddr);

/// What is compared of a socket.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    state: String,
    inode: u64,
    cookie: u64,
    pids: BTreeSet<u32>,
}

/// TCP and UDP of both families and of mapped addresses, in two namespaces.
pub(crate) fn as_ss() -> Result<()> {
    let namespaces = [Namespace::create("a")?, Namespace::create("b")?];
    let mut peers: Vec<Peer> = Vec::new();
    for namespace in &namespaces {
        for arguments in [
            "listen --at 127.0.0.1:7060 --do ignore",
            "listen --at [::]:7061 --do ignore",
            "connect --to 127.0.0.1:7060 --count 3 --do ignore",
            "connect --to 127.0.0.1:7061 --count 2 --do ignore",
            "connect --to [::1]:7061 --count 2 --do ignore",
            "udp --at 127.0.0.1:7062",
            "udp --at 127.0.0.1:7063 --to 127.0.0.1:7062",
            "udp --at [::1]:7064",
            "udp --at [::1]:7065 --to [::1]:7064",
            "share --to 127.0.0.1:7060 --inherit 1 --pass 1",
        ] {
            peers.push(peer(namespace, arguments)?);
        }
    }
    let conns = conns()?;
    let has_programs = conns.missing("ebpf-watch")?.is_none();
    let sources = if has_programs { &["kernel", "ebpf", "auto"][..] } else { &["kernel", "auto"] };
    for namespace in &namespaces {
        // Two listeners, two ends of eight connections, four UDP sockets; once all are accepted, each has an inode.
        let expected = wait_for("all connections to be accepted", TIMEOUT, || {
            let rows = of_ss(namespace)?;
            Ok((rows.len() == 22 && rows.values().all(|row| row.inode != 0)).then_some(rows))
        })
        .with_context(|| format!("{:#?}", of_ss(namespace)))?;
        for source in sources {
            let arguments = ["-a", "--source", source, "--netns", namespace.name()];
            let shown = of_conns(&conns.records(&arguments)?)?;
            ensure!(shown == expected, "by {source}: {shown:#?} instead of {expected:#?}");
        }
    }
    Ok(())
}

/// What `ss` shows, with the owners of `/proc`.
fn of_ss(namespace: &Namespace) -> Result<BTreeMap<Key, Row>> {
    let owners = owners();
    let mut found = BTreeMap::new();
    for (proto, letters) in [("tcp", "tae"), ("udp", "uae")] {
        for row in ss(namespace, letters)? {
            let cookie = row.cookie().with_context(|| format!("ss shows no cookie: {row:?}"))?;
            let pids = owners.get(&row.inode()).cloned().unwrap_or_default();
            let key = (proto.to_owned(), row.local, end_of(row.remote));
            let inode = row.inode();
            found.insert(key, Row { state: row.state, inode, cookie, pids });
        }
    }
    Ok(found)
}

fn of_conns(rows: &[Value]) -> Result<BTreeMap<Key, Row>> {
    let mut found = BTreeMap::new();
    for row in rows {
        let number = |key: &str| row[key].as_u64().with_context(|| format!("no {key} in {row}"));
        let text = |key: &str| row[key].as_str().with_context(|| format!("no {key} in {row}"));
        let end = |host: &str, port: &str| -> Result<SocketAddr> {
            let host = row[host].as_str().unwrap_or("::").parse()?;
            Ok(SocketAddr::new(host, u16::try_from(row[port].as_u64().unwrap_or(0))?))
        };
        let owners = row["owners"].as_array().into_iter().flatten();
        let pids = owners.filter_map(|owner| u32::try_from(owner["pid"].as_u64()?).ok()).collect();
        let remote = end_of(end("remote_addr", "remote_port")?);
        let key = (text("proto")?.to_owned(), end("local_addr", "local_port")?, remote);
        let state = text("state")?.to_owned();
        let value = Row { state, inode: number("inode")?, cookie: number("cookie")?, pids };
        let before = found.insert(key, value);
        ensure!(before.is_none(), "shown twice, once as {row}");
    }
    Ok(found)
}

/// No remote end is written in several ways: absent, `*`, `0.0.0.0`.
fn end_of(remote: SocketAddr) -> SocketAddr {
    if remote.port() == 0 { SocketAddr::from(([0; 4], 0)) } else { remote }
}

/// A receiver that does not read is named, by either side.
pub(crate) fn why() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let _listener = peer(&namespace, "listen --at 127.0.0.1:7066 --do ignore")?;
    let _sender = peer(&namespace, "connect --to 127.0.0.1:7066 --do flood")?;
    let arguments = ["--for", "3s", "--netns", namespace.name(), "remote_port == 7066"];
    let verdict = wait_for("a verdict", TIMEOUT, || {
        let verdicts = conns()?.verdicts(&arguments)?;
        ensure!(verdicts.len() == 1, "{} verdicts: {verdicts:?}", verdicts.len());
        Ok((verdicts[0]["verdict"] == "slow-reader-remote").then_some(()))
    });
    verdict.with_context(|| format!("{:?}", conns().and_then(|conns| conns.verdicts(&arguments))))
}

//! Direction: the side that opened the connection is outbound, the side that accepted inbound.

use std::time::Duration;

use anyhow::Result;
use conns_lab::netns::Namespace;

use crate::fixture::{TIMEOUT, path_of, peer, port_of, record, shows};

fn check(opener: &Namespace, acceptor: &Namespace, at: &str, listen_more: &str) -> Result<()> {
    let mut server = peer(acceptor, &format!("listen --at {at} --do answer:10:10 {listen_more}"))?;
    let remote = at.parse::<std::net::SocketAddr>()?.port();
    for work in ["ignore", "ask:10:10:10"] {
        let client = peer(opener, &format!("connect --to {at} --do {work}"))?;
        if listen_more.contains("accept") {
            server.wait("listener-closed", TIMEOUT)?;
        }
        let port = port_of(&client)?;
        shows(&record(opener, port, remote)?, "direction", "outbound")?;
        shows(&record(acceptor, remote, port)?, "direction", "inbound")?;
        if listen_more.contains("accept") {
            break;
        }
    }
    Ok(())
}

/// Two machines.
pub(crate) fn on_a_path() -> Result<()> {
    let path = path_of(Duration::from_millis(4))?;
    check(path.a(), path.b(), "10.77.0.2:7040", "")?;
    check(path.a(), path.b(), "[fd77::2]:7041", "")
}

/// Both ends in one namespace.
pub(crate) fn on_loopback() -> Result<()> {
    let namespace = Namespace::create("a")?;
    check(&namespace, &namespace, "127.0.0.1:7042", "")?;
    check(&namespace, &namespace, "[::1]:7043", "")
}

/// The acceptor has no listener any more.
pub(crate) fn without_listener() -> Result<()> {
    let path = path_of(Duration::from_millis(4))?;
    check(path.a(), path.b(), "10.77.0.2:7044", "--accept 1")?;
    let namespace = Namespace::create("a")?;
    check(&namespace, &namespace, "127.0.0.1:7045", "--accept 1")
}

//! Kinds of sockets: mapped addresses, UDP, MPTCP.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::oracle::{SsRow, ss};
use conns_lab::process::{READY_TIMEOUT, wait_for};
use serde_json::Value;

use crate::fixture::{all, conns, path_of, peer, port_of, record, shows};

/// An IPv6 socket that talks IPv4 shows `::ffff:` addresses, and a filter finds it under both spellings.
pub(crate) fn mapped() -> Result<()> {
    let path = path_of(Duration::from_millis(4))?;
    let _server = peer(path.b(), "listen --at [::]:7050 --do ignore")?;
    let client = peer(path.a(), "connect --to 10.77.0.2:7050 --do ignore")?;
    let port = port_of(&client)?;
    let row = record(path.b(), 7050, port)?;
    shows(&row, "remote_addr", "::ffff:10.77.0.1")?;
    shows(&row, "local_addr", "::ffff:10.77.0.2")?;
    shows(&row, "family", "IPv6")?;
    shows(&record(path.a(), port, 7050)?, "remote_addr", "10.77.0.2")?;
    for filter in ["remote in 10.0.0.0/8", "remote in ::ffff:10.0.0.0/104"] {
        for side in [path.a(), path.b()] {
            let rows = conns()?.records(&["--netns", side.name(), filter])?;
            ensure!(
                rows.len() == 1,
                "`{filter}` finds {} instead of one connection: {rows:?}",
                rows.len()
            );
        }
    }
    let none = conns()?.records(&["--netns", path.b().name(), "remote in 192.168.0.0/16"])?;
    ensure!(none.is_empty(), "a filter for another network finds {none:?}");
    Ok(())
}

/// A connected UDP socket is in the default list, an unconnected one only in the full one.
pub(crate) fn udp() -> Result<()> {
    let path = path_of(Duration::from_millis(4))?;
    let _open = peer(path.b(), "udp --at 10.77.0.2:7051")?;
    let _connected = peer(path.a(), "udp --at 10.77.0.1:7052 --to 10.77.0.2:7051 --every-ms 50")?;
    let _six = peer(path.a(), "udp --at [fd77::1]:7053 --to [fd77::2]:7051")?;
    for (port, remote, family) in [(7052, "10.77.0.2", "IPv4"), (7053, "fd77::2", "IPv6")] {
        let row = record(path.a(), port, 7051)?;
        shows(&row, "proto", "udp")?;
        shows(&row, "state", "ESTAB")?;
        shows(&row, "family", family)?;
        shows(&row, "remote_addr", remote)?;
    }
    let open = record(path.b(), 7051, 0)?;
    shows(&open, "proto", "udp")?;
    shows(&open, "state", "UNCONN")?;
    let default_a = conns()?.records(&["--netns", path.a().name()])?;
    ensure!(
        default_a.len() == 2,
        "the default list shows {default_a:?} instead of the two connected sockets"
    );
    let default_b = conns()?.records(&["--netns", path.b().name()])?;
    ensure!(default_b.is_empty(), "the default list shows an unconnected socket: {default_b:?}");
    Ok(())
}

/// Both ends of an MPTCP connection.
pub(crate) fn mptcp() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7054 --do answer:10:10 --mptcp")?;
    let client = peer(&namespace, "connect --to 127.0.0.1:7054 --do ask:10:10:20 --mptcp")?;
    let port = port_of(&client)?;
    let oracle = ss(&namespace, "Mae")?;
    ensure!(
        oracle.iter().any(|row| row.local.port() == port),
        "ss -M itself does not show the connection: {oracle:?}"
    );
    for (local, remote, pid) in [(port, 7054, client.pid()), (7054, port, server.pid())] {
        let rows = all(&namespace)?;
        let fitting: Vec<_> = rows
            .iter()
            .filter(|row| {
                row["proto"] == "mptcp"
                    && row["local_port"] == local
                    && row["remote_port"] == remote
            })
            .collect();
        ensure!(
            fitting.len() == 1,
            "conns shows the MPTCP connection {local}→{remote} {} times: {rows:?}",
            fitting.len()
        );
        shows(fitting[0], "pid", pid)?;
        shows(fitting[0], "state", "ESTAB")?;
    }
    Ok(())
}

/// Each MPTCP connection of a listener. All have the listener's cookie, which the kernel assigns once the listener is listed.
pub(crate) fn several_mptcp() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7055 --do ignore --mptcp")?;
    ensure!(all(&namespace)?.iter().any(|row| row["proto"] == "mptcp"), "no listener");
    let _client = peer(&namespace, "connect --to 127.0.0.1:7055 --count 4 --do ignore --mptcp")?;
    // Once all are accepted, each has an inode.
    let inode = |row: &SsRow| {
        let words = row.detail.split_ascii_whitespace();
        words
            .filter_map(|word| word.strip_prefix("ino:")?.parse::<u64>().ok())
            .find(|ino| *ino != 0)
    };
    let accepted = wait_for("all to be accepted", READY_TIMEOUT, || {
        let mut accepted = ss(&namespace, "Mae")?;
        accepted.retain(|row| row.local.port() == 7055 && row.remote.port() != 0);
        let is_whole = accepted.len() == 4 && accepted.iter().all(|row| inode(row).is_some());
        Ok(is_whole.then_some(accepted))
    })?;
    let rows = all(&namespace)?;
    let (mut descriptors, mut identities) = (BTreeSet::new(), BTreeSet::new());
    for oracle in &accepted {
        let is_it = |row: &&Value| {
            row["proto"] == "mptcp"
                && row["local_port"] == 7055
                && row["remote_port"] == oracle.remote.port()
        };
        let fitting: Vec<_> = rows.iter().filter(is_it).collect();
        ensure!(
            fitting.len() == 1,
            "conns shows the connection {oracle:?} {} times: {rows:?}",
            fitting.len()
        );
        shows(fitting[0], "pid", server.pid())?;
        shows(fitting[0], "inode", inode(oracle))?;
        let owners = fitting[0]["owners"].as_array().context("no owners")?;
        ensure!(owners.len() == 1, "{oracle:?} has the owners {owners:?}");
        descriptors.insert(owners[0]["fd"].to_string());
        identities.insert(fitting[0]["cookie"].to_string());
    }
    ensure!(
        descriptors.len() == 4 && identities.len() == 4,
        "four connections have the descriptors {descriptors:?} and the identities {identities:?}"
    );
    Ok(())
}

//! Each family against `ss`, or what the kernel shows where `ss` does not know it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use conns_lab::conns::Conns;
use serde_json::Value;

use crate::scene::{Owner, Scene, by_inode, owners, shows, ss_owners};

/// The words of a line of `ss` up to the owners.
fn words<const N: usize>(line: &str) -> Result<[&str; N]> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(N).collect();
    words.try_into().map_err(|_| anyhow::anyhow!("ss printed {line:?}"))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number != 0)
}

/// `None` for the star of `ss`.
fn named(text: &str) -> Option<&str> {
    Some(text).filter(|text| *text != "*")
}

/// Rows of `ss -xap`: state, queues, name, inode, peer and owners of both ends.
pub(crate) fn unix() -> Result<()> {
    let scene = Scene::start()?;
    let (lines, rows) = scene.both(&["-xanp"], &["-xa"])?;
    let rows_by_inode = by_inode(&rows)?;
    let mut processes: BTreeMap<u64, BTreeSet<Owner>> = BTreeMap::new();
    for line in &lines {
        let [_, _, _, _, _, inode, ..] = words::<6>(line)?;
        processes.insert(inode.parse()?, ss_owners(line));
    }
    for line in &lines {
        let [kind, state, received, sent, name, inode, _, peer] = words::<8>(line)?;
        let row = rows_by_inode.get(&inode.parse()?);
        let row = row.with_context(|| format!("conns lacks the row of ss {line:?}"))?;
        let kind = match kind {
            "u_str" => "stream",
            "u_dgr" => "dgram",
            "u_seq" => "seqpacket",
            other => other,
        };
        shows(row, "proto", Some("unix"))?;
        shows(row, "family", Some("unix"))?;
        shows(row, "socket_type", Some(kind))?;
        shows(row, "state", Some(state))?;
        let (first, second): (u64, u64) = (received.parse()?, sent.parse()?);
        let keys = match state {
            "LISTEN" => ["backlog", "backlog_max"],
            _ => ["recv_queue_bytes", "send_queue_bytes"],
        };
        shows(row, keys[0], Some(first))?;
        shows(row, keys[1], Some(second))?;
        shows(row, "local_name", named(name))?;
        shows(row, "peer_inode", number(peer))?;
        ensure!(owners(row) == ss_owners(line), "{:?} instead of {line}", owners(row));
        let of_peer = number(peer).and_then(|peer| processes.get(&peer));
        let first_of_peer = of_peer.and_then(BTreeSet::first);
        shows(row, "peer_process", first_of_peer.map(|(name, ..)| name.as_str()))?;
        shows(row, "peer_pid", first_of_peer.map(|(_, pid, _)| *pid))?;
        for absent in ["local", "local_addr", "local_port", "remote", "direction", "rtt_us"] {
            ensure!(row.get(absent).is_none(), "a unix socket has `{absent}`: {row}");
        }
    }
    ensure!(rows.len() == lines.len(), "{} rows instead of {}", rows.len(), lines.len());
    let of_child = by_inode(&rows)?[&scene.inode("unix-of-child")?];
    shows(of_child, "peer_process", Some("lab-peer"))?;
    shows(of_child, "peer_pid", Some(scene.child))?;
    let client = by_inode(&rows)?[&scene.inode("unix-client")?];
    let path = client["peer_name"].as_str().context("the client's peer has no name")?;
    ensure!(path.ends_with("/listener"), "{path}");
    // Without -a and -l: the connected ones, and the listening and unconnected ones, as ss lists them.
    for (ours, theirs) in [("-x", "-xn"), ("-xl", "-xln")] {
        let inode = |line: &String| Ok(words::<6>(line)?[5].parse()?);
        let expected: BTreeSet<u64> =
            scene.ss(&[theirs])?.iter().map(inode).collect::<Result<_>>()?;
        let rows = scene.rows(&[ours])?;
        let listed: BTreeSet<u64> = by_inode(&rows)?.into_keys().collect();
        ensure!(listed == expected, "{ours}: {listed:?} instead of {expected:?}");
    }
    Ok(())
}

/// The number of a protocol by the name that conns prints.
fn ip_protocol(name: &str) -> Option<u64> {
    match name {
        "icmp" => Some(1),
        "ipv6-icmp" => Some(58),
        "ospf" => Some(89),
        number => number.parse().ok(),
    }
}

/// Rows of `ss -wap`, by address, protocol and owner; `ss` prints no inode.
pub(crate) fn raw() -> Result<()> {
    let scene = Scene::start()?;
    let mut expected = Vec::new();
    let (lines, rows) = scene.both(&["-wanp"], &["-wa"])?;
    for line in &lines {
        let [state, received, sent, local, ..] = words::<4>(line)?;
        let (address, protocol) = local.rsplit_once(':').context("no protocol")?;
        let address = match address.trim_matches(['[', ']']) {
            "*" => "::",
            address => address,
        };
        let queues: (u64, u64) = (received.parse()?, sent.parse()?);
        let protocol: u64 = protocol.parse()?;
        expected.push((address.to_owned(), protocol, state.to_owned(), queues, ss_owners(line)));
    }
    let mut listed = Vec::new();
    for row in &rows {
        shows(row, "proto", Some("raw"))?;
        shows(row, "socket_type", Some("raw"))?;
        let text = |key: &str| row[key].as_str().with_context(|| format!("no {key} in {row}"));
        let count = |key: &str| row[key].as_u64().with_context(|| format!("no {key} in {row}"));
        listed.push((
            text("local_addr")?.to_owned(),
            ip_protocol(text("socket_protocol")?).context("an unknown protocol")?,
            text("state")?.to_owned(),
            (count("recv_queue_bytes")?, count("send_queue_bytes")?),
            owners(row),
        ));
    }
    expected.sort();
    listed.sort();
    ensure!(listed == expected && listed.len() == 3, "{listed:?} instead of {expected:?}");
    let inodes: BTreeSet<u64> = by_inode(&rows)?.into_keys().collect();
    for name in ["raw-icmp", "raw-89", "raw-icmp6"] {
        ensure!(inodes.contains(&scene.inode(name)?), "{name} is not in {inodes:?}");
    }
    Ok(())
}

/// Rows of `ss -0ap`: inode, cookie, type, protocol, interface, queues, owners.
pub(crate) fn packet() -> Result<()> {
    let scene = Scene::start()?;
    let (lines, rows) = scene.both(&["-0aep"], &["-0a"])?;
    let listed = by_inode(&rows)?;
    for line in &lines {
        let [kind, state, received, sent, local, ..] = words::<5>(line)?;
        let detail = |name: &str| {
            let word = line.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
            word.with_context(|| format!("no {name} in {line:?}"))
        };
        let row = listed.get(&detail("ino:")?.parse()?);
        let row = row.with_context(|| format!("conns lacks the row of ss {line:?}"))?;
        let kind = if kind == "p_raw" { "raw" } else { "dgram" };
        let (protocol, interface) = local.rsplit_once(':').context("no interface")?;
        shows(row, "proto", Some("packet"))?;
        shows(row, "socket_type", Some(kind))?;
        shows(row, "state", Some(state))?;
        shows(row, "recv_queue_bytes", Some(received.parse::<u64>()?))?;
        shows(row, "send_queue_bytes", Some(sent.parse::<u64>()?))?;
        shows(row, "socket_protocol", Some(protocol))?;
        shows(row, "local_name", Some(interface))?;
        shows(row, "cookie", Some(u64::from_str_radix(detail("sk:")?, 16)?))?;
        ensure!(owners(row) == ss_owners(line), "{:?} instead of {line}", owners(row));
    }
    ensure!(lines.len() == 2 && rows.len() == 2, "{lines:?} but {rows:?}");
    Ok(())
}

/// Rows of `ss -f netlink -ap`: protocol, port and groups; inode and owners of the scene's. `ss` prints a socket with groups
/// twice, and its own.
pub(crate) fn netlink() -> Result<()> {
    let scene = Scene::start()?;
    let is_of_reader = |protocol: &str, port: &str| protocol == "tcpdiag" && port != "kernel";
    let mut expected = BTreeSet::new();
    for line in scene.ss(&["-f", "netlink", "-aep"])? {
        let [state, _, _, local, ..] = words::<4>(&line)?;
        ensure!(state == "UNCONN", "{line}");
        let (protocol, port) = local.split_once(':').context("no port")?;
        let port = port.rsplit('/').next().unwrap_or(port);
        let groups = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("groups=0x"));
        let groups = u64::from_str_radix(groups.context("no groups")?, 16)?;
        if !is_of_reader(protocol, port) {
            expected.insert((protocol.to_owned(), port.to_owned(), groups));
        }
    }
    let rows = scene.rows(&["-f", "netlink", "-a"])?;
    let mut listed = BTreeSet::new();
    for row in &rows {
        shows(row, "proto", Some("netlink"))?;
        shows(row, "state", Some("UNCONN"))?;
        let text = |key: &str| row[key].as_str().with_context(|| format!("no {key} in {row}"));
        let (protocol, port) = (text("socket_protocol")?, text("local_name")?);
        if port == "kernel" {
            shows(row, "process", Some("kernel"))?;
        }
        if !is_of_reader(protocol, port) {
            let groups = row["netlink_groups"].as_u64().unwrap_or(0);
            listed.insert((protocol.to_owned(), port.to_owned(), groups));
        }
    }
    ensure!(listed == expected, "{listed:?} instead of {expected:?}");
    let listed = by_inode(&rows)?;
    for (name, fd) in [("netlink-route", "rtnl"), ("netlink-uevent", "uevent")] {
        let row = listed.get(&scene.inode(name)?).with_context(|| format!("{name} is missing"))?;
        shows(row, "socket_protocol", Some(fd))?;
        shows(row, "pid", Some(scene.pid))?;
    }
    Ok(())
}

/// `ss` does not list UDP-Lite; the kernel does in `/proc/net/udplite`.
pub(crate) fn udplite() -> Result<()> {
    let scene = Scene::start()?;
    let inode_of = |line: &str| line.split_ascii_whitespace().nth(9)?.parse::<u64>().ok();
    let text = scene.namespace.read("/proc/thread-self/net/udplite").unwrap_or_default();
    let expected: BTreeSet<u64> = text.lines().filter_map(inode_of).collect();
    let rows = scene.rows(&["-f", "udplite", "-a"])?;
    let listed: BTreeSet<u64> = by_inode(&rows)?.into_keys().collect();
    ensure!(listed == expected, "{listed:?} instead of {expected:?}");
    if let Ok(inode) = scene.inode("udplite") {
        let row = by_inode(&rows)?[&inode];
        shows(row, "proto", Some("udplite"))?;
        shows(row, "local_port", Some(7100))?;
        shows(row, "local_addr", Some("127.0.0.1"))?;
        shows(row, "state", Some("UNCONN"))?;
        shows(row, "pid", Some(scene.pid))?;
    }
    Ok(())
}

/// As many rows as `ss` has; where the kernel has such sockets but no module that lists them, a loss by name.
pub(crate) fn vsock() -> Result<()> {
    let scene = Scene::start()?;
    let output = Command::new(Conns::find(None)?.path())
        .args(["--netns", scene.namespace.name(), "--vsock", "-a", "-o", "json"])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let rows = answer["connections"].as_array().context("no connections")?;
    let lines = scene.ss(&["--vsock", "-a"])?;
    ensure!(rows.len() == lines.len(), "{rows:?} instead of {lines:?}");
    if errors.contains("vsock") {
        ensure!(output.status.code() == Some(3), "{:?}", output.status);
        let sentence = "cannot read the table of vsock sockets";
        ensure!(errors.contains(sentence) && errors.contains("vsock_diag"), "{errors}");
        println!("vsock: this kernel has no vsock_diag, so only the loss was compared");
    }
    Ok(())
}

/// The filter language on fields and words, and the columns of a table and of CSV.
pub(crate) fn filters() -> Result<()> {
    let scene = Scene::start()?;
    let names = |filter: &str| -> Result<BTreeSet<String>> {
        let rows = scene.rows(&["-xa", filter])?;
        let listed = by_inode(&rows)?;
        let is_listed = |entry: &(&String, &u64)| listed.contains_key(entry.1);
        Ok(scene.inodes.iter().filter(is_listed).map(|(name, _)| name.clone()).collect())
    };
    for (filter, expected) in [
        ("peer_process == lab-peer", &["unix-of-child"][..]),
        ("path ~ dgram$", &["unix-dgram"]),
        ("listener", &["unix-accepted", "unix-client", "unix-listener"]),
        ("type == seqpacket", &["unix-abstract"]),
        ("recv_queue >= 12", &["unix-pair-there"]),
        ("state == listen and backlog_max == 7", &["unix-listener"]),
        ("local_port == 0", &[]),
        ("rtt > 1us or not rtt > 1us", &[]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|&name| name.into()).collect();
        let found = names(filter)?;
        ensure!(found == expected, "`{filter}` finds {found:?} instead of {expected:?}");
    }
    let conns = Conns::find(None)?;
    let name = scene.namespace.name();
    let csv = conns.run(&[
        "--netns",
        name,
        "-xa",
        "peer_process == lab-peer",
        "-o",
        "csv",
        "--columns",
        "proto,socket_type,peer_pid",
    ])?;
    let expected = format!("unix,stream,{}", scene.child);
    ensure!(csv.lines().nth(1) == Some(&*expected), "{csv}");
    let table = conns.run(&["--netns", name, "-xa", "-o", "wide"])?;
    let header = table.lines().next().unwrap_or_default();
    for column in ["PROCESS", "LOCAL-NAME", "PEER-PROCESS", "BACKLOG"] {
        ensure!(header.contains(column), "no {column} in {header}");
    }
    ensure!(!header.contains(" LOCAL "), "{header}");
    Ok(())
}

/// Without the flags no row of another family, with `all` every family.
pub(crate) fn default_list() -> Result<()> {
    let scene = Scene::start()?;
    let families = |rows: &[Value]| -> BTreeSet<String> {
        rows.iter().filter_map(|row| Some(row["proto"].as_str()?.to_owned())).collect()
    };
    let rows = scene.rows(&["-a"])?;
    let plain = families(&rows);
    let internet: BTreeSet<String> = ["tcp", "udp", "mptcp"].map(String::from).into();
    ensure!(plain.is_subset(&internet), "{plain:?}");
    let rows = scene.rows(&["-a", "--family", "all"])?;
    let all = families(&rows);
    for family in ["tcp", "unix", "raw", "packet", "netlink"] {
        ensure!(all.contains(family), "no {family} in {all:?}");
    }
    by_inode(&rows).map(|_| ())
}

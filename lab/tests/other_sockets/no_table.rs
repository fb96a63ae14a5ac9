//! Sockets in no table against `lsof`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use crate::scene::{Scene, by_inode, owners, shows};

/// What `lsof` shows of a descriptor.
#[derive(Debug)]
struct Descriptor {
    fd: u64,
    /// The name of the protocol in the kernel.
    protocol: String,
}

/// The sockets of a process for which `lsof` has found no table, by inode.
fn lsof(scene: &Scene) -> Result<BTreeMap<u64, Descriptor>> {
    let pid = scene.pid.to_string();
    let out = scene.namespace.output("lsof", &["-nPw", "-p", &pid, "-F", "ftin"])?;
    let (mut found, mut fd, mut kind, mut inode) = (BTreeMap::new(), None, "", None);
    for line in out.lines() {
        let Some((field, text)) = line.split_at_checked(1) else { continue };
        match field {
            "f" => (fd, kind, inode) = (text.parse().ok(), "", None),
            "t" => kind = text,
            "i" => inode = text.parse().ok(),
            "n" => {
                if let (Some(fd), Some(inode), Some(protocol), "sock") =
                    (fd, inode, text.strip_prefix("protocol: "), kind)
                {
                    found.insert(inode, Descriptor { fd, protocol: protocol.to_owned() });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// All 22 that the scene has leaked, each with owner, descriptor and protocol; and no other socket of the scene.
pub(crate) fn leaked() -> Result<()> {
    let scene = Scene::start()?;
    ensure!(scene.leaked.len() == 22, "the scene leaks {}", scene.leaked.len());
    let expected = lsof(&scene)?;
    // The oracle itself: what ss lists is not leaked.
    let listed_by_ss = scene.ss(&["-tuxw0anpe"])?.join("\n");
    let rows = scene.rows(&["--family", "none"])?;
    let listed = by_inode(&rows)?;
    for name in &scene.leaked {
        let inode = scene.inode(name)?;
        let oracle = expected
            .get(&inode)
            .with_context(|| format!("lsof does not show {name}: {expected:?}"))?;
        ensure!(!listed_by_ss.contains(&format!("ino:{inode} ")), "ss lists {name}");
        let row = listed.get(&inode).with_context(|| format!("{name} ({inode}) is not listed"))?;
        shows(row, "no_table", Some(true))?;
        shows(row, "socket_protocol", Some(oracle.protocol.as_str()))?;
        shows(row, "netns", Some(scene.namespace.name()))?;
        shows(row, "uid", Some(0))?;
        let owner = owners(row).first().cloned().context("no owner")?;
        ensure!((owner.1, owner.2) == (scene.pid, oracle.fd), "{owner:?} instead of {oracle:?}");
        let proto = match name.split(['4', '6', '-']).next().unwrap_or_default() {
            "tcp" => "tcp",
            "udp" => "udp",
            _ if oracle.protocol.starts_with("UDP") => "udp",
            _ => "other",
        };
        shows(row, "proto", Some(proto))?;
        // The kernel does not list the ends: unknown, not 0.
        let is_null = |key: &str| row.get(key).is_none_or(serde_json::Value::is_null);
        ensure!(is_null("local_port") && is_null("remote_port"), "{row}");
    }
    let oracle: BTreeSet<u64> = expected.keys().copied().collect();
    let ours: BTreeSet<u64> = listed.keys().copied().collect();
    ensure!(ours == oracle, "{ours:?} instead of {oracle:?}");
    // Today's lists do not have them.
    let plain = scene.rows(&["-a"])?;
    let plain: BTreeSet<u64> = by_inode(&plain)?.into_keys().collect();
    ensure!(plain.is_disjoint(&ours), "{plain:?} has some of {ours:?}");
    let of_tcp6 = scene.rows(&["--family", "none", "-6", "proto == tcp and no_table"])?;
    ensure!(of_tcp6.len() == 4, "{of_tcp6:?}");
    Ok(())
}

/// With other families each socket is listed once, and only those in no table are marked so.
pub(crate) fn together() -> Result<()> {
    let scene = Scene::start()?;
    let rows = scene.rows(&["-a", "--family", "all"])?;
    let listed = by_inode(&rows)?;
    for (name, inode) in &scene.inodes {
        let row = listed.get(inode).with_context(|| format!("{name} ({inode}) is not listed"))?;
        let is_leaked = scene.leaked.contains(name);
        ensure!((row["no_table"] == true) == is_leaked, "{name}: {row}");
        ensure!(owners(row).iter().any(|(_, pid, _)| *pid == scene.pid), "{name}: {row}");
    }
    Ok(())
}

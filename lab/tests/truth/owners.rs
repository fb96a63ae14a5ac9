//! Owners: all processes whose `/proc/<pid>/fd` has the socket, and no other.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::oracle::owners;
use serde_json::Value;

use crate::fixture::{peer, port_of, record, shows, ss_row};

/// The pids a record names as owners.
pub(crate) fn pids_of(row: &Value) -> BTreeSet<u32> {
    let owners = row["owners"].as_array().into_iter().flatten();
    owners.filter_map(|owner| u32::try_from(owner["pid"].as_u64()?).ok()).collect()
}

fn check(arguments: &str, opener_owns: bool) -> Result<()> {
    let namespace = Namespace::create("a")?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7030 --do ignore")?;
    let owner = peer(&namespace, &format!("share --to 127.0.0.1:7030 {arguments}"))?;
    let port = port_of(&owner)?;
    let reported: BTreeSet<u32> = owner.ready()["owners"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pid| u32::try_from(pid.as_u64()?).ok())
        .collect();
    let inode = ss_row(&namespace, port, 7030)?.inode();
    let owned = owners().remove(&inode).unwrap_or_default();
    ensure!(owned == reported, "the peers report the owners {reported:?}, /proc has {owned:?}");
    ensure!(
        owned.contains(&owner.pid()) == opener_owns,
        "whether the opener owns the socket is not as planned"
    );

    let row = record(&namespace, port, 7030)?;
    let shown = pids_of(&row);
    ensure!(shown == owned, "conns names {shown:?} as owners, /proc has {owned:?}: {row}");
    shows(&row, "process", "conns-lab")?;
    let accepted = record(&namespace, 7030, port)?;
    ensure!(
        pids_of(&accepted) == BTreeSet::from([server.pid()]),
        "the accepted socket is the server's alone: {accepted}"
    );
    Ok(())
}

/// By inheritance and by descriptor passing, beside the opener.
pub(crate) fn all_owners() -> Result<()> {
    check("--inherit 2 --pass 2", true)
}

/// The opener closed its own descriptor.
pub(crate) fn let_go() -> Result<()> {
    check("--inherit 1 --pass 1 --let-go", false)
}

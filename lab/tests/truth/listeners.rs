//! Listeners: how full the accept queue is, how full it may be, and how often it was too full.

use std::time::Duration;

use anyhow::{Result, ensure};
use conns_lab::oracle::{ss, tcp_ext_counter};
use conns_lab::process::wait_for;

use crate::fixture::{TIMEOUT, number, path_of, peer, record, shows};

/// A full queue of four, and an empty one of 100 beside it.
pub(crate) fn backlog() -> Result<()> {
    let path = path_of(Duration::from_millis(2))?;
    let _full = peer(path.b(), "listen --at 10.77.0.2:7060 --backlog 4 --no-accept")?;
    let _empty = peer(path.b(), "listen --at 10.77.0.2:7061 --backlog 100 --no-accept")?;
    let calm = record(path.b(), 7060, 0)?;
    shows(&calm, "backlog", 0)?;
    shows(&calm, "overflows", 0)?;
    let _callers = peer(path.a(), "knock --to 10.77.0.2:7060 --count 12")?;
    wait_for("an overflow", TIMEOUT, || {
        Ok((tcp_ext_counter(path.b(), "ListenOverflows")? >= 7).then_some(()))
    })?;

    // What the kernel counts where it counts in the socket (`tcp_listendrop`, `net/tcp.h`): overflows, and what it drops
    // in a hurry for another reason.
    let before = tcp_ext_counter(path.b(), "ListenDrops")?;
    let full = record(path.b(), 7060, 0)?;
    let after = tcp_ext_counter(path.b(), "ListenDrops")?;
    let oracle = ss(path.b(), "tl")?;
    let oracle = oracle.iter().find(|row| row.local.port() == 7060);
    let oracle = oracle.ok_or_else(|| anyhow::anyhow!("ss does not show the listener"))?;
    shows(&full, "state", "LISTEN")?;
    shows(&full, "backlog", oracle.recv_queue)?;
    shows(&full, "backlog_max", oracle.send_queue)?;
    let overflows = number(&full, "overflows")?;
    ensure!(
        (before as f64..=after as f64).contains(&overflows),
        "overflows is {overflows}; nstat counted {before} before and {after} after"
    );
    let empty = record(path.b(), 7061, 0)?;
    shows(&empty, "backlog", 0)?;
    shows(&empty, "backlog_max", 100)?;
    shows(&empty, "overflows", 0)
}

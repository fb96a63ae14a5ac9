//! The default columns of a list with sockets that are neither TCP nor UDP: those that some row has.

use conns_core::model::Connection;
use conns_core::query::{Field, find_field};

/// In their order.
const COLUMNS: &[&str] = &[
    "process",
    "pid",
    "netns",
    "proto",
    "socket_type",
    "socket_protocol",
    "state",
    "recv_queue",
    "send_queue",
    "backlog",
    "backlog_max",
    "local",
    "remote",
    "local_name",
    "peer_name",
    "peer_process",
    "peer_pid",
    "inode",
];

/// Additional columns with `-o wide`.
const WIDE: &[&str] = &[
    "user",
    "uid",
    "interface",
    "peer_inode",
    "netlink_groups",
    "no_table",
    "rcvbuf",
    "sndbuf",
    "unit",
    "container",
    "cmdline",
];

/// Shown even if no row has them, so that a list without rows has a header.
const ALWAYS: &[&str] = &["process", "pid", "proto", "state"];

/// The default columns in CSV: all, whatever the rows have.
#[must_use]
pub fn other_csv_columns() -> Vec<&'static Field> {
    COLUMNS.iter().chain(&["owners"]).filter_map(|name| find_field(name)).collect()
}

/// The default columns for `connections`; the namespace only if it is not the own one of all.
#[must_use]
pub fn other_columns(wide: bool, connections: &[&Connection]) -> Vec<&'static Field> {
    let is_foreign = connections.iter().any(|c| !c.socket.netns.is_own);
    let names = COLUMNS.iter().chain(if wide { WIDE } else { &[] });
    let fields =
        names.filter(|name| **name != "netns" || is_foreign).filter_map(|name| find_field(name));
    fields
        .filter(|field| {
            let shows = |c: &&Connection| field.value(c).is_known();
            ALWAYS.contains(&field.name) || connections.iter().any(shows)
        })
        .collect()
}

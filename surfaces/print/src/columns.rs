//! The default columns of a list.

use conns_api::View;
use conns_core::model::{Connection, Known};
use conns_core::query::{Field, find_field};

/// The default order of a table; machine-readable output is in the order of the kernel.
pub const TABLE_ORDER: &str = "process,pid,local,remote";

/// The default order of groups that are watched: those that move most.
pub const WATCHED_GROUP_ORDER: &str = "-rate_out,-rate_in,-connections";

/// Fields that are watched as charts of one connection.
pub const CHARTED: [&str; 6] = ["rate_out", "rate_in", "rtt", "send_queue", "recv_queue", "loss"];

/// Fields that connections are usually grouped by.
pub const GROUPED_BY: [&str; 8] =
    ["process", "unit", "container", "remote", "remote_name", "remote_port", "app", "verdict"];

/// Fields that are copied from a row by themselves, beside its columns: the ends.
pub const COPIED: [&str; 4] = ["remote", "remote_addr", "local", "local_addr"];

/// Columns of the plain list.
const PLAIN: &[&str] = &[
    "process",
    "pid",
    "proto",
    "state",
    "direction",
    "local",
    "remote",
    "rtt",
    "loss",
    "bytes_out",
    "bytes_in",
    "idle",
    "verdict",
];

/// Columns of the list of listening endpoints.
const LISTENING: &[&str] = &[
    "process",
    "pid",
    "user",
    "proto",
    "state",
    "local",
    "backlog",
    "backlog_max",
    "overflows",
    "verdict",
];

/// Columns of CSV, the same whatever is known: rows are appended to those of other times and machines.
const CSV: &[&str] = &[
    "process",
    "pid",
    "owners",
    "netns",
    "proto",
    "state",
    "direction",
    "local",
    "remote",
    "remote_name",
    "app",
    "rtt",
    "loss",
    "bytes_out",
    "bytes_in",
    "rate_out",
    "rate_in",
    "idle",
    "verdict",
];

/// Columns of listening endpoints in CSV.
const CSV_LISTENING: &[&str] = &[
    "process",
    "pid",
    "owners",
    "netns",
    "user",
    "proto",
    "state",
    "local",
    "backlog",
    "backlog_max",
    "overflows",
    "verdict",
];

/// Columns of the list of closed connections.
const CLOSED: &[&str] = &[
    "process",
    "pid",
    "local",
    "remote",
    "direction",
    "duration",
    "bytes_out",
    "bytes_in",
    "total_retrans",
    "closed_by",
    "ended",
];

/// Additional columns of that list with `-o wide`.
const CLOSED_WIDE: &[&str] = &[
    "closed_at",
    "opened_at",
    "handshake",
    "first_use",
    "opener",
    "opener_pid",
    "errno",
    "user",
    "rtt",
    "min_rtt",
    "loss",
    "congestion",
    "verdict",
    "unit",
    "container",
    "cmdline",
];

/// Additional columns with `-o wide`.
const WIDE: &[&str] = &[
    "user",
    "recv_queue",
    "send_queue",
    "min_rtt",
    "snd_cwnd",
    "delivery_rate",
    "pacing_rate",
    "total_retrans",
    "congestion",
    "timer",
    "confidence",
    "unit",
    "container",
    "cmdline",
];

/// The default columns for `connections`: the namespace only if there are several, rates only if
/// they are known.
#[must_use]
pub fn default_columns(view: View, wide: bool, connections: &[&Connection]) -> Vec<&'static Field> {
    let mut names: Vec<&str> = match view {
        View::Listening => LISTENING.to_vec(),
        View::Connections | View::All => PLAIN.to_vec(),
    };
    let has_rates = connections.iter().any(|c| matches!(c.stats.rates, Known::Value(..)));
    if let Some(at) = names.iter().position(|name| *name == "idle").filter(|_| has_rates) {
        names.splice(at..at, ["rate_out", "rate_in"]);
    }
    add_application(&mut names, connections);
    add_netns(&mut names, connections);
    if wide {
        names.extend(
            WIDE.iter().filter(|name| !LISTENING.contains(name) || view != View::Listening),
        );
    }
    names.into_iter().filter_map(find_field).collect()
}

/// The default columns of closed connections in CSV.
#[must_use]
pub fn closed_csv_columns() -> Vec<&'static Field> {
    let names = ["closed_at"].iter().chain(CLOSED).chain(&["owners", "netns"]);
    names.filter_map(|name| find_field(name)).collect()
}

/// The default columns of CSV.
#[must_use]
pub fn csv_columns(view: View) -> Vec<&'static Field> {
    let names = if view == View::Listening { CSV_LISTENING } else { CSV };
    names.iter().filter_map(|name| find_field(name)).collect()
}

/// Adds what connections carry and how their remote ends are called, each behind the remote end if it is
/// known of any.
fn add_application(names: &mut Vec<&str>, connections: &[&Connection]) {
    let Some(at) = names.iter().position(|name| *name == "remote") else { return };
    let is_known = |name: &&str| {
        let field = find_field(name);
        field.is_some_and(|field| {
            let shows = |c: &&Connection| field.value(c).is_known();
            connections.iter().any(shows)
        })
    };
    let known: Vec<&str> = ["remote_name", "app"].into_iter().filter(is_known).collect();
    names.splice(at + 1..at + 1, known);
}

/// The default columns for closed connections.
#[must_use]
pub fn closed_columns(wide: bool, connections: &[&Connection]) -> Vec<&'static Field> {
    let mut names = CLOSED.to_vec();
    add_netns(&mut names, connections);
    if wide {
        names.extend(CLOSED_WIDE);
    }
    names.into_iter().filter_map(find_field).collect()
}

/// Adds the namespace if there are several, or if it is not the own one.
fn add_netns(names: &mut Vec<&str>, connections: &[&Connection]) {
    let mut namespaces = connections.iter().map(|c| c.socket.id.netns);
    let first = namespaces.next();
    let is_foreign = connections.first().is_some_and(|c| !c.socket.netns.is_own);
    if is_foreign || namespaces.any(|inode| Some(inode) != first) {
        names.insert(2, "netns");
    }
}

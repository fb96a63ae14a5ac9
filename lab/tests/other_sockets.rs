//! Sockets that are neither TCP nor UDP, and sockets in no table: `conns` against `ss` and `lsof` for every row, on sockets
//! that a scene of its own makes in a network namespace.
//!
//! What this machine lacks for a test is printed, and the test is listed as ignored; none passes silently.

#[path = "other_sockets/no_table.rs"]
mod no_table;
#[path = "other_sockets/scene.rs"]
mod scene;
#[path = "other_sockets/tables.rs"]
mod tables;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

const TESTS: &[(&str, &[&str], Test)] = &[
    ("unix_sockets_with_owner_and_peer_as_ss_shows", &["ss", "python3"], tables::unix),
    ("raw_sockets_as_ss_shows", &["ss", "python3"], tables::raw),
    ("packet_sockets_as_ss_shows", &["ss", "python3"], tables::packet),
    ("netlink_sockets_as_ss_shows", &["ss", "python3"], tables::netlink),
    ("udplite_sockets_as_proc_shows", &["python3"], tables::udplite),
    ("vsock_as_ss_shows_or_a_loss_by_name", &["ss", "python3"], tables::vsock),
    ("filters_and_formats_of_other_sockets", &["python3"], tables::filters),
    ("only_tcp_and_udp_unless_asked", &["python3"], tables::default_list),
    ("all_22_leaked_sockets_as_lsof_shows", &["ss", "lsof", "python3"], no_table::leaked),
    ("sockets_in_no_table_beside_those_in_tables", &["python3"], no_table::together),
];

fn main() -> ExitCode {
    trials::run_all(
        TESTS.iter().map(|(name, programs, test)| (*name, scene::missing(programs), *test)),
    )
}

//! The programs in the kernel, seen from outside: their tables against those of netlink and `/proc`, and what is left of
//! them after their process ended.
//!
//! One whose needs are not met is listed as ignored, by name and with the reason; none passes silently.

#[path = "ebpf/agent.rs"]
mod agent;
#[path = "ebpf/fixture.rs"]
mod fixture;
#[path = "ebpf/fixture_sockets.rs"]
mod fixture_sockets;
#[path = "ebpf/loaded.rs"]
mod loaded;
#[path = "ebpf/pair.rs"]
mod pair;
#[path = "ebpf/payload.rs"]
mod payload;
#[path = "ebpf/tables.rs"]
mod tables;
#[path = "ebpf/tap.rs"]
mod tap;
#[path = "common/trials.rs"]
mod trials;
#[path = "ebpf/unload.rs"]
mod unload;

use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

/// The abilities and programs each needs, besides root. `ebpf-tables` is reported by those that read tables; `conns abilities`
/// reports `ebpf-watch`, which needs as much of the kernel.
const TESTS: &[(&str, &[&str], &[&str], Test)] = &[
    ("tables_are_those_of_the_kernel_under_churn", &["ebpf-watch"], &[], tables::under_churn),
    ("tables_of_an_agent_are_those_of_the_kernel", &["ebpf-watch"], &[], tables::of_an_agent),
    ("a_namespace_made_later_is_watched", &["ebpf-watch"], &[], tables::later_namespace),
    ("owners_are_those_of_proc", &["ebpf-watch", "ebpf-owners"], &[], tables::owners),
    ("peers_of_a_udp_socket", &["ebpf-udp-peers"], &[], agent::udp_peers),
    (
        "an_agent_at_rest_counts_no_owner_changes",
        &["ebpf-owner-changes"],
        &["bpftool"],
        agent::at_rest,
    ),
    ("changes_of_owners_are_followed", &["ebpf-owner-changes"], &["python3"], agent::owner_changes),
    ("an_agent_shows_what_real_clients_carry", &["ebpf-tap"], CLIENTS, tap::real_clients),
    ("so_does_a_serving_process", &["ebpf-tap"], CLIENTS, tap::with_serving_process),
    ("without_the_tap_none_of_it_is_loaded", &["ebpf-tap"], &["bpftool"], tap::off),
    ("small_writes_are_handed_over", &["ebpf-tap", "ebpf-reads"], &[], payload::small_writes),
    ("segments_of_64_kib_are_handed_over", &["ebpf-tap"], &[], payload::large_segments),
    ("segments_of_big_tcp_are_handed_over", &["ebpf-tap"], &[], payload::big_tcp),
    ("retransmissions_are_handed_over_once", &["ebpf-tap"], &[], payload::lossy_path),
    ("data_with_a_syn_is_handed_over", &["ebpf-tap"], &["python3"], payload::fast_open),
    ("a_probe_repeats_no_byte", &["ebpf-tap"], &["python3"], payload::probes_and_ends),
    ("extension_headers_are_passed_over", &["ebpf-tap"], &["python3"], payload::extension_headers),
    ("unwanted_payload_is_not_copied", &["ebpf-tap"], &[], payload::unwanted),
    ("what_is_skipped_is_not_copied", &["ebpf-tap"], &[], payload::skipped),
    ("pressure_drops_payload_and_counts_it", &["ebpf-tap"], &[], payload::pressure),
    ("datagrams_are_handed_over", &["ebpf-tap"], &[], payload::datagrams),
    ("payload_of_earlier_connections", &["ebpf-tap", "ebpf-reads"], &[], payload::late_start),
    ("both_ends_of_a_connection_are_a_pair", &["ebpf-events"], PAIRS, pair::of_every_kind),
    ("both_ends_of_a_closed_connection_are_a_pair", &["ebpf-events"], PAIRS, pair::of_closed),
    ("both_ends_are_a_pair_through_nat", &["ebpf-events"], PAIRS, pair::through_nat),
    ("kill_9_of_an_agent_leaves_nothing", &["ebpf-events"], &["bpftool"], unload::agent),
    ("kill_9_of_events_leaves_nothing", &["ebpf-events"], &["bpftool"], unload::events),
    ("two_agents_do_not_disturb_each_other", &["ebpf-events"], &[], unload::two_agents),
];

/// What opens connections, and what translates their addresses.
const PAIRS: &[&str] = &["python3", "nft"];
/// Programs whose connections are shown.
const CLIENTS: &[&str] = &["openssl", "curl", "ssh"];

fn main() -> ExitCode {
    trials::run_all(TESTS.iter().map(|(name, abilities, programs, test)| {
        (*name, fixture::missing(abilities, programs), *test)
    }))
}

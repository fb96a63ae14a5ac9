//! Truth tests: `conns` against the kernel, the path and the peers themselves.
//!
//! Without root or `/dev/net/tun` every test is listed as ignored, by name; none passes silently.

#[path = "truth/bytes.rs"]
mod bytes;
#[path = "truth/complete.rs"]
mod complete;
#[path = "truth/direction.rs"]
mod direction;
#[path = "truth/fixture.rs"]
mod fixture;
#[path = "truth/kinds.rs"]
mod kinds;
#[path = "truth/listeners.rs"]
mod listeners;
#[path = "truth/namespaces.rs"]
mod namespaces;
#[path = "truth/owners.rs"]
mod owners;
#[path = "truth/quality.rs"]
mod quality;
#[path = "common/trials.rs"]
mod trials;
#[path = "truth/unmeasured.rs"]
mod unmeasured;
#[path = "truth/variation.rs"]
mod variation;

use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("path_carries_within_its_delay_while_a_core_is_busy", quality::path_is_precise),
    ("path_reorders_the_share_that_is_asked_for", variation::reordering),
    ("path_spreads_jitter_over_its_span", variation::jitter),
    ("path_loses_on_the_way_back_only", variation::loss_of_the_way_back),
    ("rtt_of_10_ms_path", || quality::rtt(10)),
    ("rtt_of_80_ms_path", || quality::rtt(80)),
    ("rtt_of_200_ms_path", || quality::rtt(200)),
    ("loss_of_2_percent_path", quality::loss),
    ("congestion_algorithm_and_bbr_as_ss_shows", quality::congestion),
    ("bytes_are_exact_with_loss_open_and_half_closed", bytes::exact_with_loss),
    ("bytes_are_exact_beyond_4_gib", bytes::beyond_4_gib),
    ("every_stable_socket_once_under_churn", complete::under_churn),
    ("owners_are_all_processes_with_the_socket", owners::all_owners),
    ("owners_are_only_the_children_when_the_opener_let_go", owners::let_go),
    ("direction_on_a_path", direction::on_a_path),
    ("direction_on_loopback", direction::on_loopback),
    ("direction_after_the_listener_closed", direction::without_listener),
    ("mapped_addresses_appear_as_such_and_both_filters_match", kinds::mapped),
    ("udp_connected_and_unconnected", kinds::udp),
    ("mptcp_connection_is_shown", kinds::mptcp),
    ("every_mptcp_connection_of_a_listener_is_shown", kinds::several_mptcp),
    ("listen_backlog_and_overflows", listeners::backlog),
    ("what_a_syn_sent_socket_has_not_measured_is_unknown", unmeasured::syn_sent),
    ("queues_have_no_syn_and_no_fin", unmeasured::queues),
    ("each_namespace_under_its_name", namespaces::each_once),
    ("a_namespace_that_vanishes_is_no_crash", namespaces::vanishing),
];

fn main() -> ExitCode {
    let missing = fixture::missing();
    trials::run_all(TESTS.iter().map(|(name, test)| (*name, missing.clone(), *test)))
}

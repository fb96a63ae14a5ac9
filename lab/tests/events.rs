//! The events `conns` reports, against what the test itself did: each open, each close with its reason and owners, and a
//! storm of connections of which none may be missing.
//!
//! Each test has network namespaces of its own. One whose needs are not met is listed as ignored, by name and with the
//! reason; none passes silently.

#[path = "events/burst.rs"]
mod burst;
#[path = "events/closed.rs"]
mod closed;
#[path = "events/failed.rs"]
mod failed;
#[path = "events/fixture.rs"]
mod fixture;
#[path = "events/latency.rs"]
mod latency;
#[path = "events/opened.rs"]
mod opened;
#[path = "events/owners.rs"]
mod owners;
#[path = "events/resets.rs"]
mod resets;
#[path = "events/storm.rs"]
mod storm;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

use fixture::Requirement;

type Test = fn() -> anyhow::Result<()>;

/// What each needs, besides root and events.
const TESTS: &[(&str, &[Requirement], Test)] = &[
    ("a_storm_is_reported_by_closed", &[], storm::closed),
    ("a_storm_is_reported_by_events", &[], storm::events),
    ("a_storm_is_reported_by_an_agent", &[], storm::agent),
    ("a_storm_is_kept_by_a_history", &[], storm::history),
    ("an_agent_keeps_its_bounds_in_a_burst", &[], burst::bounds),
    ("refused", &[], failed::refused),
    ("timed_out", &[Requirement::Tun], failed::timed_out),
    ("unreachable_by_icmp_of_a_router", &[Requirement::Tun], failed::unreachable),
    ("prohibited_by_icmp_of_a_router", &[Requirement::Tun], failed::prohibited),
    ("without_a_route_nothing_happens", &[], failed::no_route),
    ("given_up", &[Requirement::Tun], failed::given_up),
    ("the_client_closes_first", &[], closed::client_first),
    ("the_server_closes_first", &[], closed::server_first),
    ("half_closed_for_a_while", &[], closed::half_closed),
    ("both_close_at_once", &[Requirement::Tun], closed::both_at_once),
    ("killed_with_open_connections", &[], closed::killed),
    ("reset_by_linger", &[Requirement::Accepts], resets::linger),
    ("reset_by_unread_data", &[], resets::unread),
    ("reset_by_data_after_close", &[], resets::late_data),
    ("never_accepted", &[], resets::never_accepted),
    ("a_connection_that_times_out", &[Requirement::Tun], resets::user_timeout),
    ("connect_latency_of_an_80_ms_path", &[Requirement::Tun], opened::latency),
    ("time_to_the_first_use", &[Requirement::Accepts], opened::first_use),
    ("events_between_samples_arrive_within_100_ms", &[], latency::at_most_100_ms_between_samples),
    ("ipv6_and_mapped_addresses", &[], opened::families),
    ("a_socket_that_connects_twice", &[], opened::twice),
    ("owners_of_both_sides", &[Requirement::Accepts], owners::both_sides),
    ("accepted_in_a_forked_child", &[Requirement::Python], owners::forked_child),
    ("accepted_by_the_parent_and_used_by_the_child", &[Requirement::Python], owners::handed_down),
    (
        "an_owner_in_a_pid_namespace",
        &[Requirement::Python, Requirement::Unshare],
        owners::pid_namespace,
    ),
];

fn main() -> ExitCode {
    let no_events = fixture::no_events();
    trials::run_all(TESTS.iter().map(|(name, needs, test)| {
        (*name, no_events.clone().or_else(|| fixture::missing(needs)), *test)
    }))
}

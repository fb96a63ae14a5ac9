//! Real clients, written by others, against a real `conns serve`: each in a network namespace of its own,
//! where the classic ports are free and the lines of the vendors' pages work to the letter.
//!
//! A test whose client is not installed is listed as ignored, by name and with the reason; none passes
//! silently. `lab/clients/install.sh` and the Makefile install them all.

#[path = "clients/browser.rs"]
mod browser;
#[path = "clients/ems.rs"]
mod ems;
#[path = "clients/fixture.rs"]
mod fixture;
#[path = "clients/jetstream.rs"]
mod jetstream;
#[path = "clients/monero.rs"]
mod monero;
#[path = "clients/native.rs"]
mod native;
#[path = "clients/node.rs"]
mod node;
#[path = "clients/one_e.rs"]
mod one_e;
#[path = "clients/remote.rs"]
mod remote;
#[path = "clients/requirements.rs"]
mod requirements;
#[path = "clients/rows.rs"]
mod rows;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

use requirements::Requirement::{self, Chromium, Curl, Monerod, Nc, Python, Root};

type Test = fn() -> anyhow::Result<()>;

const TESTS: &[(&str, &[Requirement], Test)] = &[
    ("monero_page_s_curl_line_to_the_letter", &[Root, Curl, Monerod], monero::curl_line),
    ("monero_rows_are_those_of_the_node_itself", &[Root, Monerod], rows::as_the_node),
    ("monerod_prints_our_list", &[Root, Monerod], monero::print_cn),
    ("monerod_logs_in_and_prints_our_list", &[Root, Curl, Monerod], monero::print_cn_with_login),
    ("monero_libraries", &[Root, Python], monero::libraries),
    ("monero_libraries_with_a_login", &[Root, Curl, Python], monero::libraries_with_login),
    ("monero_libraries_and_a_restricted_node", &[Root, Python], monero::restricted),
    ("ems_library_and_sockets", &[Root, Python], ems::library),
    ("ems_streams_of_a_recorded_server", &[Root, Python], ems::streams),
    ("ems_lines_through_nc", &[Root, Nc], ems::through_nc),
    ("ems_page_s_call_through_curl", &[Root, Curl], ems::through_curl),
    ("jetstream_over_http_and_in_lines", &[Root, Python], jetstream::both_ways),
    ("one_e_call_through_curl", &[Root, Curl], one_e::through_curl),
    ("browser_reads_the_docs_page", &[Root, Chromium], browser::docs),
    ("browser_page_of_another_origin_reads_nothing", &[Root, Chromium], browser::other_origin),
    ("browser_under_a_rebound_name_reads_nothing", &[Root, Chromium], browser::rebound_name),
    ("api_answers_match_its_document", &[Root, Python], native::as_documented),
    ("metrics_and_events_are_read_by_libraries", &[Root, Python], native::metrics_and_events),
    ("conns_with_an_agent_shows_what_conns_shows", &[Root], remote::same_as_here),
];

fn main() -> ExitCode {
    trials::run_all(
        TESTS.iter().map(|(name, needs, test)| {
            (*name, needs.iter().find_map(|need| need.missing()), *test)
        }),
    )
}

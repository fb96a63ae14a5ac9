//! A real `conns serve`: start and stop, access, dropped privileges, and reloading by SIGHUP.
//!
//! Each test has a network namespace of its own. One whose needs are not met is listed as ignored, by name and with
//! the reason; none passes silently.

#[path = "serve/access.rs"]
mod access;
#[path = "serve/fixture.rs"]
mod fixture;
#[path = "serve/lifecycle.rs"]
mod lifecycle;
#[path = "serve/link.rs"]
mod link;
#[path = "serve/privileges.rs"]
mod privileges;
#[path = "serve/reload.rs"]
mod reload;
#[path = "serve/serving_process.rs"]
mod serving_process;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

/// The programs each needs, besides root.
const TESTS: &[(&str, &[&str], Test)] = &[
    ("sigterm_ends_cleanly_with_clients_there", &[], lifecycle::sigterm),
    ("sigint_ends_cleanly", &[], lifecycle::sigint),
    ("a_restart_is_another_instance_on_the_same_port", &[], lifecycle::restart),
    ("two_agents_on_one_port_are_an_error", &[], lifecycle::same_port),
    ("two_agents_on_one_socket_file_are_an_error", &[], lifecycle::same_file),
    ("the_interval_is_kept", &[], lifecycle::interval),
    ("sighup_reads_the_configuration_again", &["curl"], reload::changes),
    ("a_broken_configuration_leaves_the_old_one_in_force", &["curl"], reload::broken),
    ("what_others_could_read_is_refused_with_a_remedy", &[], access::refused),
    ("insecure_is_the_operators_choice", &["curl"], access::insecure),
    ("tls_and_a_token_let_others_in", &["curl", "openssl"], access::tls_and_token),
    ("the_host_header_is_checked", &["curl"], access::host),
    ("the_socket_file_is_for_owner_and_group", &["curl"], access::socket_file),
    ("a_log_that_cannot_be_written_ends_nothing", &["curl", "ss", "setsid"], lifecycle::broken_log),
    ("with_too_few_descriptors_no_thread_serves_unconfined", &[], privileges::few_descriptors),
    ("privileges_are_dropped_and_reported", &[], privileges::dropped),
    ("owners_of_other_users_are_known_after_the_drop", &[], privileges::owners),
    ("a_namespace_made_later_is_a_stated_loss", &[], privileges::later_namespace),
    ("followed_namespaces_are_seen", &[], privileges::followed_namespace),
    ("a_serving_process_has_no_privilege_and_the_port", &[], serving_process::confined),
    ("a_serving_process_answers_in_every_way", &["curl"], serving_process::answers),
    ("a_serving_process_misses_no_change", &[], serving_process::changes),
    ("a_serving_process_gets_a_new_configuration", &["curl"], serving_process::reload),
    ("collector_and_serving_process_end_together", &[], serving_process::ends),
    ("a_hosted_link_sends_by_calls_with_a_token", &["curl"], link::one_process),
    ("a_hosted_link_sends_through_a_serving_process", &["curl"], link::serving_process),
    ("a_hosted_link_changes_nothing_without_tokens", &["curl"], link::without_tokens),
    ("a_hosted_link_that_does_not_start_is_an_error", &[], link::refused),
    ("a_hosted_link_that_ends_is_reported", &["curl"], link::ends),
    ("a_serving_process_is_the_default_where_others_can_connect", &[], serving_process::default),
];

fn main() -> ExitCode {
    trials::run_all(TESTS.iter().map(|(name, needs, test)| (*name, fixture::missing(needs), *test)))
}

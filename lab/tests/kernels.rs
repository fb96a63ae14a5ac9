//! The smallest truths, which hold on every kernel, whichever programs it accepts: `lab/kernels/run.sh` runs them on many.
//!
//! Without root every test is listed as ignored, by name; none passes silently.

#[path = "kernels/agent.rs"]
mod agent;
#[path = "kernels/events.rs"]
mod events;
#[path = "kernels/fixture.rs"]
mod fixture;
#[path = "kernels/list.rs"]
mod list;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("the_list_is_that_of_ss", list::as_ss),
    ("an_event_of_each_end_or_its_loss_is_reported", events::reported_or_lost),
    ("an_agent_answers_with_owners_and_abilities", agent::answers),
    ("why_judges_a_connection", list::why),
];

fn main() -> ExitCode {
    let missing = fixture::missing();
    trials::run_all(TESTS.iter().map(|(name, test)| (*name, missing.clone(), *test)))
}

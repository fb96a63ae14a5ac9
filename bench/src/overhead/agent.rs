//! The agent that watches, and the certainty that it does or does not.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;

/// Its first samples are its most expensive, and the kernel frees programs a while after their process ended.
const SETTLES: Duration = Duration::from_secs(2);
/// What must be at work, or there is nothing to measure.
const ABILITIES: [&str; 2] = ["ebpf-events", "ebpf-owner-changes"];

/// An agent at work.
pub(super) struct Watching {
    agent: Agent,
    home: Namespace,
}

impl Watching {
    /// Starts one, in a namespace of its own.
    pub(super) fn start(conns: &Path, tap: bool) -> anyhow::Result<Self> {
        let home = Namespace::create("agent")?;
        let conns = std::fs::canonicalize(conns).with_context(|| {
            format!("there is no {}: build it, or give --conns", conns.display())
        })?;
        let tapped = if tap { "--tap=true" } else { "--tap=false" };
        let agent = Agent::start(&conns, Some(&home), &["--listen", "http=127.0.0.1:0", tapped])?;
        let health = agent.health(Some(&home))?;
        for ability in ABILITIES.into_iter().chain(tap.then_some("ebpf-tap")) {
            let abilities =
                health["abilities"].as_array().context("the agent reports no abilities")?;
            let found = abilities.iter().find(|one| one["name"] == ability);
            let missing = found.with_context(|| format!("the agent has no ability {ability}"))?;
            let missing = &missing["missing"];
            ensure!(missing.is_null(), "the agent watches without {ability}: {missing}");
        }
        sleep(SETTLES);
        Ok(Self { agent, home })
    }

    /// Ends it.
    pub(super) fn end(self) -> anyhow::Result<()> {
        let Self { agent, home } = self;
        drop(agent);
        drop(home);
        sleep(SETTLES);
        Ok(())
    }
}

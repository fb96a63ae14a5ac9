//! The live page in real browsers, against a real `conns serve` and real sockets: the scenarios of
//! `web/tests/scenarios.mjs` and `content.mjs`, each in Chromium and in Firefox, in a network namespace of its own.
//!
//! One whose needs are not met is listed as ignored, by name and with the reason; none passes silently.

#[path = "common/trials.rs"]
mod trials;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::is_installed;

/// A scenario in both browsers.
macro_rules! scenarios {
    ($($name:literal),+ $(,)?) => {
        &[$(
            (concat!("chromium_", $name), || run("chromium", $name)),
            (concat!("firefox_", $name), || run("firefox", $name)),
        )+]
    };
}

type Scenario = (&'static str, fn() -> Result<()>);

const SCENARIOS: &[Scenario] = scenarios![
    "filter_as_typed",
    "complete_by_tab",
    "rows_hold_still",
    "freeze",
    "why",
    "sort_and_group",
    "views",
    "address_holds_state",
    "copy_and_export",
    "keyboard_only",
    "agent_restarts",
    "clock_is_set",
    "token",
    "two_tabs",
    "hostile_names",
    "narrow_and_zoomed",
    "cells_are_those_of_conns",
    "accessible_light",
    "accessible_dark",
    "media_streams",
    "running_transfers",
    "past",
    "past_streams",
];

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web")
}

fn missing(name: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces".to_owned());
    }
    let browser = if name.starts_with("firefox") { "firefox-esr" } else { "chromium" };
    let lacks = ["node", "python3", "nginx", "ffmpeg", browser]
        .into_iter()
        .find(|program| !is_installed(program));
    if let Some(program) = lacks {
        return Some(format!("there is no {program}"));
    }
    let is_there = web().join("node_modules/puppeteer-core").is_dir();
    (!is_there).then(|| "web/node_modules is missing: `make web-packages` installs it".to_owned())
}

fn run(browser: &str, scenario: &str) -> Result<()> {
    let mut command = Command::new("node");
    command.args(["tests/run.mjs", browser, scenario]).current_dir(web());
    command.env("CONNS", Conns::find(None)?.path().canonicalize()?);
    let output = Namespace::create("page")?.inside(|| command.output())?.context("running it")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{}: {printed}\n{errors}", output.status);
    Ok(())
}

/// The scenarios that the file has are those that are run.
fn all_are_run() -> Result<()> {
    let mut command = Command::new("node");
    command.args(["tests/run.mjs", "list"]).current_dir(web()).env("CONNS", "-");
    let output = command.output().context("listing the scenarios")?;
    let mut there: Vec<String> =
        String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    let mut run: Vec<&str> =
        SCENARIOS.iter().filter_map(|(name, _)| name.strip_prefix("chromium_")).collect();
    there.sort();
    run.sort_unstable();
    ensure!(there == run, "the file has {there:?}, and {run:?} are run");
    Ok(())
}

fn main() -> ExitCode {
    let more: &[Scenario] = &[("every_scenario_is_run", all_are_run)];
    trials::run_all(SCENARIOS.iter().chain(more).map(|(name, test)| (*name, missing(name), *test)))
}

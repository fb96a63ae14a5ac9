//! The systemd unit: it is valid, and grants what the agent keeps. Running it is not tested: that takes
//! a machine with systemd.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::harness::{Case, Need, same, shrunk};

pub(crate) const TESTS: &[Case] = &[
    Case("the_unit_is_valid_and_as_tight_as_documented", &[ANALYZE], valid),
    Case("the_unit_gives_what_is_kept", &[Need::Root], || gives(false)),
    Case("the_drop_in_gives_what_following_keeps", &[Need::Root], || gives(true)),
];

const ANALYZE: Need = Need::Program("systemd-analyze", "systemd");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

fn valid() -> Result<()> {
    let output = Command::new("sh").arg(folder().join("check.sh")).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {text}{errors}", output.status);
    // The page quotes the tool.
    let page = fs::read_to_string(folder().join("../../docs/privileges.md"))?;
    let levels = text.lines().filter_map(|line| line.strip_prefix("→ Overall exposure level for "));
    let levels: Vec<_> = levels.filter_map(|line| line.split_whitespace().nth(1)).collect();
    same("number of levels", levels.len(), 2)?;
    for level in levels {
        ensure!(page.contains(level), "docs/privileges.md does not name the level {level}");
    }
    Ok(())
}

/// All words after `key=` in the files.
fn words(key: &str, files: &[&str]) -> Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(folder().join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let line = line.with_context(|| format!("{file} has no {key}"))?;
        words.extend(line.split_whitespace().map(str::to_owned));
    }
    Ok(words)
}

fn gives(follow: bool) -> Result<()> {
    let files = match follow {
        true => &["conns.service", "follow-namespaces.conf"][..],
        false => &["conns.service"],
    };
    let ambient = words("AmbientCapabilities", files)?;
    let bounding = words("CapabilityBoundingSet", files)?;
    let kept: BTreeSet<_> = shrunk(follow)?.capabilities.into_iter().collect();
    same("AmbientCapabilities", &ambient, &kept)?;
    same("CapabilityBoundingSet", &bounding, &kept)
}

//! Entering a network namespace by its name under /run/netns.
//!
//! Only the network namespace changes: `ip netns exec` would also make a mount namespace and remount /sys,
//! whose cost would be charged to every command measured.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where iproute2 keeps named network namespaces.
pub(crate) const NAMED: &str = "/run/netns";

/// Moves the calling thread (and all it starts later) into the named network namespace.
pub(crate) fn enter(netns: &str) -> anyhow::Result<()> {
    let path = Path::new(NAMED).join(netns);
    let file = File::open(&path).with_context(|| {
        format!(
            "cannot open network namespace {}: name one that `ip netns list` shows",
            path.display()
        )
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).with_context(|| {
        format!("cannot enter network namespace {netns}: this needs root (CAP_SYS_ADMIN)")
    })
}

/// Enters the namespace and becomes the command; returns only on failure.
pub(crate) fn exec(netns: &str, command: &[String]) -> anyhow::Result<()> {
    enter(netns)?;
    let (program, arguments) =
        command.split_first().context("cannot run an empty command: give one after `--`")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| {
        format!("cannot execute {program} inside network namespace {netns}: is it installed?")
    })
}

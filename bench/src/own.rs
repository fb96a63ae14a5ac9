//! The path of this program, to start itself again as another task.

use std::path::PathBuf;

use anyhow::Context;

/// The path of the running `conns-bench`.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of conns-bench itself, needed to start its own parts; is /proc mounted?")
}

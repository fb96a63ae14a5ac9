//! The short form of `make soak`: a real agent with its default limits is attacked for some seconds, and everything
//! it promises must be kept. The long form is `conns-lab soak --for 8h`.
//!
//! Without root it is listed as ignored, by name.

#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use conns_lab::soak::{Options, run as soak};

/// Long enough for every attack to begin anew a few times; what vanished is forgotten within 14 s more.
const ATTACK: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let is_root = rustix::process::geteuid().is_root();
    let missing = (!is_root).then(|| "it needs root, to make a network namespace".to_owned());
    trials::run_all([
        ("everything_holds_under_attack", missing.clone(), one_process as fn() -> _),
        ("a_serving_process_holds_under_attack", missing, serving_process),
    ])
}

fn one_process() -> anyhow::Result<()> {
    attack(false)
}

fn serving_process() -> anyhow::Result<()> {
    attack(true)
}

/// With the memory of the unit.
fn attack(serving_process: bool) -> anyhow::Result<()> {
    let (idle_connections, idle, memory_mib) = (2000, 2000, 1024);
    let options = Options {
        attack: ATTACK,
        conns: None,
        seed: 1,
        idle_connections,
        idle,
        memory_mib,
        serving_process,
    };
    let verdict = soak(&options, |line| eprintln!("{line}"))?;
    ensure!(verdict.is_ok(), "{}", verdict.lines().join("\n"));
    Ok(())
}

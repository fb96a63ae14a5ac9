//! The short form of `make soak`: a real agent with its default limits is attacked for some seconds, and everything
//! it promises must hold. The long form is `conns-lab soak --for 8h`.
//!
//! Without root it is listed as ignored, by name.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use conns_lab::soak::{Order, run as soak};
use libtest_mimic::{Arguments, Trial, run};

/// Long enough for every attack to begin anew a few times; what vanished is forgotten within 14 s more.
const ATTACK: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("the attack is ignored: it needs root, to make a network namespace");
    }
    let name = "everything_holds_under_attack";
    let trial = Trial::test(name, || attack().map_err(|error| format!("{error:#}").into()));
    run(&arguments, vec![trial.with_ignored_flag(!is_root)]).exit_code()
}

fn attack() -> anyhow::Result<()> {
    let order = Order { attack: ATTACK, conns: None, seed: 1, crowd: 2000, idle: 2000 };
    let verdict = soak(&order, |line| eprintln!("{line}"))?;
    ensure!(verdict.holds(), "{}", verdict.lines().join("\n"));
    Ok(())
}

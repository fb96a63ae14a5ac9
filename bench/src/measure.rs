//! Runs one command and prints what it used, as the kernel accounted it.
//!
//! A process of its own per command, for two reasons: RUSAGE_CHILDREN then covers exactly one child, and the
//! kernel starts a child's peak memory at its parent's size, which here stays near 3 MB.

use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What one finished run of a command used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time outside the kernel, microseconds.
    pub(crate) user_us: u64,
    /// CPU time inside the kernel, microseconds.
    pub(crate) system_us: u64,
    /// From start to exit, microseconds.
    pub(crate) wall_us: u64,
    /// Largest resident set, KiB.
    pub(crate) peak_kib: u64,
    /// Exit status; -1 if a signal ended it.
    pub(crate) status: i32,
}

impl Usage {
    /// User and system time together, microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.user_us + self.system_us
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.user_us, self.system_us, self.wall_us, self.peak_kib, self.status
        )
    }
}

impl FromStr for Usage {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(words.len() == 5, "cannot read a measurement from {line:?}: five numbers expected");
        Ok(Usage {
            user_us: words[0].parse()?,
            system_us: words[1].parse()?,
            wall_us: words[2].parse()?,
            peak_kib: words[3].parse()?,
            status: words[4].parse()?,
        })
    }
}

/// Runs the command inside the namespace, its output discarded, and prints its [`Usage`] on one line.
pub(crate) fn measure(netns: &str, command: &[String]) -> anyhow::Result<()> {
    crate::inside::enter(netns)?;
    let (program, arguments) =
        command.split_first().context("cannot measure an empty command: give one after `--`")?;
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());

    let started = Instant::now();
    let status = child
        .status()
        .with_context(|| format!("cannot start {program} to measure it: is it installed?"))?;
    let wall = started.elapsed();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).with_context(|| {
        format!("cannot read what {program} used from getrusage(RUSAGE_CHILDREN)")
    })?;

    let usage = Usage {
        user_us: micros(used.user_time()),
        system_us: micros(used.system_time()),
        wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        peak_kib: u64::try_from(used.max_rss()).unwrap_or(0),
        status: status.code().unwrap_or(-1),
    };
    println!("{usage}");
    Ok(())
}

fn micros(time: TimeVal) -> u64 {
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000
        + u64::try_from(time.tv_usec()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_survives_being_printed() {
        let usage = Usage { user_us: 1, system_us: 2, wall_us: 3, peak_kib: 4, status: -1 };
        assert_eq!(usage.to_string().parse::<Usage>().unwrap(), usage);
        assert!("1 2 3".parse::<Usage>().is_err());
    }
}

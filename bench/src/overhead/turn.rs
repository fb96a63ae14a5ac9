//! What one turn came to.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Work done, and what it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Units of work.
    pub(super) done: f64,
    /// Time on the clock.
    pub(super) took: Duration,
    /// CPU time of the threads that did it, what the network did in their name included.
    pub(super) cpu: Duration,
}

impl Turn {
    /// Units a second.
    pub(super) fn rate(&self) -> f64 {
        self.done / self.took.as_secs_f64()
    }

    /// CPU time of one unit, microseconds.
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.done
    }
}

/// A clock and an account of the calling thread's CPU time.
pub(super) struct Meter {
    started: Instant,
    cpu: Duration,
}

impl Meter {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self { cpu: thread_cpu()?, started: Instant::now() })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What was used since the start.
    pub(super) fn stop(self, done: f64) -> anyhow::Result<Turn> {
        let took = self.started.elapsed();
        Ok(Turn { done, took, cpu: thread_cpu()? - self.cpu })
    }
}

fn thread_cpu() -> anyhow::Result<Duration> {
    let used = getrusage(UsageWho::RUSAGE_THREAD)
        .context("cannot read the CPU time of a thread from getrusage(RUSAGE_THREAD)")?;
    let of = |time: TimeVal| {
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
    };
    Ok(of(used.user_time()) + of(used.system_time()))
}

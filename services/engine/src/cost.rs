//! The resources that processes use, as the kernel accounts them.

use std::time::Duration;

use conns_core::model::Cost;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    fn read(clock: ClockId) -> Duration {
        Duration::try_from(clock_gettime(clock)).unwrap_or_default()
    }

    pub(super) fn thread_cpu() -> Duration {
        read(ClockId::ThreadCPUTime)
    }

    pub(super) fn process_cpu() -> Duration {
        read(ClockId::ProcessCPUTime)
    }

    /// CPU time of a process, in the ticks of 10 ms that the kernel reports it in: `utime` and `stime`
    /// (proc_pid_stat(5)).
    pub(super) fn cpu_of(process: u32) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The second field is a name in parentheses, which may have spaces itself.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
        Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Resident memory of a process (its pid, or `self`) and its peak, bytes: `VmRSS` and `VmHWM`
    /// (proc_pid_status(5)).
    pub(super) fn resident(process: &str) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let bytes_of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or(0) * 1024
        };
        (bytes_of("VmRSS:"), bytes_of("VmHWM:"))
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::time::Duration;

    pub(super) fn thread_cpu() -> Duration {
        Duration::ZERO
    }

    pub(super) fn process_cpu() -> Duration {
        Duration::ZERO
    }

    pub(super) fn resident(_: &str) -> (u64, u64) {
        (0, 0)
    }

    pub(super) fn cpu_of(_: u32) -> Option<Duration> {
        None
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    linux::thread_cpu()
}

/// The resources that this process has used so far; the sampler fills in those of the sample.
#[must_use]
pub fn of_process() -> Cost {
    let (resident_bytes, resident_peak_bytes) = linux::resident("self");
    Cost {
        cpu_us: micros(linux::process_cpu()),
        sample_cpu_us: 0,
        resident_bytes,
        resident_peak_bytes,
    }
}

/// The resources that another process of this agent uses, zero once it has ended.
#[must_use]
pub fn cost_of(process: u32) -> Cost {
    let (resident_bytes, resident_peak_bytes) = linux::resident(&process.to_string());
    let cpu_us = micros(linux::cpu_of(process).unwrap_or_default());
    Cost { cpu_us, sample_cpu_us: 0, resident_bytes, resident_peak_bytes }
}

/// Whole microseconds.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

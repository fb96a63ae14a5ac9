//! The resources this process uses, as the kernel accounts them.

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

    /// Resident memory and its peak, bytes: `VmRSS` and `VmHWM` (proc_pid_status(5)).
    pub(super) fn resident() -> (u64, u64) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
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

    pub(super) fn resident() -> (u64, u64) {
        (0, 0)
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    linux::thread_cpu()
}

/// The resources used so far; the sampler fills in those of the sample.
pub(crate) fn of_process() -> Cost {
    let (resident_bytes, resident_peak_bytes) = linux::resident();
    Cost {
        cpu_us: u64::try_from(linux::process_cpu().as_micros()).unwrap_or(u64::MAX),
        sample_cpu_us: 0,
        resident_bytes,
        resident_peak_bytes,
    }
}

//! Times of the kernel as moments.

use conns_contract::ClockOffsets;
use conns_core::model::Moment;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Converts times that programs in the kernel take.
pub(crate) struct KernelClock {
    now: Moment,
    /// `CLOCK_MONOTONIC` of the machine at `now`.
    kernel_now_ns: u64,
    /// The clocks of this process differ from those of the machine.
    offsets: ClockOffsets,
}

impl KernelClock {
    pub(crate) fn new() -> Self {
        Self { now: Moment::default(), kernel_now_ns: 0, offsets: ClockOffsets::of_process() }
    }

    /// Sets the time at which records are read.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.set(now, of_machine(ClockId::Monotonic, self.offsets.monotonic_ns));
    }

    /// Sets the time by both clocks.
    pub(crate) fn set(&mut self, now: Moment, kernel_now_ns: u64) {
        (self.now, self.kernel_now_ns) = (now, kernel_now_ns);
    }

    /// `CLOCK_BOOTTIME` of the machine, nanoseconds.
    pub(crate) fn since_boot_ns(&self) -> u64 {
        of_machine(ClockId::Boottime, self.offsets.boottime_ns)
    }

    /// Converts `CLOCK_MONOTONIC` of the machine by the clocks of `now`.
    pub(crate) fn moment(&self, kernel_ns: u64) -> Moment {
        let ago_us = self.kernel_now_ns.saturating_sub(kernel_ns) / 1000;
        Moment {
            monotonic_us: self.now.monotonic_us.saturating_sub(ago_us),
            wall_us: self.now.wall_us.saturating_sub_unsigned(ago_us),
        }
    }
}

fn of_machine(clock: ClockId, offset_ns: i64) -> u64 {
    ns(clock_gettime(clock)).saturating_sub_signed(offset_ns)
}

fn ns(time: Timespec) -> u64 {
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

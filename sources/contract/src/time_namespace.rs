//! The time namespace of this process (time_namespaces(7)): its clocks differ from those that programs in
//! the kernel read.

use std::fs;

/// What the namespace adds to the clocks of the machine, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockOffsets {
    /// To `CLOCK_MONOTONIC`.
    pub monotonic_ns: i64,
    /// To `CLOCK_BOOTTIME`.
    pub boottime_ns: i64,
}

impl ClockOffsets {
    /// Those of this process, from `/proc/self/timens_offsets`; 0 where the kernel has no time
    /// namespaces.
    #[must_use]
    pub fn of_process() -> Self {
        fs::read_to_string("/proc/self/timens_offsets")
            .map(|text| Self::parse(&text))
            .unwrap_or_default()
    }

    /// Lines such as `monotonic 864000 0`: seconds and nanoseconds. Before Linux 5.11 the clock is a
    /// number of `linux/time.h`.
    fn parse(text: &str) -> Self {
        let mut offsets = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let clock = words.next();
            let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
            let (Some(seconds), Some(ns)) = (number(), number()) else { continue };
            let offset_ns = seconds.saturating_mul(1_000_000_000).saturating_add(ns);
            match clock {
                Some("monotonic" | "1") => offsets.monotonic_ns = offset_ns,
                Some("boottime" | "7") => offsets.boottime_ns = offset_ns,
                _ => {}
            }
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_clocks_are_read() {
        let shifted = ClockOffsets { monotonic_ns: -5, boottime_ns: 8_000_000_000_000_000 };
        for text in [
            "monotonic           0        -5\nboottime      8000000         0\n",
            "1 0 -5\n7 8000000 0\n",
            "monotonic 0 -5\nother 1 1\nboottime 8000000 0\nboottime\n",
        ] {
            assert_eq!(ClockOffsets::parse(text), shifted, "{text}");
        }
        assert_eq!(ClockOffsets::parse("monotonic x 1\n"), ClockOffsets::default());
    }
}

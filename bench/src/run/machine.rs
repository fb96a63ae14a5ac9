//! What the result was measured on and with: processor, kernel, versions, date. No names, no paths.

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::contenders::{CONTENDERS, Program};

/// A machine and its tools at the start of a run.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// As /proc/cpuinfo names it.
    pub(crate) processor: String,
    /// Online cores.
    pub(crate) cores: usize,
    /// Physical memory, GiB.
    pub(crate) memory_gib: f64,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Runnable tasks averaged over the minute before.
    pub(crate) load: String,
    /// One line for each program measured.
    pub(crate) versions: Vec<String>,
    /// Seconds since 1970, UTC.
    started_s: u64,
}

impl Machine {
    /// Reads what it can; the rest is "unknown".
    pub(crate) fn read(conns: &Path) -> Machine {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kib = after(&meminfo, "MemTotal:")
            .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        Machine {
            processor: after(&cpuinfo, "model name")
                .map_or("unknown", |text| text.trim_start_matches([':', ' ']))
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.unwrap_or(0.0) / 1024.0 / 1024.0,
            kernel: if kernel.is_empty() { "unknown".to_owned() } else { kernel.trim().to_owned() },
            load: load
                .split(' ')
                .next()
                .filter(|text| !text.is_empty())
                .unwrap_or("unknown")
                .to_owned(),
            versions: versions(conns),
            started_s: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }

    /// What each result begins with: what it is, and where and with what it was measured. `how` stands before how long
    /// it took.
    pub(crate) fn heading(&self, title: &str, how: &str, took: Duration) -> String {
        let Self { processor, cores, memory_gib, kernel, load, versions, .. } = self;
        format!(
            "# {title} {}\n\n{processor}, {cores} cores, {memory_gib:.0} GiB, Linux {kernel}, load {load} at the start. \
             {how}{:.0} s in all.\n\n{}\n\n",
            self.stamp(),
            took.as_secs_f64(),
            versions.join(" · ")
        )
    }

    /// `2026-05-04T0302Z`, fit for a file name.
    pub(crate) fn stamp(&self) -> String {
        let (year, month, day) = date(self.started_s / 86_400);
        let minutes = self.started_s % 86_400 / 60;
        format!("{year:04}-{month:02}-{day:02}T{:02}{:02}Z", minutes / 60, minutes % 60)
    }
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

fn versions(conns: &Path) -> Vec<String> {
    let mut versions = Vec::new();
    let mut seen = Vec::new();
    for contender in CONTENDERS.iter().filter(|contender| contender.program != Program::Own) {
        if seen.contains(&contender.program) {
            continue;
        }
        seen.push(contender.program);
        let (name, flag) = match contender.program {
            Program::Conns => ("conns", "--version"),
            Program::Own => continue,
            Program::Peer("lsof") => ("lsof", "-v"),
            Program::Peer(name) => (name, "-V"),
        };
        let version = match contender.find(conns) {
            None => "not installed".to_owned(),
            Some(path) => ask(&path, flag).unwrap_or_else(|| "version unknown".to_owned()),
        };
        versions.push(if version.starts_with(name) {
            version
        } else {
            format!("{name}: {version}")
        });
    }
    versions
}

/// The first line of the answer; lsof answers on stderr, with a heading.
pub(crate) fn ask(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.ends_with("information:"))
        .map(str::to_owned)
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
        assert_eq!(date(20_454), (2026, 1, 1));
    }
}

//! A running `conns serve` in the fixture's namespace, and its figures in `/proc`.

use std::env::temp_dir;
use std::fs::read_to_string;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Mode;

/// Where it answers.
pub(crate) const PORT: u16 = 7979;
/// Which connections are listed as peers and as streams: those of the fixture in its namespace, by the ports it listens on.
fn fixture_filter(netns: &str) -> String {
    format!(
        "netns == \"{netns}\" and state == established and \
         (local_port in (7001, 7002, 7003, 7004) or remote_port in (7001, 7002, 7003, 7004))"
    )
}
/// For the start and the first sample of a million sockets.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// The default, which the environment of cargo overrides.
const HISTORY_SIZE: &str = "1GiB";
/// The unit of proc_pid_stat(5), which every kernel shows so to programs.
const USER_HZ: u64 = 100;
/// utime of proc_pid_stat(5), counted after the name, which may contain anything; stime follows.
const UTIME_AFTER_NAME: usize = 11;

/// The agent.
pub(crate) struct Served {
    child: Child,
    stderr: Receiver<String>,
    mode: Mode,
    /// The folder of its history, which is kept as by default.
    history: PathBuf,
}

impl Served {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(conns: &Path, netns: &str, mode: Mode) -> anyhow::Result<Self> {
        let filter = fixture_filter(netns);
        let history = temp_dir().join(format!("conns-bench-history-{}", std::process::id()));
        let mut child = Command::new(crate::own::program()?)
            .args(["inside", "--netns", netns, "--"])
            .arg(conns)
            .args(["serve", "--listen", &format!("http=127.0.0.1:{PORT}"), "--source", mode.source])
            .args(mode.has_serving_process.then_some("--serving-process=yes"))
            .arg("--history-path")
            .arg(history.join("history.db"))
            .args([
                "--history-size",
                HISTORY_SIZE,
                "--monero-peers",
                &filter,
                "--ems-streams",
                &filter,
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", conns.display()))?;
        let output = child.stderr.take().context("the agent has no standard error")?;
        let (sender, stderr) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let served = Self { child, stderr, mode, history };
        let mut lines = Vec::new();
        while let Ok(line) = served.stderr.recv_timeout(READY_TIMEOUT) {
            if line == "conns: ready" {
                return Ok(served);
            }
            lines.push(line);
        }
        bail!("the agent did not get ready: {}", lines.join("\n"))
    }

    /// How it was started.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// A file in `/proc` of each of its processes: its own, and that which serves clients.
    fn files(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let read = |process: &str| {
            let place = format!("/proc/{process}/{name}");
            let ended = || format!("cannot read {place}: has the agent ended?");
            read_to_string(&place).with_context(ended)
        };
        let own = self.child.id().to_string();
        let children = read_to_string(format!("/proc/{own}/task/{own}/children"))
            .context("cannot read the children of the agent")?;
        let files: Vec<String> = [&*own]
            .into_iter()
            .chain(children.split_whitespace())
            .map(read)
            .collect::<Result<_, _>>()?;
        let expected = if self.mode.has_serving_process { 2 } else { 1 };
        ensure!(files.len() == expected, "the agent has {} processes", files.len());
        Ok(files)
    }

    /// CPU time it used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let of_process = |stat: &String| {
            ticks(stat).with_context(|| format!("cannot read the CPU time in {stat:?}"))
        };
        let ticks: u64 = self.files("stat")?.iter().map(of_process).sum::<anyhow::Result<u64>>()?;
        Ok(Duration::from_millis(ticks * 1000 / USER_HZ))
    }

    /// A line of its status, in MB.
    pub(crate) fn megabytes(&self, key: &str) -> anyhow::Result<f64> {
        self.megabytes_in("status", key)
    }

    /// Memory in which a page counts once, be it that the process maps it twice, and as a share if others map it too, in MB.
    pub(crate) fn proportional_megabytes(&self) -> anyhow::Result<f64> {
        self.megabytes_in("smaps_rollup", "Pss")
    }

    fn megabytes_in(&self, file: &str, key: &str) -> anyhow::Result<f64> {
        let of_process = |status: &String| -> anyhow::Result<f64> {
            let kilobytes = status.lines().find_map(|line| {
                line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix(" kB")
            });
            let missing = || format!("no {key} in {file} of the agent");
            Ok(kilobytes.with_context(missing)?.parse()?)
        };
        let kilobytes: f64 =
            self.files(file)?.iter().map(of_process).sum::<anyhow::Result<f64>>()?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// Fails if it wrote to standard error.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.stderr.try_recv() {
            Ok(line) => bail!("the agent reported: {line}"),
            Err(_) => Ok(()),
        }
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        end(&self.child)?;
        let status = self.child.wait().context("cannot wait for the agent to end")?;
        ensure!(status.success(), "the agent ended with {status}");
        self.check()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already, or a run that failed.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.history);
    }
}

/// Asks a process to end.
pub(crate) fn end(child: &Child) -> anyhow::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot end process {}", child.id()))
}

/// CPU time that a process used so far.
pub(crate) fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let place = format!("/proc/{process}/stat");
    let stat = read_to_string(&place).with_context(|| format!("cannot read {place}"))?;
    let ticks = ticks(&stat).with_context(|| format!("cannot read the CPU time in {stat:?}"))?;
    Ok(Duration::from_millis(ticks * 1000 / USER_HZ))
}

fn ticks(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(UTIME_AFTER_NAME);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_is_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 21 4 0 0 20 0 4 0 99 1 1";
        assert_eq!(ticks(stat), Some(25));
        assert_eq!(ticks("7 (a"), None);
    }
}

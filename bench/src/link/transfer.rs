//! One transfer of one payload by one tool, timed from the start of the sender to its success.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::host::Host;
use super::payload::Payload;

/// How exactly the end of a sender is timed.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// How exactly an arrival is timed: sampling ten thousand files takes a while.
const ARRIVAL_INTERVAL: Duration = Duration::from_millis(100);

/// What a transfer took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) wall: Duration,
    pub(super) cpu_of_sender: Duration,
    pub(super) cpu_of_receiver: Duration,
    /// Share of the time in which a process of either host waited for a processor.
    pub(super) waited: f64,
}

/// How a tool's transfer ended, if the tool did not fail; `None` if the limit came first.
pub(super) type Ended = anyhow::Result<Option<Timing>>;

/// What a tool needs to know.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) from: &'a Host<'a>,
    pub(super) to: &'a Host<'a>,
    pub(super) payload: &'a Payload,
    /// The folder at the receiver that the payload is put into.
    pub(super) target: PathBuf,
    /// Rate of the path; `None` on loopback.
    pub(super) rate_bits: Option<u64>,
    /// A transfer that takes longer is ended.
    pub(super) limit: Duration,
    pub(super) conns: &'a Path,
    /// Where cargo installed programs for this.
    pub(super) peers: &'a Path,
}

/// When a transfer is over.
enum Condition<'a> {
    /// The sender has ended well.
    SenderEnded,
    /// So has the receiver.
    BothEnded,
    /// Every file is at the receiver under its name.
    Arrived(&'a Path),
}

impl Transfer<'_> {
    /// The payload, as text.
    pub(super) fn source(&self) -> String {
        self.payload.source().display().to_string()
    }

    /// The folder at the receiver, as text.
    pub(super) fn target(&self) -> String {
        self.target.display().to_string()
    }

    /// A program that cargo installed for this, else one of the system.
    pub(super) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        find(name, self.conns, self.peers).with_context(|| format!("{name} is not installed"))
    }

    /// Runs the sender; its success is the end.
    pub(super) fn send(&self, program: &Path, arguments: &[&str]) -> Ended {
        self.time(program, arguments, Condition::SenderEnded)
    }

    /// Runs the sender; the end is when it and the one server of the receiver have ended.
    pub(super) fn send_to_the_end(&self, program: &Path, arguments: &[&str]) -> Ended {
        self.time(program, arguments, Condition::BothEnded)
    }

    /// Runs a sender that does not end; the end is when every file is at the receiver.
    pub(super) fn send_until_arrived(&self, program: &Path, arguments: &[&str]) -> Ended {
        self.time(program, arguments, Condition::Arrived(&self.target))
    }

    /// Measures from now until `work` is done.
    pub(super) fn timed(&self, work: impl FnOnce(Instant) -> anyhow::Result<bool>) -> Ended {
        let cpu = || anyhow::Ok((self.from.group.cpu()?, self.to.group.cpu()?));
        let (sender, receiver) = cpu()?;
        let waited = self.waited();
        let start = Instant::now();
        if !work(start + self.limit)? {
            return Ok(None);
        }
        let wall = start.elapsed();
        let (sender_after, receiver_after) = cpu()?;
        Ok(Some(Timing {
            wall,
            cpu_of_sender: sender_after.saturating_sub(sender),
            cpu_of_receiver: receiver_after.saturating_sub(receiver),
            waited: share(waited, self.waited(), wall),
        }))
    }

    /// How long processes of each host waited for a processor.
    pub(super) fn waited(&self) -> [Duration; 2] {
        [self.from, self.to].map(|host| host.group.waited().unwrap_or_default())
    }

    fn time(&self, program: &Path, arguments: &[&str], condition: Condition<'_>) -> Ended {
        self.timed(|until| {
            let child = self.from.spawn("sender", program, arguments)?;
            let mut sender = Process { child };
            while Instant::now() < until {
                let ended = sender.ended()?;
                if ended.is_some_and(|status| !status.success()) {
                    bail!("the sender failed: {}", self.from.log("sender"));
                }
                let (is_over, interval) = match condition {
                    Condition::SenderEnded => (ended.is_some(), POLL_INTERVAL),
                    Condition::BothEnded => {
                        let is_over = ended.is_some() && self.to.ended_server()?.is_some();
                        (is_over, POLL_INTERVAL)
                    }
                    Condition::Arrived(target) => {
                        (self.payload.has_arrived(target), ARRIVAL_INTERVAL)
                    }
                };
                if is_over {
                    return Ok(true);
                }
                sleep(interval);
            }
            Ok(false)
        })
    }
}

/// The larger share of two hosts.
pub(super) fn share(before: [Duration; 2], after: [Duration; 2], wall: Duration) -> f64 {
    let of = |at: usize| after[at].saturating_sub(before[at]).as_secs_f64() / wall.as_secs_f64();
    f64::max(of(0), of(1))
}

/// Where a program is: one that cargo installed for this comes before that of the system.
pub(super) fn find(name: &str, conns: &Path, peers: &Path) -> Option<PathBuf> {
    if name == "conns" {
        return std::fs::canonicalize(conns).ok();
    }
    let installed = std::fs::canonicalize(peers.join("bin").join(name)).ok();
    installed.or_else(|| crate::run::contenders::find_installed(name))
}

/// A process of a transfer; dropping it kills it.
pub(super) struct Process {
    pub(super) child: Child,
}

impl Process {
    /// Whether it has ended, and how.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask whether the sender runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

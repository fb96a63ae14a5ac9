//! A watcher at work: started with what it reports going to a file, given time, and ended.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use conns_lab::netns::Namespace;
use rustix::process::{Pid, Signal, kill_process};

use super::watchers::Sampler;

/// Time to start: no watcher reports when it is ready, and the slowest compiles a program first.
const BEFORE: Duration = Duration::from_secs(6);
/// Time for watchers that report once a second.
const AFTER: Duration = Duration::from_secs(5);
/// For writing what is left; one that still runs is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a line in which a watcher complains; the rest explains no more.
const MAX_MESSAGE: usize = 160;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A watcher at work; dropping it kills it.
pub(super) struct Watch {
    child: Child,
    folder: Folder,
    reports_in_file: bool,
}

/// What it reported.
pub(super) struct Reported {
    folder: Folder,
    reports_in_file: bool,
    was_killed: bool,
}

struct Folder(PathBuf);

/// Starts it, and gives it time. The inner error is why it does not run, which is a result too.
pub(super) fn start(
    sampler: &Sampler,
    program: &Path,
    namespace: &Namespace,
) -> anyhow::Result<Result<Watch, String>> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let place = std::env::temp_dir().join(format!("conns-bench-{}-{number}", std::process::id()));
    std::fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let folder = Folder(place);
    let mut command = Command::new(program);
    command
        .args(sampler.arguments(&folder.file("log").display().to_string()))
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null())
        .stdout(File::create(folder.file("out")).context("cannot make a file for its output")?)
        .stderr(
            File::create(folder.file("stderr"))
                .context("cannot make a file for its standard error")?,
        );
    let child = namespace.spawn(&mut command)?;
    let mut watch = Watch { child, folder, reports_in_file: sampler.reports_in_file };
    sleep(BEFORE);
    if let Some(status) = watch.child.try_wait().context("cannot ask whether it runs")? {
        let stderr = watch.folder.stderr();
        return Ok(Err(format!("does not run here ({status}): {stderr}")));
    }
    Ok(Ok(watch))
}

impl Watch {
    /// Gives it time to report, and stops it as Ctrl-C does.
    pub(super) fn finish(mut self) -> anyhow::Result<Reported> {
        sleep(AFTER);
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
        // A shell in the background of nothing ignores no signal, but ends at once only by this one.
        for signal in [Signal::INT, Signal::TERM] {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
            if self.has_ended_within(STOP_TIMEOUT / 2)? {
                return Ok(self.reported(false));
            }
        }
        self.child.kill().context("cannot kill it")?;
        self.child.wait().context("cannot wait for its end")?;
        Ok(self.reported(true))
    }

    fn has_ended_within(&mut self, time: Duration) -> anyhow::Result<bool> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.child.try_wait().context("cannot ask whether it has ended")?.is_some() {
                return Ok(true);
            }
            sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    fn reported(mut self, was_killed: bool) -> Reported {
        let folder = Folder(std::mem::take(&mut self.folder.0));
        Reported { folder, reports_in_file: self.reports_in_file, was_killed }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Ended already, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reported {
    /// Every line it reported.
    pub(super) fn lines(&self) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>>> {
        let name = if self.reports_in_file { "log" } else { "out" };
        let place = self.folder.file(name);
        let file =
            File::open(&place).with_context(|| format!("cannot open {}", place.display()))?;
        Ok(BufReader::new(file).lines())
    }

    /// What is worth knowing of how it went.
    pub(super) fn remark(&self) -> Option<String> {
        let stderr = self.folder.stderr();
        let killed = self.was_killed.then(|| "had to be killed".to_owned());
        let stderr = (!stderr.is_empty()).then(|| format!("stderr: {stderr}"));
        let both: Vec<String> = killed.into_iter().chain(stderr).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }
}

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The first line of its complaints and the last.
    fn stderr(&self) -> String {
        let mut bytes = Vec::new();
        if let Err(error) =
            File::open(self.file("stderr")).and_then(|mut file| file.read_to_end(&mut bytes))
        {
            return format!("its complaints cannot be read: {error}");
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let cut = |line: &str| line.chars().take(MAX_MESSAGE).collect::<String>();
        match (lines.next().map(cut), lines.next_back().map(cut)) {
            (None, _) => String::new(),
            (Some(only), None) => only,
            (Some(first), Some(last)) => format!("{first} … {last}"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is harmless; an empty name is that of a folder passed on.
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

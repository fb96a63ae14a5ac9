//! Start, stop, restart.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::health::{Schedule, Snapshot};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::fixture::{Folder, HTTP, STOP_TIMEOUT, TIMEOUT, agent, conns, curl, failing_start};

/// With an idle client, one in the middle of a request and a subscriber it ends, and leaves nothing behind.
pub(crate) fn sigterm() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let folder = Folder::create()?;
    let file = folder.path("run/conns.sock");
    let unix = format!("unix:{}", file.display());
    let all = [&unix, "http=127.0.0.1:7979", "monero=:18081", "ems-json=:1112"];
    let arguments: Vec<&str> = all.iter().flat_map(|one| ["--listen", one]).collect();
    let mut agent = agent(&namespace, &arguments)?;
    ensure!(file.exists(), "there is no {}", file.display());
    let idle = agent.connect(Some(&namespace), "ems-json")?;
    let mut halfway = agent.connect(Some(&namespace), "monero")?;
    halfway
        .write_all(b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")?;
    let mut subscriber = agent.connect(Some(&namespace), "http")?;
    subscriber.write_all(b"GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    subscriber.read_exact(&mut [0; 64]).context("waiting for the stream to begin")?;
    let reported = Instant::now();
    agent.signal(Signal::TERM)?;
    // The one in the middle of its request has `stop_time` to end it, and is closed then.
    let status = agent.wait(STOP_TIMEOUT + Duration::from_secs(2))?;
    let took = reported.elapsed();
    ensure!(status.code() == Some(0), "it ended with {status}: {:?}", agent.stderr_lines());
    ensure!(!file.exists(), "{} was left behind", file.display());
    drop((idle, halfway, subscriber));
    let again = Agent::start(&crate::fixture::conns()?, Some(&namespace), &arguments)
        .with_context(|| format!("starting on the same ports, {took:?} after the signal"))?;
    ensure!(again.get(Some(&namespace), "/health")?.status == 200, "the second does not answer");
    Ok(())
}

/// As from a terminal; without clients it does not wait.
pub(crate) fn sigint() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let mut agent = agent(&namespace, &["--listen", HTTP])?;
    let reported = Instant::now();
    agent.signal(Signal::INT)?;
    let status = agent.wait(STOP_TIMEOUT)?;
    ensure!(status.code() == Some(0), "it ended with {status}: {:?}", agent.stderr_lines());
    let took = reported.elapsed();
    ensure!(took < Duration::from_secs(3), "without clients it took {took:?}");
    Ok(())
}

/// `SIGHUP` writes to the log: with a full disk from the start, and after the reader of a pipe has closed it.
pub(crate) fn broken_log() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    for script in [
        "exec \"$0\" serve --listen http=127.0.0.1:7979 2>/dev/full",
        "\"$0\" serve --listen http=127.0.0.1:7979 2>&1 >/dev/null | head -n 1",
    ] {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).arg(conns()?).stdout(Stdio::null());
        let mut child = namespace.spawn(&mut command)?;
        let outcome = survives(&namespace);
        let group = Pid::from_child(&child);
        kill_process_group(group, Signal::TERM)?;
        child.wait()?;
        outcome.with_context(|| script.to_owned())?;
    }
    Ok(())
}

/// The agent answers, also after two reloads.
fn survives(namespace: &Namespace) -> Result<()> {
    let answers = || curl(namespace, &["http://127.0.0.1:7979/health"]);
    wait_for("an answer", TIMEOUT, || Ok(answers().ok().filter(|(status, _)| *status == 200)))?;
    for _ in 0..2 {
        let listing = namespace.output("ss", &["-Htlnp", "sport = :7979"])?;
        let pid = listing.split("pid=").nth(1).and_then(|rest| rest.split(',').next());
        let pid: i32 = pid.with_context(|| format!("no agent in {listing}"))?.parse()?;
        let pid = Pid::from_raw(pid).context("no pid")?;
        kill_process(pid, Signal::HUP)?;
        let (status, body) = answers()?;
        ensure!(status == 200, "{status}: {body}");
    }
    Ok(())
}

fn instance(agent: &Agent, namespace: &Namespace) -> Result<String> {
    let health = agent.health(Some(namespace))?;
    let instance = health.pointer("/snapshot/instance").and_then(Value::as_str);
    instance.map(str::to_owned).with_context(|| format!("no instance in {health}"))
}

/// Sequence numbers of another instance mean nothing, so it has another number.
pub(crate) fn restart() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let arguments = ["--listen", "http=127.0.0.1:7979"];
    let mut first = agent(&namespace, &arguments)?;
    let before = instance(&first, &namespace)?;
    ensure!(before == instance(&first, &namespace)?, "the instance changes while it runs");
    first.signal(Signal::TERM)?;
    first.wait(STOP_TIMEOUT)?;
    let second = agent(&namespace, &arguments)?;
    let after = instance(&second, &namespace)?;
    ensure!(before != after, "both starts are called {before}");
    Ok(())
}

pub(crate) fn same_port() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let first = agent(&namespace, &["--listen", "http=127.0.0.1:7979"])?;
    let second = failing_start(&namespace, &["--listen", "http=127.0.0.1:7979"])?;
    let stderr = String::from_utf8_lossy(&second.stderr);
    ensure!(second.status.code() == Some(1), "it ended with {}: {stderr}", second.status);
    for words in ["127.0.0.1:7979", "choose another port"] {
        ensure!(stderr.contains(words), "{words:?} is not in: {stderr}");
    }
    ensure!(first.get(Some(&namespace), "/health")?.status == 200, "the first does not answer");
    Ok(())
}

pub(crate) fn same_file() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let folder = Folder::create()?;
    let unix = format!("unix:{}", folder.text("run/conns.sock"));
    let first = agent(&namespace, &["--listen", &unix, "--listen", HTTP])?;
    let second = failing_start(&namespace, &["--listen", &unix])?;
    let stderr = String::from_utf8_lossy(&second.stderr);
    ensure!(second.status.code() == Some(1), "it ended with {}: {stderr}", second.status);
    ensure!(stderr.contains(&unix) && stderr.contains("choose another path"), "stderr: {stderr}");
    ensure!(folder.path("run/conns.sock").exists(), "the second removed the file of the first");
    ensure!(first.get(Some(&namespace), "/health")?.status == 200, "the first does not answer");
    Ok(())
}

/// Samples lie on a grid of the interval that was asked for. A busy machine makes samples late or skips some, and the agent
/// reports both; apart from that, the time between two samples is a multiple of the interval.
pub(crate) fn interval() -> Result<()> {
    const INTERVAL: Duration = Duration::from_millis(200);
    const INTERVALS: u64 = 15;
    /// What may pass between the moment a sample is found late and the moment it is dated.
    const UNREPORTED: Duration = INTERVAL;
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP, "--interval", "200ms"])?;
    let sample = || -> Result<(Snapshot, Schedule)> {
        let health = agent.health(Some(&namespace))?;
        ensure!(health["interval_us"] == 200_000, "the interval is {}", health["interval_us"]);
        Ok((Snapshot::read(&health)?, Schedule::read(&health)?))
    };
    let wait_until = |sequence: u64| {
        wait_for(&format!("sample {sequence}"), TIMEOUT, || {
            Ok(Some(sample()?).filter(|(snapshot, _)| snapshot.sequence >= sequence))
        })
    };
    // The first sample is made before the sampler's thread starts, outside of the grid.
    let (start, _) = sample()?;
    let (first, first_schedule) = wait_until(start.sequence + 2)?;
    let (last, last_schedule) = wait_until(first.sequence + INTERVALS)?;
    let skipped = last_schedule.skipped - first_schedule.skipped;
    let intervals = u32::try_from(last.sequence - first.sequence + skipped)?;
    let expected = INTERVAL * intervals;
    let elapsed = Duration::from_micros(u64::try_from(last.at_us - first.at_us)?);
    let slack = last_schedule.lateness_max + UNREPORTED;
    ensure!(
        elapsed.abs_diff(expected) <= slack,
        "{intervals} intervals of {INTERVAL:?} took {elapsed:?}, more than {slack:?} off; \
         {skipped} samples were skipped"
    );
    Ok(())
}

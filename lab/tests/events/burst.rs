//! A burst: connections come as fast as this machine makes them. What `docs/agent-safety.md` states of memory holds, `/health`
//! is answered, and each event is reported or counted as lost.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use conns_lab::netns::Namespace;
use conns_lab::storm::{Options, Served, Storm};

use crate::fixture::{conns, lab};

/// More a second than the machine can make, so that the clients never wait.
const OPTIONS: Options = Options { rate: 50_000, time: Duration::from_secs(2) };
const MIB: u64 = 1 << 20;
/// What the agent may use beyond what it has at rest, by `docs/agent-safety.md`: `MAX_EVENTS`, `MAX_BUFFERED_EVENTS` and the
/// batch behind them, the rings, which are mapped twice, the state of the connections, and first bytes and decoders.
const MAX_GROWTH: u64 = (196 + 113 + 2 * 20 + 80 + 128) * MIB;
/// What each socket takes; a connection leaves one in TIME-WAIT for a minute.
const SOCKET_BYTES: u64 = 4300;
/// How long `/health` may take while all processors are busy with the burst; lists take longer.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);
/// Between two requests; a sample is taken each second.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// An agent, followed by a client that reads all events.
pub(crate) fn bounds() -> Result<()> {
    let namespace = Namespace::create("burst")?;
    let storm = Storm::prepare(&lab(), &namespace, OPTIONS)?;
    let served = Served::start(conns()?.path())?;
    let pid = served.agent().pid();
    let at_rest = resident(pid, "VmRSS:")?;
    let is_over = AtomicBool::new(false);
    let (done, answers) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&served, &is_over));
        let done = storm.run();
        is_over.store(true, Ordering::Relaxed);
        (done, asking.join())
    });
    let done = done?;
    let asked = answers.map_err(|_| anyhow!("the thread that asks panicked"))??;
    let Asked { answers, slowest, sockets } = asked;
    let grown = resident(pid, "VmHWM:")?.saturating_sub(at_rest);
    let allowed = MAX_GROWTH + sockets * SOCKET_BYTES;
    let figures = format!(
        "{:.0} connections a second for {:.1?}, {sockets} sockets, {answers} answers of /health, the slowest in {slowest:.0?}, \
         {} MiB more than the {} at rest; at most {} are allowed",
        done.rate(),
        done.took,
        grown / MIB,
        at_rest / MIB,
        allowed / MIB
    );
    eprintln!("{figures}");
    ensure!(answers > 0 && slowest <= MAX_ANSWER_TIME, "{figures}");
    ensure!(grown <= allowed, "{figures}");
    let report = served.finish(&done, &namespace)?;
    ensure!(report.is_all_counted(), "{figures}\n{report}");
    Ok(())
}

/// What asking for `/health` during the burst showed.
#[derive(Default)]
struct Asked {
    answers: u64,
    /// The longest time until an answer.
    slowest: Duration,
    /// The most sockets in a sample.
    sockets: u64,
}

/// Asks for `/health` until the burst is over.
fn ask(served: &Served, is_over: &AtomicBool) -> Result<Asked> {
    let mut found = Asked::default();
    while !is_over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let health = served.health()?;
        found.slowest = found.slowest.max(asked.elapsed());
        found.sockets =
            found.sockets.max(health["sockets"].as_u64().context("no sockets in /health")?);
        found.answers += 1;
        thread::sleep(ASK_INTERVAL);
    }
    Ok(found)
}

/// Bytes of a line of `/proc/PID/status` (proc(5)).
fn resident(pid: u32, key: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the agent {pid} has ended"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("no {key} in {status}"))?;
    Ok(kilobytes * 1024)
}

//! One transfer, sampled while it runs.

use std::path::{Path as FilePath, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use conns_lab::oracle::ss;
use conns_lab::path::{A4, B4, Path, Queue, Shape};
use conns_lab::process::Peer;

use super::super::Scratch;
use super::super::host::Host;
use super::super::payload::{Payload, bytes_below};
use super::super::tools::conns::prepare;
use super::super::transfer::{Process, Transfer, share};
use super::{Figures, Plan, QUEUE_MS, RATE_MBIT};

/// Between two samples of the queue.
const QUEUE_INTERVAL: Duration = Duration::from_millis(5);
/// Samples of the queue for each of the bytes at the receiver.
const QUEUE_SAMPLES: u32 = 20;
/// When the steady part begins.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// Share of the file at which it ends: after that the transfer only waits for lost packets and the commit.
const STEADY_SHARE: f64 = 0.98;
/// The flow that starts second comes this much later.
const LEAD: Duration = Duration::from_secs(5);
/// The end of a shared run that counts.
const COUNTED: Duration = Duration::from_secs(20);
const TCP_PORT: u16 = 7000;
const CUBIC_PORT: u16 = 7001;

/// Builds the path of a run.
fn path(rtt: u32, loss: f64, round: u32) -> anyhow::Result<Path> {
    let shape = |seed: u32| Shape {
        loss: loss / 100.0,
        rate_bits: Some(RATE_MBIT * 1_000_000),
        queue: Queue::Bytes(RATE_MBIT * QUEUE_MS * 1_000 / 8),
        seed: seed.into(),
        ..Shape::delay(Duration::from_millis(rtt.into()) / 2)
    };
    Path::build(shape(2 * round + 1), shape(2 * round + 2))
}

fn mbit(bytes: u64, time: Duration) -> f64 {
    bytes as f64 * 8.0 / 1e6 / time.as_secs_f64()
}

/// Both hosts of a path, and where the payload goes.
struct Ends<'a> {
    from: Host<'a>,
    to: Host<'a>,
    target: PathBuf,
    _folder: Scratch,
}

impl<'a> Ends<'a> {
    fn new(path: &'a Path, scratch: &FilePath) -> anyhow::Result<Self> {
        let folder = Scratch(scratch.join("hosts"));
        let from = Host::new(path.a(), A4, folder.0.join("a"))?;
        let to = Host::new(path.b(), B4, folder.0.join("b"))?;
        let target = to.folder.join("in");
        std::fs::create_dir_all(&target)?;
        Ok(Self { from, to, target, _folder: folder })
    }

    /// Starts the sender with this rate method.
    fn start(&self, plan: &Plan, payload: &Payload, method: &str) -> anyhow::Result<Process> {
        let transfer = Transfer {
            from: &self.from,
            to: &self.to,
            payload,
            target: self.target.clone(),
            rate_bits: None,
            limit: Duration::from_secs(plan.limit),
            conns: &plan.conns,
            peers: FilePath::new(""),
        };
        let prepared = prepare(&transfer, plan.relayed)?;
        let mut arguments: Vec<&str> = prepared.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--method", method]);
        Ok(Process { child: self.from.spawn("sender", &prepared.program, &arguments)? })
    }
}

/// A transfer that has the path for itself.
pub(super) fn alone(
    plan: &Plan,
    rtt: u32,
    loss: f64,
    round: u32,
    payload: &Payload,
    scratch: &FilePath,
) -> anyhow::Result<Figures> {
    let path = path(rtt, loss, round)?;
    let ends = Ends::new(&path, scratch)?;
    let mut sender = ends.start(plan, payload, "low")?;
    let start = Instant::now();
    let waited = || [&ends.from, &ends.to].map(|host| host.group.waited().unwrap_or_default());
    let waited_before = waited();
    let mut samples = Samples { queue: Vec::new(), bytes: Vec::new() };
    let whole = loop {
        if let Some(status) = sender.ended()? {
            if !status.success() {
                bail!("the sender failed: {}", ends.from.log("sender"));
            }
            break mbit(payload.bytes, start.elapsed());
        }
        let time = start.elapsed();
        if time.as_secs() >= plan.limit {
            let percent = bytes_below(&ends.target) * 100 / payload.bytes;
            bail!("not finished within {} s, {percent} % had arrived", plan.limit);
        }
        samples.take(time, &path, &ends.target);
    };
    let waited = share(waited_before, waited(), start.elapsed()) * 100.0;
    payload.check(&ends.target)?;
    samples.figures(whole, waited, payload.bytes).context("it ended before 5 s: send a larger file")
}

/// What was sampled of a transfer.
struct Samples {
    queue: Vec<(Duration, f64)>,
    bytes: Vec<(Duration, u64)>,
}

impl Samples {
    /// Takes one of the bytes, and several of the queue.
    fn take(&mut self, time: Duration, path: &Path, target: &FilePath) {
        let start = Instant::now();
        self.bytes.push((time, bytes_below(target)));
        for _ in 0..QUEUE_SAMPLES {
            let delay = path.queueing_delay_a_to_b().as_secs_f64() * 1e3;
            self.queue.push((time + start.elapsed(), delay));
            sleep(QUEUE_INTERVAL);
        }
    }

    fn figures(&self, whole: f64, waited: f64, size: u64) -> Option<Figures> {
        let last = self.bytes.iter().find(|(_, bytes)| *bytes as f64 >= size as f64 * STEADY_SHARE);
        let (end, bytes) = *last.or(self.bytes.last())?;
        let (begin, before) = *self.bytes.iter().find(|(time, _)| *time >= STEADY_AFTER)?;
        if end <= begin {
            return None;
        }
        let is_steady = |time: &Duration| (begin..=end).contains(time);
        let mut queue: Vec<f64> =
            self.queue.iter().filter(|(time, _)| is_steady(time)).map(|(_, ms)| *ms).collect();
        queue.sort_by(f64::total_cmp);
        let at = |percent: usize| queue.get(queue.len() * percent / 100).copied();
        Some(Figures {
            whole,
            steady: mbit(bytes.saturating_sub(before), end - begin),
            queue_median: at(50)?,
            queue_p95: at(95)?,
            waited,
        })
    }
}

/// What shares the path with a TCP flow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flow<'a> {
    /// A transfer of this payload.
    Link(&'a Payload),
    /// A TCP flow with CUBIC, for comparison.
    Cubic,
}

/// The flow that is measured, while it runs.
enum Running {
    Link(Process),
    Cubic(#[allow(dead_code, reason = "ends the flow when dropped")] Peer),
}

/// A flow and one TCP flow on the same path; Mbit/s of both in the last 20 s.
pub(super) fn shared(
    plan: &Plan,
    rtt: u32,
    congestion: &str,
    is_tcp_first: bool,
    flow: Flow<'_>,
    scratch: &FilePath,
) -> anyhow::Result<(f64, f64)> {
    let path = path(rtt, 0.0, 0)?;
    let ends = Ends::new(&path, scratch)?;
    let program = crate::own::program()?;
    let listen =
        |port| Peer::start(&program, path.b(), &format!("listen --at {B4}:{port} --do sink"));
    let _servers = [listen(TCP_PORT)?, listen(CUBIC_PORT)?];
    let connect = |port, congestion| {
        let command = format!("connect --to {B4}:{port} --congestion {congestion} --do flood");
        Peer::start(&program, path.a(), &command)
    };
    let start = || {
        anyhow::Ok(match flow {
            Flow::Link(payload) => Running::Link(ends.start(plan, payload, "fair")?),
            Flow::Cubic => Running::Cubic(connect(CUBIC_PORT, "cubic")?),
        })
    };
    let mut running = None;
    if !is_tcp_first {
        running = Some(start()?);
        sleep(LEAD);
    }
    let _client = connect(TCP_PORT, congestion)?;
    if is_tcp_first {
        sleep(LEAD);
        running = Some(start()?);
    }
    sleep(Duration::from_secs(plan.fair_seconds.into()).saturating_sub(LEAD + COUNTED));
    let bytes = || {
        let of_flow = match flow {
            Flow::Link(_) => bytes_below(&ends.target),
            Flow::Cubic => acknowledged(&path, CUBIC_PORT)?,
        };
        anyhow::Ok((of_flow, acknowledged(&path, TCP_PORT)?))
    };
    let before = bytes()?;
    let start = Instant::now();
    sleep(COUNTED);
    let after = bytes()?;
    let time = start.elapsed();
    if let Some(Running::Link(sender)) = &mut running
        && let Some(status) = sender.ended()?
    {
        bail!("the sender ended too early with {status}: {}", ends.from.log("sender"));
    }
    Ok((mbit(after.0.saturating_sub(before.0), time), mbit(after.1.saturating_sub(before.1), time)))
}

/// Bytes of a TCP flow that arrived, as the kernel of the sender counts them.
fn acknowledged(path: &Path, port: u16) -> anyhow::Result<u64> {
    let rows = ss(path.a(), "ti")?;
    let row = rows.iter().find(|row| row.remote.port() == port);
    let bytes = row.and_then(|row| row.number("bytes_acked"));
    Ok(bytes.context("ss shows no bytes_acked of the TCP flow")? as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_part_is_from_5_s_to_98_percent() {
        let second = Duration::from_secs(1);
        let megabytes = [0, 1, 2, 3, 4, 5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 99, 99, 99, 100];
        let bytes = megabytes.iter().enumerate();
        let samples = Samples {
            bytes: bytes
                .map(|(at, megabytes)| (second * at as u32, megabytes * 1_000_000))
                .collect(),
            queue: (0..1800).map(|at| (second * at / 100, f64::from(at / 100))).collect(),
        };
        let figures = samples.figures(44.4, 1.0, 100_000_000).unwrap();
        // 94 MB in ten seconds.
        assert!((figures.steady - 75.2).abs() < 1e-9, "{figures:?}");
        assert!((figures.queue_median - 10.0).abs() < 1e-9, "{figures:?}");
        assert!((figures.queue_p95 - 14.0).abs() < 1e-9, "{figures:?}");
        let short = Samples { bytes: samples.bytes[..4].to_vec(), queue: samples.queue };
        assert!(short.figures(44.4, 1.0, 3_000_000).is_none());
    }
}

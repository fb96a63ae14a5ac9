//! An agent that watches live streams.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::Context;
use conns_lab::netns::Namespace;
use serde_json::Value;

use crate::agent::DEFAULT;
use crate::agent::served::{PORT as AGENT, Served};

use super::rtmp::{Role, dialogue, picture};
use super::{PORT, Plan};

/// Between two pictures of a stream.
const INTERVAL: Duration = Duration::from_millis(40);
/// Before the agent is measured.
const SETTLES: Duration = Duration::from_secs(3);

/// How many streams there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) publishers: u32,
    pub(super) players: u32,
    /// Of each.
    pub(super) bits_per_s: u64,
}

/// What an agent used meanwhile.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) load: Load,
    pub(super) megabits_per_s: f64,
    /// Of a core.
    pub(super) percent: f64,
    pub(super) resident_mb: f64,
    pub(super) proportional_mb: f64,
    pub(super) peak_mb: f64,
    /// Ends of connections of RTMP with a stream.
    pub(super) shown: usize,
    pub(super) gap_bytes: u64,
}

/// Starts an agent, then the streams, and measures it.
pub(super) fn watch(plan: &Plan, load: Load) -> anyhow::Result<Watched> {
    eprintln!("an agent watches {load:?} for {} s", plan.watch);
    let namespace = Namespace::create("media")?;
    let served = Served::start(&plan.conns, namespace.name(), DEFAULT)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let senders = open(&namespace, load, &is_over)?;
    let stop = is_over.clone();
    let picture = picture((load.bits_per_s / 8 * INTERVAL.as_millis() as u64 / 1000) as usize);
    let sender = spawn(move || send(senders, &picture, &stop));
    sleep(SETTLES);
    let (cpu, started) = (served.cpu()?, Instant::now());
    sleep(Duration::from_secs(plan.watch.into()));
    let (cpu, took) = (served.cpu()?.saturating_sub(cpu), started.elapsed());
    let (resident_mb, peak_mb) = (served.megabytes("VmRSS")?, served.megabytes("VmHWM")?);
    let proportional_mb = served.proportional_megabytes()?;
    let conns = plan.conns.display().to_string();
    let agent = format!("http://127.0.0.1:{AGENT}");
    let columns = "app_gap_bytes,rtmp.stream";
    let words = ["--agent", &agent, "-o", "jsonl", "--columns", columns, "app == rtmp"];
    let listed = namespace.output(&conns, &words)?;
    is_over.store(true, Ordering::Relaxed);
    let sent = sender.join().ok().context("the sender failed")?;
    served.end()?;
    let rows: Vec<Value> = listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(Watched {
        load,
        megabits_per_s: sent.0 as f64 * 8.0 / 1e6 / sent.1.as_secs_f64(),
        percent: 100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
        resident_mb,
        proportional_mb,
        peak_mb,
        shown: rows.iter().filter(|row| row["rtmp.stream"].is_string()).count(),
        gap_bytes: rows.iter().filter_map(|row| row["app_gap_bytes"].as_u64()).sum(),
    })
}

/// Opens the connections; returns the ends that send media. A thread of its own reads what each sends.
fn open(
    namespace: &Namespace,
    load: Load,
    is_over: &Arc<AtomicBool>,
) -> anyhow::Result<Vec<TcpStream>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = namespace.inside(|| TcpListener::bind(address))??;
    let mut senders = Vec::new();
    for number in 0..load.publishers + load.players {
        let is_publisher = number < load.publishers;
        let mut client = namespace.inside(|| TcpStream::connect(address))??;
        let mut server = listener.accept()?.0;
        let name = format!("stream{}", number % load.publishers);
        let role = if is_publisher { Role::Publish } else { Role::Play };
        for (is_of_client, bytes) in dialogue(&name, role) {
            let (from, to) =
                if is_of_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            from.write_all(&bytes)?;
            to.read_exact(&mut vec![0; bytes.len()])?;
        }
        let (sender, mut reader) = if is_publisher { (client, server) } else { (server, client) };
        senders.push(sender);
        let is_over = is_over.clone();
        spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !is_over.load(Ordering::Relaxed) && matches!(reader.read(&mut buffer), Ok(1..)) {}
        });
    }
    Ok(senders)
}

/// Sends a picture on each, time and again; returns the bytes and how long it took.
fn send(mut senders: Vec<TcpStream>, picture: &[u8], is_over: &AtomicBool) -> (u64, Duration) {
    let started = Instant::now();
    let (mut due, mut bytes) = (started, 0);
    while !is_over.load(Ordering::Relaxed) {
        for sender in &mut senders {
            if sender.write_all(picture).is_ok() {
                bytes += picture.len() as u64;
            }
        }
        due += INTERVAL;
        sleep(due.saturating_duration_since(Instant::now()));
    }
    (bytes, started.elapsed())
}

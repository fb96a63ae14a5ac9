//! Runs a storm: servers, clients, and the records of both.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::record::{End, Side, read_ends};
use super::schedule::{MAX_CONNECTIONS, Number, PROCESSES};
use crate::netns::Namespace;
use crate::process::Peer;

/// More TIME-WAIT sockets than any storm leaves. Without room for one the kernel answers the peer's FIN with RST, and the
/// connection does not close as its schedule has it.
const MAX_TIME_WAITS: &str = "1000000";
/// How much longer than planned a storm may take.
const SLACK: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The size of a storm.
#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// Connections begun each second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// For how long: `10s`, `1m`.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = crate::soak::span)]
    pub time: Duration,
}

impl Options {
    /// Connections in all.
    pub fn count(&self) -> u64 {
        (self.time.as_secs_f64() * self.rate as f64).round() as u64
    }
}

/// The name of the processes of one side.
pub fn process_name(side: &str, number: u64) -> String {
    format!("storm-{side}-{number}")
}

/// The processes of a storm, ready to start.
#[derive(Debug)]
pub struct Storm {
    options: Options,
    servers: Vec<Peer>,
    clients: Vec<Peer>,
    folder: Folder,
}

/// A finished storm.
#[derive(Debug)]
pub struct Done {
    /// Both ends of all connections.
    pub ends: Vec<End>,
    /// From the first connect to the last close.
    pub took: Duration,
    /// The largest delay of a connect behind its schedule.
    pub latest: Duration,
    /// The process of each side and number.
    pids: HashMap<(Side, u64), u32>,
}

impl Storm {
    /// Starts the processes inside `namespace`; `program` is one that has the roles of `conns-lab peer`.
    pub fn prepare(program: &Path, namespace: &Namespace, options: Options) -> Result<Self> {
        let count = options.count();
        ensure!(
            (1..=MAX_CONNECTIONS).contains(&count),
            "a storm has 1 to {MAX_CONNECTIONS} connections, not {count}"
        );
        namespace.set("net/ipv4/tcp_max_tw_buckets", MAX_TIME_WAITS)?;
        let folder = Folder::create()?;
        let start = |side: &str, number: u64, more: String| {
            let record = folder.record(side, number);
            let record = record.display();
            let run = format!("storm-{side} --number {number} --record {record} {more}");
            Peer::start(program, namespace, &run)
        };
        let servers = (0..PROCESSES)
            .map(|number| start("server", number, String::new()))
            .collect::<Result<Vec<_>>>()?;
        let more = format!("--rate {} --count {}", options.rate, count);
        let clients = (0..PROCESSES)
            .map(|number| start("client", number, more.clone()))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { options, servers, clients, folder })
    }

    /// Starts the clients, waits until they are done, and stops the processes. Fails if a single connection deviates from its
    /// schedule.
    pub fn run(mut self) -> Result<Done> {
        for client in &mut self.clients {
            client.send("go")?;
        }
        let mut done = Done {
            ends: Vec::new(),
            took: Duration::ZERO,
            latest: Duration::ZERO,
            pids: HashMap::new(),
        };
        let within = self.options.time * 3 + SLACK;
        for client in &mut self.clients {
            let done_event = client.wait("done", within)?;
            let time = |key: &str| done_event[key].as_u64().map(Duration::from_micros);
            done.took = done.took.max(time("took_us").context("a client reported no time")?);
            done.latest = done.latest.max(time("latest_us").context("a client reported no time")?);
        }
        for server in &mut self.servers {
            server.send("report")?;
            server.wait("done", STOP_TIMEOUT)?;
        }
        for (side, name, peers) in
            [(Side::Client, "client", &self.clients), (Side::Server, "server", &self.servers)]
        {
            for (number, peer) in (0..).zip(peers) {
                done.pids.insert((side, number), peer.pid());
                done.ends.extend(read_ends(&self.folder.record(name, number))?);
            }
        }
        let expected = 2 * self.options.count();
        ensure!(
            done.ends.len() as u64 == expected,
            "the storm itself recorded {} ends instead of {expected}",
            done.ends.len()
        );
        Ok(done)
    }
}

impl Done {
    /// Of the ends and processes given.
    #[cfg(test)]
    pub(super) fn of(ends: Vec<End>, pids: &[(Side, u64, u32)]) -> Self {
        let pids = pids.iter().map(|(side, number, pid)| ((*side, *number), *pid)).collect();
        Self { ends, took: Duration::from_secs(1), latest: Duration::ZERO, pids }
    }

    /// Connections of the storm.
    pub fn count(&self) -> u64 {
        self.ends.len() as u64 / 2
    }

    /// Connections a second that were reached.
    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.took.as_secs_f64()
    }

    /// The process of an end.
    pub fn pid(&self, end: &End) -> u32 {
        self.pids.get(&(end.side, process_of(end))).copied().unwrap_or(0)
    }

    /// The name of that process.
    pub fn process(&self, end: &End) -> String {
        let side = match end.side {
            Side::Client => "client",
            Side::Server => "server",
        };
        process_name(side, process_of(end))
    }
}

fn process_of(end: &End) -> u64 {
    let number = Number(end.number);
    match end.side {
        Side::Client => number.client(),
        Side::Server => number.server(),
    }
}

/// A temporary folder for files.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn create() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conns-storm-{}-{number}", std::process::id());
        let place = std::env::temp_dir().join(name);
        std::fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        Ok(Self(place))
    }

    fn record(&self, side: &str, number: u64) -> PathBuf {
        self.file(&format!("{side}-{number}"))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is harmless.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

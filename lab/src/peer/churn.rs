//! The role `churn`: connections that are opened and closed at a rate, beside a stable set.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::stdio::{COMMANDS, emit, park};
use super::{Knobs, socket};

/// Arguments of `churn`; the other side is `listen --do answer:16:16`.
#[derive(Args, Clone, Debug)]
pub struct Churn {
    /// Where to.
    #[arg(long)]
    to: SocketAddr,
    /// Connections per second.
    #[arg(long)]
    per_second: u64,
    /// Connections opened before and kept.
    #[arg(long, default_value_t = 0)]
    stable: usize,
}

const MESSAGE: [u8; 16] = [7; 16];
/// Several threads, so that one slow handshake does not break the rate.
const THREADS: u64 = 4;

impl Churn {
    pub(super) fn run(&self) -> Result<()> {
        COMMANDS.listen();
        let stable = (0..self.stable)
            .map(|_| socket::connected(&self.to, None, &Knobs::default()))
            .collect::<Result<Vec<TcpStream>>>()?;
        let done: &'static AtomicU64 = Box::leak(Box::default());
        for thread in 0..THREADS {
            let role = self.clone();
            std::thread::spawn(move || role.come_and_go(thread, done));
        }
        let locals =
            stable.iter().map(TcpStream::local_addr).collect::<std::io::Result<Vec<_>>>()?;
        emit(&json!({"event": "ready", "locals": locals}));
        COMMANDS.wait("report");
        emit(&json!({"event": "report", "exchanged": done.load(Relaxed)}));
        park()
    }

    fn come_and_go(&self, thread: u64, done: &AtomicU64) {
        let every = Duration::from_nanos(1_000_000_000 * THREADS / self.per_second.max(1));
        let mut next = Instant::now() + every * u32::try_from(thread).unwrap_or(0) / 4;
        loop {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += every;
            let Ok(mut stream) = socket::connected(&self.to, None, &Knobs::default()) else {
                continue;
            };
            let mut answer = MESSAGE;
            if stream.write_all(&MESSAGE).and_then(|()| stream.read_exact(&mut answer)).is_ok() {
                done.fetch_add(1, Relaxed);
            }
        }
    }
}

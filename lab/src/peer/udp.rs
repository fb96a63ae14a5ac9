//! The role `udp`: a bound socket, connected or not, silent or sending, always read.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::stdio::{COMMANDS, emit, park};

/// Arguments of `udp`.
#[derive(Args, Clone, Debug)]
pub struct Udp {
    /// Address and port to bind to.
    #[arg(long)]
    at: SocketAddr,
    /// Connects to this address.
    #[arg(long)]
    to: Option<SocketAddr>,
    /// Milliseconds between two datagrams of 100 bytes (needs `--to`).
    #[arg(long)]
    every_ms: Option<u64>,
}

impl Udp {
    pub(super) fn run(&self) -> Result<()> {
        COMMANDS.listen();
        let socket =
            UdpSocket::bind(self.at).with_context(|| format!("binding UDP to {}", self.at))?;
        if let Some(to) = self.to {
            socket.connect(to).with_context(|| format!("connecting UDP to {to}"))?;
        }
        emit(&json!({"event": "ready", "local": socket.local_addr()?}));
        let reader = socket.try_clone().context("sharing the socket with the thread that reads")?;
        std::thread::spawn(move || {
            let mut datagram = [0; 2048];
            // A queue that fills would be a slow reader, which is another scenario; refusals are part of UDP.
            loop {
                let _ = reader.recv(&mut datagram);
            }
        });
        while let Some(pause) = self.every_ms {
            // A refused datagram (no receiver) is part of UDP.
            let _ = socket.send(&[7; 100]);
            std::thread::sleep(Duration::from_millis(pause));
        }
        park()
    }
}

//! The traffic peers: small programs which make one kind of traffic, as processes of their own so that pid and owner are real.
//!
//! Every peer writes `ready` to standard output once its sockets are in the expected state, obeys words on standard
//! input (`fin`, `report`, `close`), and ends when that input closes.

mod churn;
mod owners;
mod socket;
mod stdio;
mod storm;
mod stream;
mod udp;
mod work;

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Args, Subcommand};

pub use work::Work;

/// One peer and its arguments.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Listen; every accepted connection does the given work.
    Listen(Listen),
    /// Connect and do the given work.
    Connect(Connect),
    /// Start connections without waiting for them, and keep their sockets.
    Knock(Knock),
    /// Open, exchange and close connections at a rate, beside a stable set.
    Churn(churn::Churn),
    /// A UDP socket, connected if `--to` is given.
    Udp(udp::Udp),
    /// Connect, and share the socket with children, by inheritance or by descriptor passing.
    Share(owners::Share),
    /// The side of a storm that connects.
    StormClient(storm::Client),
    /// The side of a storm that accepts.
    StormServer(storm::Server),
    /// (started by `share`) Keep the inherited descriptors.
    #[command(hide = true)]
    Keep,
    /// (started by `share`) Receive a descriptor on standard input and keep it.
    #[command(hide = true)]
    Take,
}

/// Options of every TCP socket.
#[derive(Args, Clone, Debug)]
pub struct Knobs {
    /// SO_SNDBUF in bytes, as set (the kernel doubles it).
    #[arg(long)]
    sndbuf: Option<usize>,
    /// SO_RCVBUF in bytes, as set (the kernel doubles it).
    #[arg(long)]
    rcvbuf: Option<usize>,
    /// Congestion control algorithm; set on each socket, because a namespace may not choose a default that its host
    /// restricts.
    #[arg(long, default_value = "cubic")]
    congestion: String,
    /// TCP_NODELAY.
    #[arg(long)]
    nodelay: bool,
    /// IPPROTO_MPTCP instead of TCP.
    #[arg(long)]
    mptcp: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            sndbuf: None,
            rcvbuf: None,
            congestion: "cubic".to_owned(),
            nodelay: false,
            mptcp: false,
        }
    }
}

/// Arguments of `listen`.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address and port to listen on.
    #[arg(long)]
    at: SocketAddr,
    /// What each accepted connection does.
    #[arg(long = "do", default_value = "sink")]
    work: Work,
    /// The backlog given to listen(2).
    #[arg(long, default_value_t = 1024)]
    backlog: i32,
    /// Never accept.
    #[arg(long)]
    no_accept: bool,
    /// Close the listening socket after this many connections.
    #[arg(long)]
    accept: Option<usize>,
    #[command(flatten)]
    knobs: Knobs,
}

/// Arguments of `connect`.
#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// Where to.
    #[arg(long)]
    to: SocketAddr,
    /// Local port to bind to first.
    #[arg(long)]
    from_port: Option<u16>,
    /// How many connections.
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// First open a connection and close it: the kernel applies a route's locked metrics only when it already has metrics
    /// of the destination.
    #[arg(long)]
    visit_first: bool,
    /// What each connection does.
    #[arg(long = "do", default_value = "flood")]
    work: Work,
    #[command(flatten)]
    knobs: Knobs,
}

/// Arguments of `knock`.
#[derive(Args, Clone, Debug)]
pub struct Knock {
    /// Where to.
    #[arg(long)]
    to: SocketAddr,
    /// How many connections in all.
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Milliseconds between two of them; 0 starts all before `ready`.
    #[arg(long, default_value_t = 0)]
    every_ms: u64,
}

impl Role {
    /// Plays the role until standard input closes.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Listen(role) => stream::listen(&role),
            Self::Connect(role) => stream::connect(&role),
            Self::Knock(role) => stream::knock(&role),
            Self::Churn(role) => role.run(),
            Self::Udp(role) => role.run(),
            Self::Share(role) => role.run(),
            Self::StormClient(role) => role.run(),
            Self::StormServer(role) => role.run(),
            Self::Keep => owners::keep(),
            Self::Take => owners::take(),
        }
    }
}

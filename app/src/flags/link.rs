//! The flags of `conns link`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use conns_core::units::{self, Dimension, Number};
use conns_link::{PortRange, PublicKey, RelayAddress};
use conns_transfer::rate::{BytesPerSecond, Method};
use conns_transfer::record::{DEFAULT_PRIORITY, Overwrite, Word};

const LINK_HELP: &str = "\
A link server has a key, and its public key (ck1…) is its name: a sender names the receiver's, and a receiver may allow
some senders only. All that is sent is encrypted, compared with its BLAKE3 hash, and resumed after an interruption.

Examples:
  conns link keygen --out KEYFILE                        make a key, and print its public key
  conns link serve --listen 0.0.0.0:8886 --folder /srv/in --allow ck1…
                                                         receive files of one sender
  conns link send backup.tar ck1…@host                   send a file
  conns link send photos ck1…@host --to 2026 --rate 50Mbit/s
                                                         send a folder below the folder 2026, at most at this rate
  conns link queue                                       what is sent and what waits
  conns link connections --json                          what JetStream's getConnections answers";

/// Transfers between hosts: send and receive files, encrypted and at a controlled rate
#[derive(Debug, Args)]
#[command(after_help = LINK_HELP)]
pub(crate) struct LinkFlags {
    #[command(subcommand)]
    pub(crate) command: LinkCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// Make a key file, and print the public key
    Keygen(KeygenFlags),
    /// Receive files, and send what is queued, until a signal stops it
    Serve(ServeFlags),
    /// Send files and folders
    Send(SendFlags),
    /// List transfers
    Queue(QueueFlags),
    /// Stop a transfer for now
    Pause(ChangeFlags),
    /// Continue a transfer that was paused, or try one again at once
    Resume(ChangeFlags),
    /// End a transfer, and remove what the receiver has of it
    Cancel(ChangeFlags),
    /// List the connections to destinations
    Connections(ConnectionsFlags),
    /// Change rates and method of a destination, at once
    Set(SetFlags),
    /// Relay transfers to receivers that accept no incoming connection
    Relay(RelayFlags),
}

#[derive(Debug, Args)]
pub(crate) struct KeygenFlags {
    /// The file to write; it must not exist
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) out: PathBuf,
}

/// Which server.
#[derive(Debug, Args)]
pub(crate) struct KeyFlag {
    /// The key file [default: one of this user, made when it is needed first]
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeFlags {
    /// Address and UDP port to receive at
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8886")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    /// The folder that files are written below
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Public key of a sender that may connect; repeatable [default: any sender]
    #[arg(long, value_name = "ck1…")]
    pub(crate) allow: Vec<PublicKey>,
    /// Receive through this relay too
    #[arg(long, value_name = "ck1…@HOST[:PORT]")]
    pub(crate) relay: Option<RelayAddress>,
    /// Rate that all senders together may use, such as 500Mbit/s [default: the one set before, or none]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) incoming_limit: Option<BytesPerSecond>,
    /// Rate that all destinations together may use [default: the one set before, or none]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) outgoing_limit: Option<BytesPerSecond>,
    /// Drop all privileges, answer calls on standard input, a unix socket, and end with it: as a part of `conns serve`
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
    /// Likewise, as the process between `conns serve` and this server, which starts it again when it ends
    #[arg(long, hide = true, conflicts_with = "until_stdin_ends")]
    pub(crate) supervise: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SendFlags {
    /// Files and folders, then the destination, ck1…@HOST or ck1…@HOST:PORT; the port is 8886 unless given
    #[arg(required = true, num_args = 1.., value_names = ["PATH", "DESTINATION"])]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    /// The folder, below that of the receiver, to write to
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<OsString>,
    /// Order in the queue; the lower number is sent first
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PRIORITY, allow_negative_numbers = true)]
    pub(crate) priority: i64,
    /// Which existing files are replaced
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = OverwriteFlag::Never)]
    pub(crate) overwrite: OverwriteFlag,
    #[command(flatten)]
    pub(crate) rates: RateFlags,
    /// Send through this relay; the destination is then the receiver's ck1… alone
    #[arg(long, value_name = "ck1…@HOST[:PORT]")]
    pub(crate) relay: Option<String>,
    /// Queue it and return, if a link server runs
    #[arg(long)]
    pub(crate) detach: bool,
    /// Print no progress
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print the finished transfer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Rates of a destination.
#[derive(Debug, Args, Clone)]
pub(crate) struct RateFlags {
    /// The rate: that of the method fixed, and a bound of the others; such as 200Mbit/s
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<BytesPerSecond>,
    /// Never send slower, whatever the path does
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) min: Option<BytesPerSecond>,
    /// Never send faster
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) max: Option<BytesPerSecond>,
    /// How the rate is chosen [default: low]
    #[arg(long, value_enum, value_name = "METHOD")]
    pub(crate) method: Option<MethodFlag>,
}

impl RateFlags {
    /// Whether none is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.rate.is_none() && self.min.is_none() && self.max.is_none() && self.method.is_none()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodFlag {
    /// At --rate, whatever is lost or delayed
    Fixed,
    /// Fills the path, and yields to other traffic
    Low,
    /// Fills the path, and holds its share beside TCP
    Fair,
}

impl From<MethodFlag> for Method {
    fn from(flag: MethodFlag) -> Self {
        match flag {
            MethodFlag::Fixed => Self::Fixed,
            MethodFlag::Low => Self::Low,
            MethodFlag::Fair => Self::Fair,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverwriteFlag {
    /// None
    Never,
    /// Those of the same size, and empty ones
    Same,
    /// All
    Always,
}

impl OverwriteFlag {
    /// The word of the control calls.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Never => Overwrite::Never.word(),
            Self::Same => Overwrite::Same.word(),
            Self::Always => Overwrite::Always.word(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct QueueFlags {
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    /// Those that ended too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print JSON: what JetStream's getTransfers answers
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeFlags {
    /// The transfer, as `conns link queue` lists it
    #[arg(value_name = "TRANSFER")]
    pub(crate) transfer: String,
    #[command(flatten)]
    pub(crate) key: KeyFlag,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionsFlags {
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    /// Print JSON: what JetStream's getConnections answers
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SetFlags {
    /// The destination: ck1…@HOST or ck1…@HOST:PORT, or its id
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    #[command(flatten)]
    pub(crate) rates: RateFlags,
    /// Print JSON: the destination as it is then
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RelayFlags {
    /// Address and TCP port of the control connections; transfers use UDP ports of the same address
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8887")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) key: KeyFlag,
    /// Public key of a receiver that may register; repeatable [default: any]
    #[arg(long, value_name = "ck1…")]
    pub(crate) allow: Vec<PublicKey>,
    /// Rate that the flows of one receiver may use
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<BytesPerSecond>,
    /// UDP ports of transfers, two each, such as 40000-41999 for 1000, which a firewall opens by range [default: any free ones]
    #[arg(long, value_name = "FIRST-LAST")]
    pub(crate) udp_ports: Option<PortRange>,
}

/// A rate of at least a kilobit a second, with a unit.
pub(crate) fn parse_rate(text: &str) -> Result<BytesPerSecond, String> {
    let rate = match units::parse(text, Dimension::BytesPerSecond, false) {
        Ok(Number::Whole(rate)) => Some(rate),
        Ok(Number::Real(rate)) => Some(rate as u64),
        Err(_) => None,
    };
    match rate {
        Some(rate) if rate >= 125 => Ok(BytesPerSecond(rate)),
        Some(_) => Err(format!("`{text}` is below 1kbit/s")),
        None => Err(format!("expected a rate such as 200Mbit/s or 5MB/s, found `{text}`")),
    }
}

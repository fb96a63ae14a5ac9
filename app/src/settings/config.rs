//! The values of all settings.

use std::path::PathBuf;
use std::time::Duration;

use conns_core::query::Filter;
use conns_dialects::monero::Era;
use conns_server::{Limits, ListenSpec, TokenHash};

use super::link::Link;
use super::parse::{HostName, Login, ProcessName, ServingProcess, UserName};
use crate::flags::SourceChoice;

/// The configuration of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Time between two samples.
    pub(crate) interval: Duration,
    /// Half of the longest time that a verdict covers; at least two intervals.
    pub(crate) window: Duration,
    /// Where connections are read from.
    pub(crate) source: SourceChoice,
    /// Whether payload is decoded.
    pub(crate) tap: bool,
    /// The file with the key of the field `pair`.
    pub(crate) pair_key: Option<PathBuf>,
    /// Whether decoded URIs are shown with passwords and tokens.
    pub(crate) show_credentials: bool,
    /// Processes besides media servers whose media files are listed.
    pub(crate) files_of: Vec<ProcessName>,
    /// Whether Monero nodes are asked for what their handshakes before the agent announced.
    pub(crate) ask_daemons: bool,
    /// Whether to sample namespaces created after the start, which keeps `CAP_SYS_ADMIN`.
    pub(crate) follow_namespaces: bool,
    /// The account to run as once everything is open; `None` selects the default of the privileges.
    pub(crate) user: Option<UserName>,
    /// When clients are served from a process of its own.
    pub(crate) serving_process: ServingProcess,
    /// Protocols and addresses to listen on.
    pub(crate) listen: Vec<ListenSpec>,
    /// Whether other machines are served without TLS and token.
    pub(crate) insecure: bool,
    /// Names accepted in `Host` besides addresses and `localhost`.
    pub(crate) hosts: Vec<HostName>,
    /// Hashes of the bearer tokens; without any, no token is required.
    pub(crate) tokens: Vec<TokenHash>,
    /// Certificate and key.
    pub(crate) tls: Tls,
    /// Limits of what clients can use.
    pub(crate) limits: Limits,
    /// The Monero API.
    pub(crate) monero: Monero,
    /// The EMS API.
    pub(crate) ems: Ems,
    /// The link server.
    pub(crate) link: Link,
    /// Maximum processes and remote addresses with time series of their own.
    pub(crate) metrics_top: usize,
    /// What is kept, and who may ask for it.
    pub(crate) history: History,
}

/// Settings of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Most bytes of the file; 0 keeps nothing.
    pub(crate) size_bytes: u64,
    /// The file; `None` is the default.
    pub(crate) path: Option<PathBuf>,
    /// Whether clients may ask in SQL.
    pub(crate) sql: bool,
}

/// PEM files; both or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// Settings of the Monero API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Monero {
    pub(crate) peers: Filter,
    pub(crate) node: Option<Filter>,
    pub(crate) era: Era,
    pub(crate) restricted: bool,
    pub(crate) login: Option<Login>,
}

/// Settings of the EMS API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ems {
    pub(crate) streams: Filter,
    pub(crate) length_prefix: bool,
}

impl Config {
    /// Empty values, which the defaults of the settings replace.
    pub(crate) fn blank() -> Result<Self, String> {
        let all = Filter::parse("").map_err(|error| error.message())?;
        Ok(Self {
            interval: Duration::ZERO,
            window: Duration::ZERO,
            source: SourceChoice::Auto,
            tap: false,
            pair_key: None,
            show_credentials: false,
            files_of: Vec::new(),
            ask_daemons: false,
            follow_namespaces: false,
            user: None,
            serving_process: ServingProcess::Auto,
            listen: Vec::new(),
            insecure: false,
            hosts: Vec::new(),
            tokens: Vec::new(),
            tls: Tls::default(),
            limits: Limits::default(),
            monero: Monero {
                peers: all.clone(),
                node: None,
                era: Era::default(),
                restricted: false,
                login: None,
            },
            ems: Ems { streams: all, length_prefix: false },
            link: Link::default(),
            metrics_top: 0,
            history: History::default(),
        })
    }
}

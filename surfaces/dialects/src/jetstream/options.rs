//! What an operator configures, and the source of the transfers.

use std::fmt;
use std::sync::Arc;

use conns_core::model::Update;

use super::connection::Connection;

/// The source of the connections of transfers.
pub trait Transfers: Send + Sync {
    /// The connections at this update, sorted by `connection_id`, bytewise, each id once. Returns the
    /// same `Arc` for the same update, so that its JSON is written once. Must not block.
    fn connections(&self, update: &Update) -> Arc<[Connection]>;
}

/// No transfer service, no connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTransfers;

impl Transfers for NoTransfers {
    fn connections(&self, _update: &Update) -> Arc<[Connection]> {
        Arc::default()
    }
}

/// What the answers report about the server, and the source of the connections.
#[derive(Clone)]
pub struct Options {
    /// The machine's name; `None` if not known.
    pub host_name: Option<String>,
    /// The friendly name of this server; `None` stands for that of the machine.
    pub server_name: Option<String>,
    /// The port of the JSON-RPC lines; `None` if there is none.
    pub api_port: Option<u16>,
    /// Whether other machines can connect.
    pub remote_control: bool,
    /// Whether a request needs a token.
    pub auth_required: bool,
    /// The transfer service.
    pub transfers: Arc<dyn Transfers>,
}

impl Default for Options {
    /// Nothing known about the server, no transfers.
    fn default() -> Self {
        Self {
            host_name: None,
            server_name: None,
            api_port: None,
            remote_control: false,
            auth_required: false,
            transfers: Arc::new(NoTransfers),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("host_name", &self.host_name)
            .field("server_name", &self.server_name)
            .field("api_port", &self.api_port)
            .field("remote_control", &self.remote_control)
            .field("auth_required", &self.auth_required)
            .finish_non_exhaustive()
    }
}

//! The state all connections share.

use std::sync::Arc;

use axum::Router;
use conns_dialects::LineDialect;
use tokio_util::sync::CancellationToken;

use crate::access::AccessConfig;
use crate::budget::Budget;
use crate::connection_table::ConnectionTable;
use crate::dialect_runner::DialectRunner;
use crate::in_flight::InFlightBytes;
use crate::listen_spec::Protocol;
use crate::refusals::Refusals;

/// The state all connections share.
pub(crate) struct ServerContext {
    pub(crate) access: Arc<AccessConfig>,
    pub(crate) routers: Routers,
    pub(crate) lines: LineServices,
    pub(crate) connections: Arc<ConnectionTable>,
    pub(crate) in_flight: Arc<InFlightBytes>,
    pub(crate) bodies: Arc<Budget>,
    pub(crate) refusals: Arc<Refusals>,
    /// Cancelled when the agent stops.
    pub(crate) stopping: CancellationToken,
}

/// The router of each kind of HTTP port.
pub(crate) struct Routers {
    /// The agent's own API, and each dialect under its prefix.
    pub(crate) http: Router,
    pub(crate) one_e: Router,
    pub(crate) monero: Router,
    pub(crate) ems_http: Router,
    pub(crate) jetstream: Router,
}

impl Routers {
    /// The router of a port of this protocol.
    pub(crate) fn of(&self, protocol: Protocol) -> &Router {
        match protocol {
            Protocol::OneE => &self.one_e,
            Protocol::Monero => &self.monero,
            Protocol::EmsHttp => &self.ems_http,
            Protocol::JetStream => &self.jetstream,
            Protocol::Http | Protocol::EmsJson | Protocol::EmsAscii => &self.http,
        }
    }
}

/// A dialect in lines, as the server runs it.
#[derive(Clone)]
pub(crate) struct LineService {
    pub(crate) dialect: Arc<dyn LineDialect>,
    pub(crate) runner: DialectRunner,
}

/// The line dialects.
pub(crate) struct LineServices {
    pub(crate) ems_json: LineService,
    pub(crate) ems_ascii: LineService,
    pub(crate) jetstream: LineService,
}

/// A listener's properties, as its connections need them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    pub(crate) index: usize,
    pub(crate) protocol: Protocol,
    pub(crate) tls: bool,
    pub(crate) guarded: bool,
}

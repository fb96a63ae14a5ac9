//! The EMS dialect (compatibility API): the command line interfaces of EvoStream Media Server and its
//! `listConnections`. Described in `docs/dialects/ems.md`.
//!
//! Invariant: the three interfaces of a server share one set of counters; a reset over one of them
//! applies to all.

mod command;
mod counters;
mod entry;
mod interfaces;
mod line;
mod print;
mod server;
mod settings;
mod stack;
mod state;
mod stream;

pub use command::command_names;
pub use line::{Argument, Call, LONGEST_LINE};
pub use state::Options;

use std::sync::Arc;

use crate::shell::{HttpDialect, LineDialect};
use state::State;

/// The default for [`Options::streams`]: sockets of a media server's process, or with a media port
/// at either end (1935 RTMP, 1936 RTMP between servers, 554, 5544 and 8554 RTSP, 6666 live FLV, 9999
/// MPEG-TS). Not the command line interfaces (1112, 1113, 1222, 7777), which the real server does
/// not list either.
pub const DEFAULT_STREAMS: &str = "(port in (554, 1935, 1936, 5544, 6666, 8554, 9999) \
     or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)";

/// A media server. It owns the counters, which its interfaces share.
#[derive(Debug, Clone)]
pub struct Server {
    state: Arc<State>,
}

impl Server {
    /// A server with counters at zero.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { state: Arc::new(State::new(options)) }
    }

    /// JSON over HTTP: `inboundHttpJsonCli`, port 7777.
    ///
    /// `on_update` of each interface is idempotent per snapshot; missed snapshots are accounted for
    /// at the next request.
    #[must_use]
    pub fn http(&self) -> impl HttpDialect + use<> {
        interfaces::Http(Arc::clone(&self.state))
    }

    /// JSON over TCP: `inboundJsonCli`, port 1112.
    #[must_use]
    pub fn json_cli(&self) -> impl LineDialect + use<> {
        interfaces::JsonCli(Arc::clone(&self.state))
    }

    /// Text over TCP: `inboundAsciiCli`, port 1222.
    #[must_use]
    pub fn ascii_cli(&self) -> impl LineDialect + use<> {
        interfaces::AsciiCli(Arc::clone(&self.state))
    }
}

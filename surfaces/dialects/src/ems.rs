//! EvoStream Media Server's command line interfaces and `listConnections`. Described in `docs/dialects/ems.md`.
//!
//! The one idea: three interfaces of one server; a mark reset over one of them is reset for all.

mod command;
mod counters;
mod entry;
mod faces;
mod line;
mod print;

pub use line::{Argument, Call, LONGEST_LINE};

use std::sync::{Arc, Mutex, PoisonError};

use conns_core::model::Update;
use conns_core::query::Filter;
use http::HeaderValue;

use crate::{HttpDialect, LineDialect};
use counters::Counters;

/// Which sockets are a media server's, unless told otherwise: those of a process that is one, or
/// with a port of media at either end (1935 RTMP, 1936 RTMP between servers, 554, 5544 and 8554
/// RTSP, 6666 live FLV, 9999 MPEG-TS). Not its command lines (1112, 1113, 1222, 7777), as the real
/// server lists none of its own.
pub const DEFAULT_STREAMS: &str = "(port in (554, 1935, 1936, 5544, 6666, 8554, 9999) \
     or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)";

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which sockets are the media server's: listed if they are connections, counted in any case.
    pub streams: Filter,
    /// Whether four bytes with its length, the highest first, precede each answer of the JSON
    /// interface over TCP: EMS's `useLengthPadding`, which the configuration it is shipped with
    /// turns on.
    pub length_prefix: bool,
    /// What the HTTP interface calls itself in `Server`, `User-Agent` and `X-Powered-By`.
    /// Characters that cannot stand in a header are left out.
    pub brand: String,
}

/// What the interfaces share.
#[derive(Debug)]
struct State {
    options: Options,
    banner: HeaderValue,
    counters: Mutex<Counters>,
}

impl State {
    /// What `read` makes of the counters once `update` is in them.
    fn counters<T>(&self, update: &Update, read: impl FnOnce(&mut Counters) -> T) -> T {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.note(update, &self.options.streams);
        read(&mut counters)
    }
}

/// A media server's interfaces. Counts belong to it: make one, and its interfaces from that.
#[derive(Debug, Clone)]
pub struct Server {
    state: Arc<State>,
}

impl Server {
    /// A server that has counted nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let visible: String =
            options.brand.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        let banner = HeaderValue::from_str(visible.trim())
            .unwrap_or_else(|_| HeaderValue::from_static("conns"));
        let counters = Mutex::default();
        Self { state: Arc::new(State { options, banner, counters }) }
    }

    /// JSON over HTTP: `inboundHttpJsonCli`, port 7777.
    ///
    /// Each of the three counts every beat it is told, and counts it once however many of them are
    /// told; a beat that nobody is told is counted when something is asked.
    #[must_use]
    pub fn http(&self) -> impl HttpDialect + use<> {
        faces::Http(Arc::clone(&self.state))
    }

    /// JSON over TCP: `inboundJsonCli`, port 1112.
    #[must_use]
    pub fn json_cli(&self) -> impl LineDialect + use<> {
        faces::JsonCli(Arc::clone(&self.state))
    }

    /// Text for people over TCP: `inboundAsciiCli`, port 1222.
    #[must_use]
    pub fn ascii_cli(&self) -> impl LineDialect + use<> {
        faces::AsciiCli(Arc::clone(&self.state))
    }
}

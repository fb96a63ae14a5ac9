//! JetStream's calls about connections, as JSON-RPC 2.0. Described in `docs/dialects/jetstream.md`.
//! Not JetStream's own wire format, which nobody documents.
//!
//! The one idea: the connections are those of transfers, written out once a beat; a page of them
//! and a single one are slices of that list, so no request makes the agent write or hold more.

mod connection;
mod list;
mod methods;
mod rpc;
mod server;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::Update;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::cache::ResponseCache;
use crate::shell::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, Pieces};

pub use connection::{ConnectError, Connection, EncryptedConnectionState};
pub use server::API_VERSION;

/// Longest request, bytes: an HTTP body or a line. A full batch of the longest calls that mean
/// something has a quarter of it.
pub const MAX_BYTES: usize = 64 * 1024;

/// Most requests in a batch, so that one small request cannot ask for work without end.
pub const MAX_BATCH: usize = 100;

/// Where the connections of transfers come from.
pub trait Transfers: Send + Sync {
    /// The connections at this beat, sorted by `connection_id`, bytewise, each id once. Asked of
    /// the same beat again, the answer is the same. Must not block.
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

/// What the answers say of the server, and where the connections come from.
#[derive(Clone)]
pub struct Options {
    /// The machine's name; `None` if not known.
    pub host_name: Option<String>,
    /// The name people gave this server; that of the machine if left out.
    pub server_name: Option<String>,
    /// The port of the JSON-RPC lines; `None` if there is none.
    pub api_port: Option<u16>,
    /// Whether others than this machine can connect.
    pub remote_control: bool,
    /// Whether a request must bring a token.
    pub auth_required: bool,
    /// The transfer service.
    pub transfers: Arc<dyn Transfers>,
}

impl Default for Options {
    /// Nothing known of the server, no transfers.
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

/// The dialect, to be spoken over HTTP and in lines.
#[derive(Debug, Clone)]
pub struct Service(Arc<Options>);

impl Service {
    /// A service with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(options))
    }

    /// JSON-RPC 2.0 as the body of a POST.
    #[must_use]
    pub fn http(&self) -> impl HttpDialect + 'static {
        Http(self.clone())
    }

    /// JSON-RPC 2.0, one request or batch a line.
    #[must_use]
    pub fn lines(&self) -> impl LineDialect + 'static {
        Lines(self.clone())
    }
}

struct Http(Service);

impl HttpDialect for Http {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        if !matches!(request.uri().path(), "" | "/") {
            return refusal(StatusCode::NOT_FOUND, "nothing is at this path; POST to its root");
        }
        if request.method() != Method::POST {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "a call is the body of a POST");
        }
        let pieces = rpc::answer(&self.0.0, request.body(), cache);
        // What is wrong with a call stands in the answer; HTTP itself has done its part.
        let status = if pieces.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        reply(status, pieces)
    }

    fn longest_body(&self) -> usize {
        MAX_BYTES
    }

    fn body_too_long(&self) -> HttpOutcome {
        HttpOutcome::Answer(with_json(StatusCode::PAYLOAD_TOO_LARGE, rpc::too_long()))
    }
}

fn refusal(status: StatusCode, reason: &'static str) -> HttpOutcome {
    let mut response = with_json(status, rpc::refused(reason));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    HttpOutcome::Answer(response)
}

fn reply(status: StatusCode, pieces: Pieces) -> HttpOutcome {
    HttpOutcome::Answer(with_json(status, pieces))
}

fn with_json(status: StatusCode, pieces: Pieces) -> Response<Pieces> {
    let has_body = !pieces.is_empty();
    let mut response = Response::new(pieces);
    *response.status_mut() = status;
    if has_body {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    response
}

struct Lines(Service);

impl LineDialect for Lines {
    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n'
    }

    fn longest_line(&self) -> usize {
        MAX_BYTES
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        if line.trim_ascii().is_empty() {
            return LineOutcome::default();
        }
        LineOutcome { pieces: ended(rpc::answer(&self.0.0, line, cache)), close: false }
    }

    fn line_too_long(&self) -> LineOutcome {
        LineOutcome { pieces: ended(rpc::too_long()), close: true }
    }
}

/// The answer as a line; no answer is no line.
fn ended(mut pieces: Pieces) -> Pieces {
    if !pieces.is_empty() {
        pieces.push(Bytes::from_static(b"\n"));
    }
    pieces
}

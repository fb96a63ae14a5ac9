//! The JetStream dialect (compatibility API): JetStream's calls about connections, as JSON-RPC 2.0.
//! Described in `docs/dialects/jetstream.md`. JetStream's own wire format is not documented.
//!
//! A connection is one of the transfers of an update. Their list is written once; a page and a single
//! connection are slices of it. The other methods are those of a transfer service: one in this process
//! ([`Control`]), or one in another process that serves this dialect ([`Forward`]).

mod calls;
mod connection;
mod control;
mod fault;
mod forward;
mod list;
mod methods;
mod options;
mod params;
mod request;
mod requests;
mod rpc;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::Update;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::cache::ResponseCache;
use crate::shell::{BodyChunks, HttpDialect, HttpOutcome, LineDialect, LineOutcome};

pub use control::{Backend, Control, ControlError, Forward, Object, Page, TransferChange};
pub use methods::{METHODS, is_method, method_names};
pub use options::Options;
pub use request::{ParametersError, request};
pub use requests::MAX_REQUESTS;
pub use rpc::{MAX_BATCH, MAX_BYTES, MAX_TRANSFER_BYTES};
pub use server::API_VERSION;

use forward::Forwarder;
use list::LatestList;
use methods::Context;
use requests::Requests;

/// A message with a few calls, bytes.
const BRIEF_MESSAGE_BYTES: usize = 1024;
/// Transfers whose list is written in a few microseconds each.
const BRIEF_TRANSFERS: usize = 16;

/// The dialect, served over HTTP and in lines.
#[derive(Debug, Clone)]
pub struct Service {
    state: Arc<State>,
    read_only: bool,
}

#[derive(Debug)]
struct State {
    options: Options,
    list: LatestList,
    requests: Requests,
    forwarder: Forwarder,
}

impl Service {
    /// A service with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let state = State {
            options,
            list: LatestList::default(),
            requests: Requests::default(),
            forwarder: Forwarder::default(),
        };
        Self { state: Arc::new(state), read_only: false }
    }

    /// The same service without the methods that change something, for ports that any client may use. A client that
    /// creates transfers may send every file that the transfer service can read.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self { read_only: true, ..self.clone() }
    }

    /// JSON-RPC 2.0 as the body of a POST.
    #[must_use]
    pub fn http(&self) -> impl HttpDialect + use<> {
        Http(self.clone())
    }

    /// JSON-RPC 2.0, one request or batch a line.
    #[must_use]
    pub fn lines(&self) -> impl LineDialect + use<> {
        Lines(self.clone())
    }

    /// Whether a message of this length has few calls, each of few transfers. A transfer service may block, so no
    /// message is brief with one.
    fn is_brief(&self, message_bytes: usize, update: &Update) -> bool {
        matches!(self.state.options.backend, Backend::None)
            && message_bytes <= BRIEF_MESSAGE_BYTES
            && update.transfers.len() <= BRIEF_TRANSFERS
    }

    /// The longest message, bytes.
    fn max_bytes(&self) -> usize {
        match self.state.options.backend {
            Backend::None => MAX_BYTES,
            Backend::Control(_) | Backend::Forward(_) => MAX_TRANSFER_BYTES,
        }
    }

    fn answer(&self, message: &[u8], cache: &ResponseCache) -> BodyChunks {
        let State { options, list, requests, forwarder } = &*self.state;
        let (read_only, update) = (self.read_only, cache.update());
        let context = Context { options, read_only, list, requests, forwarder, update };
        rpc::answer(message, &|method, params| methods::call(&context, method, params))
    }
}

struct Http(Service);

impl HttpDialect for Http {
    fn is_brief(&self, body_bytes: usize, update: &Update) -> bool {
        self.0.is_brief(body_bytes, update)
    }

    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        if !matches!(request.uri().path(), "" | "/") {
            return refusal(StatusCode::NOT_FOUND, "nothing is at this path; POST to its root");
        }
        if request.method() != Method::POST {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "a call is the body of a POST");
        }
        let chunks = self.0.answer(request.body(), cache);
        // An error of JSON-RPC is in the body of a 200.
        let status = if chunks.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        reply(status, chunks)
    }

    fn longest_body(&self) -> usize {
        self.0.max_bytes()
    }

    fn body_too_long(&self) -> HttpOutcome {
        HttpOutcome::Answer(with_json(
            StatusCode::PAYLOAD_TOO_LARGE,
            rpc::too_long(self.0.max_bytes()),
        ))
    }
}

fn refusal(status: StatusCode, reason: &'static str) -> HttpOutcome {
    let mut response = with_json(status, rpc::refused(reason));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    HttpOutcome::Answer(response)
}

fn reply(status: StatusCode, chunks: BodyChunks) -> HttpOutcome {
    HttpOutcome::Answer(with_json(status, chunks))
}

fn with_json(status: StatusCode, chunks: BodyChunks) -> Response<BodyChunks> {
    let has_body = !chunks.is_empty();
    let mut response = Response::new(chunks);
    *response.status_mut() = status;
    if has_body {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    response
}

struct Lines(Service);

impl LineDialect for Lines {
    fn is_brief(&self, line_bytes: usize, update: &Update) -> bool {
        self.0.is_brief(line_bytes, update)
    }

    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n'
    }

    fn longest_line(&self) -> usize {
        self.0.max_bytes()
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        if line.trim_ascii().is_empty() {
            return LineOutcome::default();
        }
        LineOutcome { chunks: ended(self.0.answer(line, cache)), close: false }
    }

    fn line_too_long(&self) -> LineOutcome {
        LineOutcome { chunks: ended(rpc::too_long(self.0.max_bytes())), close: true }
    }
}

/// The answer as a line; an empty answer is no line.
fn ended(mut chunks: BodyChunks) -> BodyChunks {
    if !chunks.is_empty() {
        chunks.push(Bytes::from_static(b"\n"));
    }
    chunks
}

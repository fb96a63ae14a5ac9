//! The JetStream dialect (compatibility API): JetStream's calls about connections, as JSON-RPC 2.0.
//! Described in `docs/dialects/jetstream.md`. JetStream's own wire format is not documented.
//!
//! A connection is one of the transfers of an update. Their list is written once; a page and a single
//! connection are slices of it.

mod connection;
mod control;
mod list;
mod methods;
mod options;
mod request;
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
pub use methods::METHODS;
pub use options::Options;
pub use request::{ParametersError, request};
pub use rpc::{MAX_BATCH, MAX_BYTES};
pub use server::API_VERSION;

use list::LatestList;
use methods::Context;

/// A message with a few calls, bytes.
const BRIEF_MESSAGE_BYTES: usize = 1024;
/// Transfers whose list is written in a few microseconds each.
const BRIEF_TRANSFERS: usize = 16;

/// The dialect, served over HTTP and in lines.
#[derive(Debug, Clone)]
pub struct Service(Arc<State>);

#[derive(Debug)]
struct State {
    options: Options,
    list: LatestList,
}

impl Service {
    /// A service with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(State { options, list: LatestList::default() }))
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

    /// Whether a message of this length has few calls, each of few transfers.
    fn is_brief(message_bytes: usize, update: &Update) -> bool {
        message_bytes <= BRIEF_MESSAGE_BYTES && update.transfers.len() <= BRIEF_TRANSFERS
    }

    fn answer(&self, message: &[u8], cache: &ResponseCache) -> BodyChunks {
        let State { options, list } = &*self.0;
        let context = Context { options, list, update: cache.update() };
        rpc::answer(message, &|method, params| methods::call(&context, method, params))
    }
}

struct Http(Service);

impl HttpDialect for Http {
    fn is_brief(&self, body_bytes: usize, update: &Update) -> bool {
        Service::is_brief(body_bytes, update)
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
        Service::is_brief(line_bytes, update)
    }

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
        LineOutcome { chunks: ended(self.0.answer(line, cache)), close: false }
    }

    fn line_too_long(&self) -> LineOutcome {
        LineOutcome { chunks: ended(rpc::too_long()), close: true }
    }
}

/// The answer as a line; an empty answer is no line.
fn ended(mut chunks: BodyChunks) -> BodyChunks {
    if !chunks.is_empty() {
        chunks.push(Bytes::from_static(b"\n"));
    }
    chunks
}

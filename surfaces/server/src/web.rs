//! A conversation over HTTP: who may ask, whom the request is for, and what is read of it.
//!
//! The one idea: hyper speaks HTTP and nothing else; bounds are in the seat and the budget, judgement
//! in the door, answers in the dialects and the API, and here they meet.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::body::Body as RoutedBody;
use bytes::{Bytes, BytesMut};
use conns_dialects::monero::ReasonPhrase;
use conns_dialects::{HttpDialect, HttpOutcome, Pieces};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::answer::AnswerBody;
use crate::budget::Grant;
use crate::door::{self, Entrance, Shut};
use crate::refusals::Refused;
use crate::seats::{Seat, Stage};
use crate::serve::{House, Port};
use crate::wanted::Protocol;
use crate::wire::Wire;

/// Longest body the API takes: it reads none.
const API_BODY: usize = 64 << 10;
/// hyper takes no smaller bound for a head.
const HEAD_BYTES_LEAST: usize = 8 << 10;

/// One client that speaks HTTP.
pub(crate) struct WebClient {
    pub(crate) house: Arc<House>,
    pub(crate) port: Port,
    pub(crate) seat: Arc<Seat>,
    pub(crate) entrance: Entrance,
    /// Whether hyper must stay: it knows something of this connection that nobody else does.
    pub(crate) keeps: AtomicBool,
}

/// The dialect said to close without a word.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

type Answer = Response<AnswerBody>;

/// Speaks HTTP with a client until one of the two has enough.
pub(crate) async fn converse(
    client: WebClient,
    mut wire: Wire,
    stopping: &mut watch::Receiver<bool>,
) {
    let client = Arc::new(client);
    loop {
        // hyper's buffers are 16 KiB; a client that is quiet does not keep them.
        match Box::pin(drive(&client, wire, stopping)).await {
            Some((quiet, read)) => {
                wire = quiet;
                wire.read_again(read);
            }
            None => return,
        }
        tokio::select! {
            readable = wire.readable() => if readable.is_err() { return },
            () = stopped(stopping) => return,
        }
    }
}

/// The same over TLS, which has buffers of its own; they stay as long as the client does.
pub(crate) async fn converse_encrypted(
    client: WebClient,
    stream: TlsStream<Wire>,
    stopping: &mut watch::Receiver<bool>,
) {
    client.keeps.store(true, Relaxed);
    // It is not given back quiet, as it keeps.
    drive(&Arc::new(client), stream, stopping).await;
}

/// Speaks until the connection ends, or is quiet and nothing is under way; then it is given back,
/// with what was read of it.
async fn drive<I>(
    client: &Arc<WebClient>,
    io: I,
    stopping: &mut watch::Receiver<bool>,
) -> Option<(I, Bytes)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let classic = matches!(client.port.protocol, Protocol::Monero | Protocol::EmsHttp);
    let asked = Arc::clone(client);
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&asked), request)));
    let mut connection = http1::Builder::new()
        // Whoever shuts down its side after asking still gets its answer.
        .half_close(true)
        .title_case_headers(classic)
        .auto_date_header(!classic)
        // The seat has this time, and needs no timer for it.
        .header_read_timeout(None)
        .max_buf_size(client.seat.limits().head_bytes.max(HEAD_BYTES_LEAST))
        .serve_connection(TokioIo::new(io), service);
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = client.seat.quiet() => {
                if client.may_rest() {
                    let parts = connection.into_parts();
                    return Some((parts.io.into_inner(), parts.read_buf));
                }
            }
            () = stopped(stopping) => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                break connection.await;
            }
        }
    };
    if let Err(error) = ended {
        if error.is_parse_too_large() {
            client.house.refusals.count(Refused::HeadTooLong);
        } else if error.is_parse() {
            client.house.refusals.count(Refused::Malformed);
        }
    }
    None
}

/// Ends when the agent stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that whoever could say it is gone: the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn answer(client: Arc<WebClient>, request: Request<Incoming>) -> Result<Answer, HungUp> {
    client.seat.enter(Stage::Body);
    let kept = client.keeps.swap(true, Relaxed);
    let (mut head, body) = request.into_parts();
    if let Err(shut) = door::check(&head, client.entrance, &client.house.gate.access()) {
        return Ok(client.shut(&shut));
    }
    let target = client.target(&mut head.uri);
    let longest = match &target {
        Target::Dialect(dialect) => dialect.longest_body(),
        Target::Api => API_BODY,
    };
    let mut grant = client.house.bodies.grant();
    let body = match read(body, longest, &mut grant, client.seat.limits().bodies_bytes).await {
        Read::Whole(body) => {
            client.keeps.store(kept, Relaxed);
            body
        }
        Read::TooLong => {
            client.house.refusals.count(Refused::BodyTooLong);
            return match target {
                Target::Dialect(dialect) => client.finish(dialect.body_too_long(), &head.method),
                Target::Api => Ok(client.plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "This body is longer than any that is read here.\n",
                )),
            };
        }
        Read::NoRoom => {
            client.house.refusals.count(Refused::BodiesFull);
            return Ok(client.plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many requests are being read; try again in a second.\n",
            ));
        }
        Read::Broken => return Err(HungUp),
    };
    client.seat.enter(Stage::Work);
    match target {
        Target::Dialect(dialect) => {
            let method = head.method.clone();
            let cache = client.house.caches.latest();
            let outcome = dialect.answer(&Request::from_parts(head, body), &cache);
            client.finish(outcome, &method)
        }
        Target::Api => {
            let request = Request::from_parts(head, RoutedBody::from(body));
            client.route(&client.house.router, request).await
        }
    }
}

enum Target<'a> {
    Dialect(&'a Arc<dyn HttpDialect>),
    Api,
}

impl WebClient {
    /// Whether all that was asked is read whole, answered and sent: only then is a connection that is
    /// taken from hyper at the beginning of a request.
    fn may_rest(&self) -> bool {
        self.seat.is_idle() && !self.keeps.load(Relaxed)
    }

    /// Whom a request is for; takes the prefix off its path.
    fn target(&self, uri: &mut Uri) -> Target<'_> {
        let dialects = &self.house.dialects;
        let by_path: [(&str, &Arc<dyn HttpDialect>); 4] = [
            ("/1e", &dialects.one_e),
            ("/monero", &dialects.monero),
            ("/ems", &dialects.ems_http),
            ("/jetstream", &dialects.jetstream_http),
        ];
        match self.port.protocol {
            Protocol::OneE => Target::Dialect(&dialects.one_e),
            Protocol::Monero => Target::Dialect(&dialects.monero),
            Protocol::EmsHttp => Target::Dialect(&dialects.ems_http),
            Protocol::JetStream => Target::Dialect(&dialects.jetstream_http),
            Protocol::Http | Protocol::EmsJson | Protocol::EmsAscii => {
                for (prefix, dialect) in by_path {
                    if let Some(stripped) = strip(uri, prefix) {
                        *uri = stripped;
                        return Target::Dialect(dialect);
                    }
                }
                Target::Api
            }
        }
    }

    fn finish(&self, outcome: HttpOutcome, method: &Method) -> Result<Answer, HungUp> {
        let HttpOutcome::Answer(answer) = outcome else { return Err(HungUp) };
        let mut answer = answer.map(|pieces| self.pieces(pieces));
        let length = answer.body().size_hint().exact();
        let said = answer.headers().get(CONTENT_LENGTH);
        let wrong = said
            .is_some_and(|said| said.to_str().ok().and_then(|said| said.parse().ok()) != length);
        if wrong && method != Method::HEAD {
            answer.headers_mut().remove(CONTENT_LENGTH);
        }
        if let Some(reason) = answer.extensions_mut().remove::<ReasonPhrase>() {
            let reason = hyper::ext::ReasonPhrase::from_static(reason.0.as_bytes());
            answer.extensions_mut().insert(reason);
        }
        Ok(answer)
    }

    async fn route(&self, router: &Router, request: Request<RoutedBody>) -> Result<Answer, HungUp> {
        let service = TowerToHyperService::new(router.clone());
        let Ok(answer) = service.call(request).await;
        let (head, body) = answer.into_parts();
        let stream = match body.size_hint().exact() {
            Some(_) => None,
            None => match self.house.seats.take_stream(self.seat.limits()) {
                Some(stream) => Some(stream),
                None => {
                    self.house.refusals.count(Refused::StreamsFull);
                    return Ok(self.plain(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "Too many streams are open; close one or try again later.\n",
                    ));
                }
            },
        };
        let body = AnswerBody::routed(body, stream, &self.seat, &self.house.ledger);
        Ok(Response::from_parts(head, body))
    }

    fn shut(&self, shut: &Shut) -> Answer {
        self.house.refusals.count(shut.why);
        let mut answer = self.plain(shut.status, shut.text);
        if shut.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }

    /// A refusal of the shell's own. The connection ends with it: what follows was not read.
    fn plain(&self, status: StatusCode, text: &'static str) -> Answer {
        let mut answer = Response::new(self.pieces(vec![Bytes::from_static(text.as_bytes())]));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    }

    fn pieces(&self, pieces: Pieces) -> AnswerBody {
        AnswerBody::pieces(pieces, &self.seat, &self.house.ledger)
    }
}

/// The path as the dialect would see it on a port of its own.
fn strip(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix(prefix)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let path = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    path.ok().map(Uri::from)
}

enum Read {
    Whole(Bytes),
    TooLong,
    NoRoom,
    /// The client went, or said nonsense.
    Broken,
}

async fn read(mut body: Incoming, longest: usize, grant: &mut Grant, most: usize) -> Read {
    if body.is_end_stream() {
        return Read::Whole(Bytes::new());
    }
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > longest) {
        return Read::TooLong;
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        // Trailers say nothing anybody here asks for.
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > longest {
            return Read::TooLong;
        }
        if !grant.resize(length, most) {
            return Read::NoRoom;
        }
        if whole.is_empty() && body.is_end_stream() {
            return Read::Whole(data);
        }
        whole.extend_from_slice(&data);
    }
    Read::Whole(whole.freeze())
}

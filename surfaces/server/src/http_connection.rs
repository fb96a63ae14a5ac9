//! A connection over HTTP: hyper parses it, the request guard admits each request, the port's router
//! answers.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::client_socket::ClientSocket;
use crate::http_client::{Hangup, HttpClient, plain};
use crate::listen_spec::Protocol;
use crate::malformed::Explained;
use crate::refusals::Refused;
use crate::request_guard::{self, Rejection};
use crate::response_body::ResponseBody;
use crate::routing::WithToken;

/// The smallest bound of a head that hyper takes.
const MIN_HEAD_BYTES: usize = 8 << 10;

/// The connection is closed in place of a response.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

/// Serves a client until either side closes.
pub(crate) async fn serve(client: HttpClient, mut socket: ClientSocket) {
    let client = Arc::new(client);
    loop {
        // hyper's buffers are 16 KiB; they are released while a client is idle.
        match Box::pin(drive(&client, socket, true)).await {
            Some((idle, read)) => {
                socket = idle;
                socket.unread(read);
            }
            None => return,
        }
        tokio::select! {
            readable = socket.readable() => if readable.is_err() { return },
            () = client.context.stopping.cancelled() => return,
        }
    }
}

/// Serves a client over TLS, whose buffers stay as long as the connection.
pub(crate) async fn serve_tls(client: HttpClient, stream: TlsStream<ClientSocket>) {
    drive(&Arc::new(client), stream, false).await;
}

/// Runs hyper until the connection ends, or, with `releases_buffers`, until it is idle with nothing
/// in progress; then returns the socket, with the bytes read from it and not yet parsed.
async fn drive<I>(client: &Arc<HttpClient>, io: I, releases_buffers: bool) -> Option<(I, Bytes)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = Explained::new(io, client.port.protocol == Protocol::Http);
    let classic = matches!(client.port.protocol, Protocol::Monero | Protocol::EmsHttp);
    let requester = Arc::clone(client);
    let service = service_fn(move |request| Box::pin(respond(Arc::clone(&requester), request)));
    let mut connection = http1::Builder::new()
        // A client may shut down its side after its request and still gets the response.
        .half_close(true)
        .title_case_headers(classic)
        .auto_date_header(!classic)
        // hyper starts this timer when a connection becomes idle, so it would also end connections
        // between two requests. The slot's `head_time` starts at the first byte.
        .header_read_timeout(None)
        .max_buf_size(client.slot.limits().head_bytes.max(MIN_HEAD_BYTES))
        .serve_connection(TokioIo::new(io), service);
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = client.slot.quiet() => {
                if releases_buffers && client.may_release_buffers() {
                    let parts = connection.into_parts();
                    return Some((parts.io.into_inner().into_inner(), parts.read_buf));
                }
            }
            () = client.context.stopping.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                break connection.await;
            }
        }
    };
    if let Err(error) = ended {
        if error.is_parse_too_large() {
            client.context.refusals.count(Refused::HeadTooLong);
        } else if error.is_parse() {
            client.context.refusals.count(Refused::Malformed);
        }
    }
    None
}

async fn respond(
    client: Arc<HttpClient>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, HungUp> {
    client.begin_request();
    let context = Arc::clone(&client.context);
    let (mut head, body) = request.into_parts();
    let access = context.access.current();
    let admitted = request_guard::check(&head, client.ingress, &access);
    let mut response = match admitted {
        Err(rejection) => {
            context.refusals.count(rejection.why);
            rejected(&rejection)
        }
        Ok(()) => {
            head.extensions.insert(Arc::clone(&client));
            if request_guard::has_token(&head.headers, &access.tokens) {
                head.extensions.insert(WithToken);
            }
            let request = Request::from_parts(head, Body::new(body));
            let Ok(response) =
                context.routers.of(client.port.protocol).clone().oneshot(request).await;
            response
        }
    };
    if response.extensions().get::<Hangup>().is_some() {
        return Err(HungUp);
    }
    if response.status() == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6 forbids it here; the router sets it on every response.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response.map(|body| ResponseBody::new(body, &client.slot, &context.in_flight)))
}

fn rejected(rejection: &Rejection) -> Response<Body> {
    let mut response = plain(rejection.status, rejection.text);
    if rejection.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

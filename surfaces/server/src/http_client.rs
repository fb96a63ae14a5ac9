//! One client over HTTP, as services see it: its limits, and the body of its request.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use crate::budget::Grant;
use crate::connection_table::{ClientSlot, Phase};
use crate::context::{Port, ServerContext};
use crate::refusals::Refused;
use crate::request_guard::Ingress;

/// One client over HTTP. The connection puts it into the extensions of each request.
pub(crate) struct HttpClient {
    pub(crate) context: Arc<ServerContext>,
    pub(crate) port: Port,
    pub(crate) slot: Arc<ClientSlot>,
    pub(crate) ingress: Ingress,
    /// Requests whose bodies were not read to their ends. While there is one, hyper's state of the
    /// connection is needed and its buffers are not released.
    unread: AtomicUsize,
}

/// Extension of a response in place of which the connection is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hangup;

/// A request body, charged to the budget of bodies until dropped.
pub(crate) struct RequestBody {
    pub(crate) bytes: Bytes,
    _grant: Grant,
}

/// Why a request body was not read.
pub(crate) enum BodyError {
    TooLong,
    /// All bodies together are too long.
    NoRoom,
    /// Its chunked framing is malformed (RFC 9112 section 7.1).
    Malformed,
    /// The client left.
    Closed,
}

impl BodyError {
    /// hyper reports malformed chunks as [`std::io::Error`]s of these kinds, and a connection that ended as
    /// others.
    fn of(error: &axum::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData)
            {
                return Self::Malformed;
            }
            cause = error.source();
        }
        Self::Closed
    }
}

impl HttpClient {
    pub(crate) fn new(
        context: Arc<ServerContext>,
        port: Port,
        slot: Arc<ClientSlot>,
        ingress: Ingress,
    ) -> Self {
        Self { context, port, slot, ingress, unread: AtomicUsize::new(0) }
    }

    /// A request's head was read.
    pub(crate) fn begin_request(&self) {
        self.slot.enter(Phase::Body);
        self.unread.fetch_add(1, Relaxed);
    }

    /// Whether hyper has no state of this connection: every request is read to its end, answered,
    /// and the answer sent. Only then is a connection taken from hyper at the start of a request.
    pub(crate) fn may_release_buffers(&self) -> bool {
        self.slot.is_idle() && self.unread.load(Relaxed) == 0
    }

    /// Reads the body of the current request.
    pub(crate) async fn read_body(
        &self,
        body: Body,
        longest: usize,
    ) -> Result<RequestBody, BodyError> {
        let mut grant = self.context.bodies.grant();
        let read = read(body, longest, &mut grant, self.slot.limits().bodies_bytes).await;
        match &read {
            Ok(_) => {
                self.unread.fetch_sub(1, Relaxed);
                self.slot.enter(Phase::Work);
            }
            Err(BodyError::TooLong) => self.context.refusals.count(Refused::BodyTooLong),
            Err(BodyError::NoRoom) => self.context.refusals.count(Refused::BodiesFull),
            Err(BodyError::Malformed) => self.context.refusals.count(Refused::Malformed),
            Err(BodyError::Closed) => {}
        }
        read.map(|bytes| RequestBody { bytes, _grant: grant })
    }
}

impl BodyError {
    /// The response of services that have none of their own.
    pub(crate) fn response(&self) -> Response<Body> {
        match self {
            Self::TooLong => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request body is longer than this path reads.\n",
            ),
            Self::NoRoom => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many request bodies are being read; try again in a second.\n",
            ),
            Self::Malformed => {
                plain(StatusCode::BAD_REQUEST, "The chunks of the request body are malformed.\n")
            }
            Self::Closed => hangup(),
        }
    }
}

/// Closes the connection without a response.
pub(crate) fn hangup() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Hangup);
    response
}

/// A refusal in plain text. It ends the connection, as the request may not be read to its end.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn read(
    mut body: Body,
    longest: usize,
    grant: &mut Grant,
    most: usize,
) -> Result<Bytes, BodyError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > longest) {
        return Err(BodyError::TooLong);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::of(&error))?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > longest {
            return Err(BodyError::TooLong);
        }
        if !grant.resize(length, most) {
            return Err(BodyError::NoRoom);
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

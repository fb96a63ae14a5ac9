//! The routers: the agent's own API with each dialect under a prefix, and one router per classic
//! port.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use conns_core::model::Update;
use conns_dialects::monero::ReasonPhrase;
use conns_dialects::{BodyChunks, HttpDialect, HttpOutcome, ResponseCache};
use http::Method;
use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;
use tower::Service;

use crate::context::Routers;
use crate::dialect_runner::DialectRunner;
use crate::http_client::{BodyError, HttpClient, hangup};
use crate::response_body::Chunks;

/// Maximum body length of a request to the API, bytes.
pub(crate) const MAX_API_BODY: usize = 64 << 10;

/// A dialect over HTTP, and where it runs.
pub(crate) struct HttpService {
    pub(crate) dialect: Arc<dyn HttpDialect>,
    pub(crate) runner: DialectRunner,
}

/// The dialects over HTTP.
pub(crate) struct HttpServices {
    pub(crate) one_e: HttpService,
    pub(crate) monero: HttpService,
    pub(crate) ems_http: HttpService,
    pub(crate) jetstream: HttpService,
    pub(crate) jetstream_with_token: HttpService,
}

/// Extension of a request with a configured token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WithToken;

/// The router of each kind of port; `api` is that of the agent's own API.
pub(crate) fn routers(api: Router, services: HttpServices) -> Routers {
    let HttpServices { one_e, monero, ems_http, jetstream, jetstream_with_token } = services;
    let (one_e, monero, ems_http) = (only(one_e), only(monero), only(ems_http));
    let (jetstream, with_token) = (Arc::new(jetstream), Arc::new(jetstream_with_token));
    let without = Arc::clone(&jetstream);
    let by_token = service(move |request| {
        let has_token = request.extensions().get::<WithToken>().is_some();
        Arc::clone(if has_token { &with_token } else { &without })
    });
    Routers {
        http: api
            .layer(from_fn(with_whole_body))
            .nest_service("/1e", one_e.clone())
            .nest_service("/monero", monero.clone())
            .nest_service("/ems", ems_http.clone())
            .nest_service("/jetstream", by_token),
        one_e: Router::new().fallback_service(one_e),
        monero: Router::new().fallback_service(monero),
        ems_http: Router::new().fallback_service(ems_http),
        // Its clients need no token, so one that is sent changes nothing.
        jetstream: Router::new().fallback_service(service(move |_| Arc::clone(&jetstream))),
    }
}

/// Reads the body of a request to the API before the rest is answered.
async fn with_whole_body(mut request: Request, next: Next) -> Response {
    let Some(client) = client(&mut request) else { return hangup() };
    let body = std::mem::take(request.body_mut());
    match client.read_body(body, MAX_API_BODY).await {
        Ok(body) => {
            *request.body_mut() = Body::from(body.bytes.clone());
            next.run(request).await
        }
        Err(error) => error.response(),
    }
}

/// The client of a request; every connection sets it.
fn client(request: &mut Request) -> Option<Arc<HttpClient>> {
    request.extensions_mut().remove()
}

/// The dialect that `choose` chooses for a request, as a service of a router.
fn service(
    choose: impl Fn(&Request) -> Arc<HttpService> + Clone + Send + Sync + 'static,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(move |request: Request| {
        let service = choose(&request);
        async move { Ok(Box::pin(service.respond(request)).await) }
    })
}

/// A dialect as a service of a router.
fn only(
    dialect: HttpService,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let dialect = Arc::new(dialect);
    service(move |_| Arc::clone(&dialect))
}

impl HttpService {
    async fn respond(&self, mut request: Request) -> Response {
        let Some(client) = client(&mut request) else { return hangup() };
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let body = match client.read_body(body, self.dialect.longest_body()).await {
            Ok(body) => body,
            Err(BodyError::TooLong) => return response(self.dialect.body_too_long(), &method),
            Err(error) => return error.response(),
        };
        let request = http::Request::from_parts(head, body.bytes.clone());
        let dialect = Arc::clone(&self.dialect);
        let length = body.bytes.len();
        let is_brief = |update: &Update| self.dialect.is_brief(length, update);
        let answer = move |cache: &ResponseCache| dialect.answer(&request, cache);
        match self.runner.run(is_brief, answer).await {
            Ok(outcome) => response(outcome, &method),
            Err(_) => hangup(),
        }
    }
}

/// The response of an outcome.
fn response(outcome: HttpOutcome, method: &Method) -> Response {
    let HttpOutcome::Answer(answer) = outcome else { return hangup() };
    let mut answer: Response = answer.map(|chunks: BodyChunks| Body::new(Chunks::new(chunks)));
    let length = answer.body().size_hint().exact();
    let stated = answer.headers().get(CONTENT_LENGTH);
    let is_wrong = stated.is_some_and(|stated| {
        stated.to_str().ok().and_then(|stated| stated.parse().ok()) != length
    });
    if is_wrong && method != Method::HEAD {
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    if let Some(reason) = answer.extensions_mut().remove::<ReasonPhrase>() {
        let reason = hyper::ext::ReasonPhrase::from_static(reason.0.as_bytes());
        answer.extensions_mut().insert(reason);
    }
    answer
}

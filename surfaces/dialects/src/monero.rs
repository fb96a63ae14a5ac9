//! The Monero dialect (compatibility API): the JSON-RPC `get_connections` of a Monero node. Described
//! in `docs/dialects/monero.md`.
//!
//! Invariant: everything except the values of a connection is byte for byte what `monerod` was
//! recorded to answer, including line ends and the malformed JSON it accepts.

mod call;
mod digest;
mod entry;
mod list;
mod login;
mod number;
mod options;
mod reader;
mod respond;

use bytes::Bytes;
use conns_core::query::Filter;
use http::{Method, Request};

pub use call::METHOD;
pub use login::Login;
pub use options::{DEFAULT_PEERS, Era, Options};
pub use respond::ReasonPhrase;

use crate::cache::ResponseCache;
use crate::shell::{HttpDialect, HttpOutcome};
use call::Outcome;
use login::{Admission, DigestAuth};

/// Longest request, head and body, bytes: the node's own limit since 2025 (CVE-2025-26819).
const MAX_REQUEST: usize = 1 << 20;

/// The JSON-RPC server of a node.
#[derive(Debug)]
pub struct Node {
    options: Options,
    /// Whether peers that sent nothing yet are listed too, as with [`DEFAULT_PEERS`].
    lists_silent: bool,
    auth: Option<DigestAuth>,
    /// The key of the list in the response cache: all it depends on besides the update.
    list_name: String,
}

impl Node {
    /// A node with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let auth = options.login.clone().map(|login| DigestAuth::new(login, options.secret));
        let id = digest::keyed(&options.secret, b"list name", [0; 3]);
        let list_name = format!(
            "monero {} {:032x} {} & {}",
            options.era.name(),
            u128::from_be_bytes(id),
            options.peers,
            options.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
        let lists_silent =
            Filter::parse(DEFAULT_PEERS).is_ok_and(|default| default == options.peers);
        Self { options, lists_silent, auth, list_name }
    }

    /// The `connections` of the answer, written once per update; empty if there are none.
    fn connections(&self, cache: &ResponseCache) -> Bytes {
        let instance = cache.update().instance;
        cache.list(&self.list_name, |snapshot| {
            list::write(&self.options, self.lists_silent, instance, snapshot)
        })
    }
}

impl HttpDialect for Node {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        let verb = request.method();
        if !is_known(verb) || respond::request_length(request) > MAX_REQUEST {
            return HttpOutcome::Hangup;
        }
        let at = cache.snapshot().at;
        // Before the login, as in the node.
        if is(verb, &Method::OPTIONS) {
            return respond::options(at);
        }
        let is_head = is(verb, &Method::HEAD);
        if let Some(auth) = &self.auth {
            let admission = auth.admit(request, cache.update());
            if let Admission::Challenge(challenge) = admission {
                return respond::unauthorized(at, is_head, &challenge);
            }
        }
        let uri = request.uri();
        if uri.path() != "/json_rpc" || uri.query().is_some() || uri.authority().is_some() {
            return respond::not_found(at);
        }
        // The node does not decode chunks and treats the body as absent.
        let is_chunked = request.headers().contains_key(http::header::TRANSFER_ENCODING);
        let body = if is_chunked { &[] } else { request.body().as_ref() };
        match call::read(body, self.options.restricted) {
            Outcome::Connections { id } => {
                let chunks = call::result(&id, self.connections(cache), self.options.era);
                respond::json(at, is_head, chunks)
            }
            Outcome::Error(error) => respond::json(at, is_head, vec![error.into()]),
            Outcome::Failure => respond::failure(at),
        }
    }

    fn longest_body(&self) -> usize {
        MAX_REQUEST
    }
}

/// The node compares verbs in any case.
fn is(verb: &Method, other: &Method) -> bool {
    verb.as_str().eq_ignore_ascii_case(other.as_str())
}

/// The verbs the node supports; it closes the connection on any other.
fn is_known(verb: &Method) -> bool {
    [
        Method::POST,
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ]
    .iter()
    .any(|known| is(verb, known))
}

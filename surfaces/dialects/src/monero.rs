//! A Monero node's JSON-RPC `get_connections`. Described in `docs/dialects/monero.md`.
//!
//! The one idea: everything that is not a figure of a connection is as `monerod` was seen to answer
//! it, down to the line ends and the bodies it takes for JSON; the tests replay those answers.

mod call;
mod digest;
mod entry;
mod list;
mod login;
mod number;
mod reader;
mod respond;

use std::fmt;

use bytes::Bytes;
use conns_core::query::Filter;
use http::{Method, Request};

pub use login::Login;
pub use respond::ReasonPhrase;

use crate::cache::ResponseCache;
use crate::shell::{HttpDialect, HttpOutcome};
use call::Outcome;
use login::{Admission, Gate};

/// Which connections are listed unless the operator says otherwise: those that `monerod` or
/// `cuprated` holds and that it dialled, or accepted on a port the main, test or stage network uses
/// by default. Those it dialled may be others too: a proxy, a bootstrap daemon.
pub const DEFAULT_PEERS: &str = "proto == tcp and state == established \
    and process in (monerod, cuprated) \
    and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080))";

/// Most bytes of one request, head and body: the node's own limit since 2025 (CVE-2025-26819).
const LONGEST_REQUEST: usize = 1 << 20;

/// The shape of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Era {
    /// The 25 keys of version 0.15 and all later ones.
    #[default]
    Current,
    /// The 21 keys of version 0.11, whose names of states begin with `state_`: the shape of the
    /// printed example.
    V0_11,
}

impl Era {
    /// `current` or `0.11`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::V0_11 => "0.11",
        }
    }

    /// The era of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Current, Self::V0_11].into_iter().find(|era| era.name() == name)
    }
}

/// How a [`Node`] answers.
#[derive(Clone)]
pub struct Options {
    /// Which connections are peers; only established TCP is listed in any case.
    pub peers: Filter,
    /// Narrows them to one node, where several run here.
    pub node: Option<Filter>,
    /// The shape of the answer.
    pub era: Era,
    /// Answers as the node's restricted port does: the method is not found.
    pub restricted: bool,
    /// Who may ask; everybody if there is none.
    pub login: Option<Login>,
    /// Drawn at random, and kept from whoever asks: connection ids and login challenges come of it.
    pub secret: [u8; 16],
}

/// Without the secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peers, node, era, restricted, login, secret: _ } = self;
        f.debug_struct("Options")
            .field("peers", peers)
            .field("node", node)
            .field("era", era)
            .field("restricted", restricted)
            .field("login", login)
            .finish_non_exhaustive()
    }
}

/// The JSON-RPC server of a node.
#[derive(Debug)]
pub struct Node {
    options: Options,
    gate: Option<Gate>,
    /// Names the list on a shelf: all it depends on besides the beat.
    list_name: String,
}

impl Node {
    /// A node that answers so.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let gate = options.login.clone().map(|login| Gate::new(login, options.secret));
        let id = digest::keyed(&options.secret, *b"listname", [0; 3]);
        let list_name = format!(
            "monero {} {:032x} {} & {}",
            options.era.name(),
            u128::from_be_bytes(id),
            options.peers,
            options.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
        Self { options, gate, list_name }
    }

    /// The `connections` of the answer, written at most once a beat; empty if there are none.
    fn connections(&self, cache: &ResponseCache) -> Bytes {
        let instance = cache.update().instance;
        cache.list(&self.list_name, |snapshot| list::write(&self.options, instance, snapshot))
    }
}

impl HttpDialect for Node {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        let verb = request.method();
        if !is_known(verb) || respond::request_length(request) > LONGEST_REQUEST {
            return HttpOutcome::Hangup;
        }
        let at = cache.snapshot().at;
        // Before the login, as the node does.
        if is(verb, &Method::OPTIONS) {
            return respond::options(at);
        }
        let is_head = is(verb, &Method::HEAD);
        if let Some(gate) = &self.gate {
            let admission = gate.admit(request, cache.update());
            if let Admission::Challenge(challenge) = admission {
                return respond::unauthorized(at, is_head, &challenge);
            }
        }
        let uri = request.uri();
        if uri.path() != "/json_rpc" || uri.query().is_some() || uri.authority().is_some() {
            return respond::not_found(at);
        }
        // The node does not decode chunks, and takes the body for absent.
        let is_chunked = request.headers().contains_key(http::header::TRANSFER_ENCODING);
        let body = if is_chunked { &[] } else { request.body().as_ref() };
        match call::read(body, self.options.restricted) {
            Outcome::Connections { id } => {
                let pieces = call::result(&id, self.connections(cache), self.options.era);
                respond::json(at, is_head, pieces)
            }
            Outcome::Error(error) => respond::json(at, is_head, vec![error.into()]),
            Outcome::Failure => respond::failure(at),
        }
    }

    fn longest_body(&self) -> usize {
        LONGEST_REQUEST
    }
}

/// The node reads verbs in any case.
fn is(verb: &Method, other: &Method) -> bool {
    verb.as_str().eq_ignore_ascii_case(other.as_str())
}

/// The verbs of which the node reads the request line; it closes the connection on any other.
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

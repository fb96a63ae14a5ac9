//! What an operator configures.

use std::fmt;

use conns_core::query::Filter;

use super::login::Login;

/// The default for [`Options::peers`]: connections that carry the protocol of Monero nodes; and, where payload was
/// not decoded, those of `monerod` or `cuprated` that are outbound, or inbound on a default port of mainnet, testnet or
/// stagenet. With it, connections that came in at a P2P port of such a node and sent nothing yet are listed too.
pub const DEFAULT_PEERS: &str = "proto == tcp and state == established \
    and (app == levin or app is unknown and process in (monerod, cuprated) \
    and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))";

/// The release of Monero whose shape is answered.
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

/// How a [`Node`](super::Node) answers.
#[derive(Clone)]
pub struct Options {
    /// The connections that are peers; only established TCP is listed in any case.
    pub peers: Filter,
    /// Narrows them to one node, where several run here.
    pub node: Option<Filter>,
    /// The shape of the answer.
    pub era: Era,
    /// Answers as the node's restricted port does: the method is not found.
    pub restricted: bool,
    /// The login a request needs; `None` for none.
    pub login: Option<Login>,
    /// Random and secret: the key of connection ids and login challenges.
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

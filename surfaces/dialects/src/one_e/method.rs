//! The supported methods of 1E's `Network` module: names, columns, and the connections each is about.

use std::fmt;

use conns_api::{Ask, View};
use conns_core::model::{Connection, Protocol};

use super::columns::{CONNECTIONS, LISTENING_ENDPOINTS};
use super::table::Column;

/// A method of 1E's `Network` module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `Network.GetConnections`: established TCP connections (1E's page of the method, kept in
    /// `tests/fixtures/1e/`).
    GetConnections,
    /// `Network.GetListeningEndpoints`: listening ports. 1E's page only names it; its columns are
    /// ours, by analogy.
    GetListeningEndpoints,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::GetConnections, Self::GetListeningEndpoints];

    /// The module it is in.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::GetConnections | Self::GetListeningEndpoints => "Network",
        }
    }

    /// Its name within the module.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetConnections => "GetConnections",
            Self::GetListeningEndpoints => "GetListeningEndpoints",
        }
    }

    /// The columns of its table, in order.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::GetConnections => &CONNECTIONS,
            Self::GetListeningEndpoints => &LISTENING_ENDPOINTS,
        }
    }

    /// The view of the snapshot it needs.
    #[must_use]
    pub fn view(self) -> View {
        match self {
            Self::GetConnections => View::Connections,
            Self::GetListeningEndpoints => View::Listening,
        }
    }

    /// The question for an [`Agent`](conns_api::Agent): no more than the answer needs, in every
    /// network namespace.
    #[must_use]
    pub fn ask(self) -> Ask {
        Ask { view: self.view(), udp: self == Self::GetListeningEndpoints, ..Ask::default() }
    }

    /// Whether `connection` has a row in its table. An MPTCP connection has none: its subflows are
    /// TCP sockets of the kernel's tables and have rows (RFC 8684 section 2).
    pub(super) fn is_about(self, connection: &Connection) -> bool {
        let is_kind = matches!(
            (self, connection.socket.protocol),
            (_, Protocol::Tcp) | (Self::GetListeningEndpoints, Protocol::Udp)
        );
        let is_meant = match self {
            Self::GetConnections => connection.is_established(),
            Self::GetListeningEndpoints => self.view().contains(connection),
        };
        is_kind && is_meant
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module(), self.name())
    }
}

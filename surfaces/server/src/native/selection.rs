//! The selection of connections: the CLI's `-l`, `-a`, `-t`, `-4`, `--netns` and filter.

use std::fmt;

use conns_api::{View, is_of_interest};
use conns_core::model::{Connection, Family, Netns, Protocol};
use conns_core::query::{Field, Filter, GroupKey, field_named, group_key};

use super::parameters::Query;
use crate::problem::{Problem, repeated};

/// Which states are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// As the CLI's list has them.
    View(View),
    /// As `conns why` has them: connections, those about to be or just closed, and listeners in
    /// trouble.
    OfInterest,
}

/// The connections of one group.
struct InGroup {
    field: &'static Field,
    key: GroupKey,
}

impl fmt::Debug for InGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.field.name, self.key)
    }
}

/// A choice among connections.
#[derive(Debug)]
pub(super) struct Selection {
    scope: Scope,
    protocol: Option<Protocol>,
    family: Option<Family>,
    namespaces: Vec<String>,
    filter: Option<Filter>,
    group: Option<InGroup>,
}

impl Selection {
    /// Reads it from the parameters; `usual` is meant if no view is given.
    pub(super) fn read(query: &Query, usual: Scope) -> Result<Self, Problem> {
        let scope = match query.get("view") {
            Some("connections") => Scope::View(View::Connections),
            Some("listening") => Scope::View(View::Listening),
            Some("all") => Scope::View(View::All),
            _ => usual,
        };
        let protocol = match query.get("proto") {
            Some("tcp") => Some(Protocol::Tcp),
            Some("udp") => Some(Protocol::Udp),
            _ => None,
        };
        let family = match query.get("family") {
            Some("ipv4") => Some(Family::Ipv4),
            Some("ipv6") => Some(Family::Ipv6),
            _ => None,
        };
        let namespaces = query.all("netns").map(str::to_owned).collect();
        let filter = query.get("filter").filter(|text| !text.trim().is_empty());
        let filter = filter.map(Filter::parse).transpose();
        let filter = filter.map_err(|error| Problem::filter(&error))?;
        let group = query.get("group").map(|text| read_group(query, text)).transpose()?;
        Ok(Self { scope, protocol, family, namespaces, filter, group })
    }

    /// Whether it is every connection there is.
    pub(super) fn is_everything(&self) -> bool {
        self.scope == Scope::View(View::All)
            && self.protocol.is_none()
            && self.family.is_none()
            && self.namespaces.is_empty()
            && self.filter.is_none()
            && self.group.is_none()
    }

    /// Whether it has a filter, which may match others as time passes.
    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some() || self.group.is_some()
    }

    /// Whether it is about nothing but listening endpoints.
    pub(super) fn is_of_listeners(&self) -> bool {
        self.scope == Scope::View(View::Listening)
    }

    /// Whether `connection` is meant.
    pub(super) fn matches(&self, connection: &Connection) -> bool {
        let is_in_scope = match self.scope {
            Scope::View(view) => view.contains(connection),
            Scope::OfInterest => is_of_interest(connection),
        };
        is_in_scope && self.matches_in_any_state(connection)
    }

    /// Whether it is meant but for its state: what is closed is in no view.
    pub(super) fn matches_in_any_state(&self, connection: &Connection) -> bool {
        let socket = &connection.socket;
        let is_protocol = match self.protocol {
            // MPTCP is TCP to its applications.
            Some(Protocol::Tcp | Protocol::Mptcp) => socket.protocol.is_tcp(),
            Some(protocol) => socket.protocol == protocol,
            None => true,
        };
        is_protocol
            && self.family.is_none_or(|family| socket.family == family)
            && (self.namespaces.is_empty()
                || self.namespaces.iter().any(|name| is_called(&socket.netns, name)))
            && self.filter.as_ref().is_none_or(|filter| filter.matches(connection))
            && self
                .group
                .as_ref()
                .is_none_or(|group| group_key(connection, group.field) == group.key)
    }
}

/// The group that `group` names among those of `group_by`.
fn read_group(query: &Query, text: &str) -> Result<InGroup, Problem> {
    let field = query.get("group_by").and_then(|name| field_named(name).ok());
    let key = match (text, text.strip_prefix('=')) {
        (_, Some(value)) => Some(GroupKey::Value(value.to_owned())),
        ("?", _) => Some(GroupKey::Unknown),
        ("-", _) => Some(GroupKey::NotApplicable),
        _ => None,
    };
    field.zip(key).map(|(field, key)| InGroup { field, key }).ok_or_else(|| {
        let hint = "give `group_by`, and as `group` `=` and the value, `?` or `-`";
        Problem::bad("bad-parameter", format!("`group` cannot be `{}`", repeated(text)), hint)
    })
}

/// Whether a namespace is meant by `name`: its name under `/run/netns`, its inode, or `net:[inode]`.
fn is_called(netns: &Netns, name: &str) -> bool {
    let digits = name.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    netns.label.as_deref() == Some(name) || digits.parse() == Ok(netns.inode)
}

//! Which connections a query is about.
//!
//! An agent answers from its snapshot, so the namespaces it knows are those in which it sees sockets.
//! A query makes it enter none.

use std::collections::{BTreeMap, HashSet};

use conns_core::model::{Connection, Family, Netns, Protocol};

use crate::agent::{AgentError, Ask};

/// Most namespaces named in a message.
const MAX_NAMES_LISTED: usize = 20;

/// Which of `connections` are asked for, whatever the view.
///
/// # Errors
/// [`AgentError::NotThere`] if a namespace that is asked for has none of them.
pub fn asked_for<'c>(
    ask: &Ask,
    connections: impl Iterator<Item = &'c Connection> + Clone,
) -> Result<Vec<bool>, AgentError> {
    let selector = Selector::new(ask, || connections.clone())?;
    Ok(connections.map(|connection| selector.contains_in_any_state(connection)).collect())
}

/// Which connections an `Ask` means, once its namespaces are known.
pub(super) struct Selector<'a> {
    ask: &'a Ask,
    /// Inodes; `None` is all.
    namespaces: Option<HashSet<u64>>,
}

impl<'a> Selector<'a> {
    /// Finds the namespaces that `ask` names among those of `all` connections.
    pub(super) fn new<'c, I: Iterator<Item = &'c Connection>>(
        ask: &'a Ask,
        all: impl Fn() -> I,
    ) -> Result<Self, AgentError> {
        if ask.namespaces.is_empty() {
            return Ok(Self { ask, namespaces: None });
        }
        let mut known: BTreeMap<u64, &Netns> = BTreeMap::new();
        for connection in all() {
            known.entry(connection.socket.netns.inode).or_insert(&connection.socket.netns);
        }
        let chosen = ask.namespaces.iter().map(|name| choose(name, &known, &all));
        Ok(Self { ask, namespaces: Some(chosen.collect::<Result<_, _>>()?) })
    }

    /// Selects no connection.
    pub(super) fn nothing(ask: &'a Ask) -> Self {
        Self { ask, namespaces: Some(HashSet::new()) }
    }

    /// Whether it selects `connection`.
    pub(super) fn contains(&self, connection: &Connection) -> bool {
        self.ask.view.contains(connection) && self.contains_in_any_state(connection)
    }

    /// Whether it selects `connection`, whatever its state.
    pub(super) fn contains_in_any_state(&self, connection: &Connection) -> bool {
        let socket = &connection.socket;
        let is_protocol = match socket.protocol {
            Protocol::Tcp | Protocol::Mptcp => self.ask.tcp,
            Protocol::Udp => self.ask.udp,
            // An agent samples none of them.
            _ => false,
        };
        let is_family = match socket.family {
            Family::Ipv4 => self.ask.ipv4,
            Family::Ipv6 => self.ask.ipv6,
            _ => false,
        };
        is_protocol
            && is_family
            && self.namespaces.as_ref().is_none_or(|inodes| inodes.contains(&socket.netns.inode))
    }
}

/// The namespace meant by a name, an inode, `net:[inode]`, a pid, or a path under `/run/netns` or
/// `/proc`; in the same order as without an agent.
fn choose<'c, I: Iterator<Item = &'c Connection>>(
    name_or_number: &str,
    known: &BTreeMap<u64, &Netns>,
    all: &impl Fn() -> I,
) -> Result<u64, AgentError> {
    let name = name_or_number
        .strip_prefix("/run/netns/")
        .or(name_or_number.strip_prefix("/var/run/netns/"));
    let name = name.unwrap_or(name_or_number);
    if let Some(inode) = known.values().find(|netns| netns.label.as_deref() == Some(name)) {
        return Ok(inode.inode);
    }
    if let Some(inode) = name_or_number.parse().ok().filter(|inode| known.contains_key(inode)) {
        return Ok(inode);
    }
    let path = name_or_number.strip_prefix("/proc/").and_then(|rest| rest.strip_suffix("/ns/net"));
    let reason = match path.unwrap_or(name_or_number).parse() {
        Ok(pid) => match namespaces_of(pid, all()).as_slice() {
            [inode] => return Ok(*inode),
            [] => "the agent sees no socket in such a namespace or of such a process",
            _ => "that process has sockets in several namespaces; name one of them",
        },
        Err(_) => "the agent sees no socket in a namespace of that name",
    };
    let names = known.values().filter_map(|netns| netns.label.as_deref());
    let mut listed = names.clone().take(MAX_NAMES_LISTED).collect::<Vec<_>>().join(", ");
    if names.count() > MAX_NAMES_LISTED {
        listed.push_str(", …");
    }
    Err(AgentError::NotThere(format!(
        "no network namespace `{name_or_number}`: {reason}. Known to the agent: {listed}"
    )))
}

/// The namespaces of the sockets that this process owns.
fn namespaces_of<'c>(pid: u32, connections: impl Iterator<Item = &'c Connection>) -> Vec<u64> {
    let mut inodes: Vec<u64> = Vec::new();
    for connection in connections {
        let inode = connection.socket.netns.inode;
        let mut owners = connection.listed_owners().iter();
        if !inodes.contains(&inode) && owners.any(|owner| owner.process.pid == pid) {
            inodes.push(inode);
        }
    }
    inodes
}

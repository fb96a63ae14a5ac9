//! Which connections a question is about.
//!
//! The one idea: an agent answers from what it has seen, so the namespaces it knows are those in
//! which it sees sockets; it enters none because somebody asks.

use std::collections::{BTreeMap, HashSet};

use conns_core::model::{Connection, Family, Netns, Protocol};

use super::holders_of;
use crate::agent::{AgentError, Ask};

/// Most namespaces named in a message.
const NAMES_SAID: usize = 20;

/// Which connections an `Ask` means, once its namespaces are known.
pub(super) struct Wanted<'a> {
    ask: &'a Ask,
    /// Inodes; `None` is all.
    namespaces: Option<HashSet<u64>>,
}

impl<'a> Wanted<'a> {
    /// Finds the namespaces that `ask` names among those of the connections that are `there`.
    pub(super) fn new<'c, I: Iterator<Item = &'c Connection>>(
        ask: &'a Ask,
        there: impl Fn() -> I,
    ) -> Result<Self, AgentError> {
        if ask.namespaces.is_empty() {
            return Ok(Self { ask, namespaces: None });
        }
        let mut known: BTreeMap<u64, &Netns> = BTreeMap::new();
        for connection in there() {
            known.entry(connection.socket.netns.inode).or_insert(&connection.socket.netns);
        }
        let chosen = ask.namespaces.iter().map(|name| choose(name, &known, &there));
        Ok(Self { ask, namespaces: Some(chosen.collect::<Result<_, _>>()?) })
    }

    /// What has no connection in any namespace.
    pub(super) fn nothing(ask: &'a Ask) -> Self {
        Self { ask, namespaces: Some(HashSet::new()) }
    }

    /// Whether this is one of them.
    pub(super) fn contains(&self, connection: &Connection) -> bool {
        self.ask.view.contains(connection) && self.contains_in_any_state(connection)
    }

    /// Whether it is one of them but for its state.
    pub(super) fn contains_in_any_state(&self, connection: &Connection) -> bool {
        let socket = &connection.socket;
        let is_protocol = match socket.protocol {
            Protocol::Tcp | Protocol::Mptcp => self.ask.tcp,
            Protocol::Udp => self.ask.udp,
        };
        let is_family = match socket.family {
            Family::Ipv4 => self.ask.ipv4,
            Family::Ipv6 => self.ask.ipv6,
        };
        is_protocol
            && is_family
            && self.namespaces.as_ref().is_none_or(|all| all.contains(&socket.netns.inode))
    }
}

/// The namespace meant by a name, an inode, `net:[inode]`, a pid, or a path under `/run/netns` or
/// `/proc`; in the same order as without an agent.
fn choose<'c, I: Iterator<Item = &'c Connection>>(
    wanted: &str,
    known: &BTreeMap<u64, &Netns>,
    there: &impl Fn() -> I,
) -> Result<u64, AgentError> {
    let name = wanted.strip_prefix("/run/netns/").or(wanted.strip_prefix("/var/run/netns/"));
    let name = name.unwrap_or(wanted);
    if let Some(inode) = known.values().find(|netns| netns.label.as_deref() == Some(name)) {
        return Ok(inode.inode);
    }
    if let Some(inode) = wanted.parse().ok().filter(|inode| known.contains_key(inode)) {
        return Ok(inode);
    }
    let path = wanted.strip_prefix("/proc/").and_then(|rest| rest.strip_suffix("/ns/net"));
    let reason = match path.unwrap_or(wanted).parse() {
        Ok(pid) => match namespaces_of(pid, there()).as_slice() {
            [inode] => return Ok(*inode),
            [] => "the agent sees no socket in such a namespace or of such a process",
            _ => "that process holds sockets of several namespaces; name one of them",
        },
        Err(_) => "the agent sees no socket in a namespace of that name",
    };
    let names = known.values().filter_map(|netns| netns.label.as_deref());
    let mut said = names.clone().take(NAMES_SAID).collect::<Vec<_>>().join(", ");
    if names.count() > NAMES_SAID {
        said.push_str(", …");
    }
    Err(AgentError::NotThere(format!(
        "no network namespace `{wanted}`: {reason}. Known to the agent: {said}"
    )))
}

/// The namespaces of the sockets that this process holds.
fn namespaces_of<'c>(pid: u32, there: impl Iterator<Item = &'c Connection>) -> Vec<u64> {
    let mut inodes: Vec<u64> = Vec::new();
    for connection in there {
        let inode = connection.socket.netns.inode;
        let mut held = holders_of(connection).iter();
        if !inodes.contains(&inode) && held.any(|owner| owner.process.pid == pid) {
            inodes.push(inode);
        }
    }
    inodes
}

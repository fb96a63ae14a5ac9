//! Flows of datagrams that a connection sets up: they are part of what it carries, so that its decoder gets
//! their datagrams too.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::Endpoint;

use super::{BothSides, Ends, ProtocolSpec, Side};

/// Most flows that are expected at a time: two for each of the media of thousands of sessions.
const MAX_EXPECTED: usize = 65_536;
/// Most flows that one connection expects at a time.
const MAX_OF_ONE: usize = 64;
/// Most flows with the same ports, between other addresses.
const MAX_SAME_PORTS: usize = 16;

/// A flow that a connection set up.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedFlow {
    /// By which the connection knows it.
    pub number: u32,
    /// What it is of. Its [`datagram`](ProtocolSpec::datagram) decodes the flow as well.
    pub protocol: &'static ProtocolSpec,
    /// Its ends, by the side that they send.
    pub ends: BothSides<FlowEnd>,
}

/// An end of an expected flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowEnd {
    /// Its address; `None` if that is not known.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

impl FlowEnd {
    fn is(self, end: Endpoint) -> bool {
        self.port == end.port && self.address.is_none_or(|address| address == end.address)
    }
}

/// The connection that set a flow up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<K> {
    pub(super) owner: K,
    pub(super) number: u32,
    pub(super) protocol: &'static ProtocolSpec,
    /// Whether the sides of the flow are the other way around than those of the connection.
    is_turned: bool,
}

impl<K> Link<K> {
    /// The side of the connection that a side of the flow is.
    pub(super) fn side(&self, of_flow: Side) -> Side {
        if self.is_turned { of_flow.other() } else { of_flow }
    }
}

/// Ports of both ends, by the sides of the connection.
type Ports = (u16, u16);

/// The flows that the connections of a source expect.
#[derive(Debug)]
pub(super) struct ExpectedFlows<K> {
    by_ports: HashMap<Ports, Vec<(K, ExpectedFlow)>, RandomState>,
    length: usize,
    /// Counts additions, so that a flow is looked up once for each.
    pub(super) additions: u64,
}

impl<K> Default for ExpectedFlows<K> {
    fn default() -> Self {
        Self { by_ports: HashMap::default(), length: 0, additions: 0 }
    }
}

impl<K: Copy + Eq> ExpectedFlows<K> {
    /// Adds a flow of a connection, whose list of ports is `announced`.
    pub(super) fn add(&mut self, owner: K, flow: ExpectedFlow, announced: &mut Vec<Ports>) {
        if self.length >= MAX_EXPECTED || announced.len() >= MAX_OF_ONE {
            return;
        }
        let ports = (flow.ends.sent.port, flow.ends.received.port);
        let same = self.by_ports.entry(ports).or_default();
        if same.len() < MAX_SAME_PORTS {
            same.push((owner, flow));
            announced.push(ports);
            self.length += 1;
            self.additions += 1;
        }
    }

    /// Removes the flows of a connection.
    pub(super) fn remove(&mut self, owner: K, announced: &mut Vec<Ports>) {
        for ports in announced.drain(..) {
            let Some(same) = self.by_ports.get_mut(&ports) else { continue };
            let before = same.len();
            same.retain(|(other, _)| *other != owner);
            self.length -= before - same.len();
            if same.is_empty() {
                self.by_ports.remove(&ports);
            }
        }
    }

    /// Who set a flow between these ends up. One whose sides are the same is preferred: of a flow within this
    /// machine each end has a connection of its own.
    pub(super) fn find(&self, ends: Ends) -> Option<Link<K>> {
        let (local, remote) = (ends.local?, ends.remote?);
        [false, true].into_iter().find_map(|is_turned| {
            let (sent, received) = if is_turned { (remote, local) } else { (local, remote) };
            let same = self.by_ports.get(&(sent.port, received.port))?;
            let is_between =
                |flow: &ExpectedFlow| flow.ends.sent.is(sent) && flow.ends.received.is(received);
            // A port that is used again is of the connection that came last.
            let (owner, flow) = same.iter().rev().find(|(_, flow)| is_between(flow))?;
            let ExpectedFlow { number, protocol, .. } = *flow;
            Some(Link { owner: *owner, number, protocol, is_turned })
        })
    }
}

#[cfg(test)]
mod tests;

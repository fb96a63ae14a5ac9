//! The answer of a node to `get_connections`, read as another program's output: any row may be anything.

use std::net::{IpAddr, SocketAddr};

use conns_core::decode::ReportedPeer;
use conns_core::model::unmapped;
use serde::Deserialize;

/// A row of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// The remote end.
    pub(super) end: SocketAddr,
    /// What the node reports of it; `None` before the handshake.
    pub(super) reported: Option<ReportedPeer>,
}

#[derive(Deserialize)]
struct Body {
    result: Rows,
}

#[derive(Deserialize)]
struct Rows {
    /// A node without peers has no such key.
    #[serde(default)]
    connections: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    host: String,
    port: Option<String>,
    address: String,
    peer_id: String,
    height: u64,
    #[serde(default)]
    pruning_seed: u32,
    #[serde(default)]
    rpc_port: u16,
    #[serde(default)]
    rpc_credits_per_hash: u32,
    support_flags: u32,
}

/// The rows of a body; `None` if it is no answer, such as the error of a restricted port. Rows of peers without an
/// address (Tor, I2P) are omitted.
pub(super) fn peers(body: &[u8]) -> Option<Vec<Peer>> {
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(body.result.connections.iter().filter_map(Row::peer).collect())
}

impl Row {
    fn peer(&self) -> Option<Peer> {
        let peer_id = u64::from_str_radix(&self.peer_id, 16).ok()?;
        let reported = (peer_id != 0).then_some(ReportedPeer {
            peer_id,
            height: self.height,
            pruning_seed: self.pruning_seed,
            rpc_port: self.rpc_port,
            rpc_credits_per_hash: self.rpc_credits_per_hash,
            support_flags: self.support_flags,
        });
        Some(Peer { end: self.end()?, reported })
    }

    /// Before 0.18.5.1 an IPv6 peer has an empty `port`.
    fn end(&self) -> Option<SocketAddr> {
        let of_address = || self.address.parse().ok();
        let of_port = |port: &String| {
            let host: IpAddr = self.host.parse().ok()?;
            Some(SocketAddr::new(host, port.parse().ok()?))
        };
        let end: SocketAddr = self.port.as_ref().and_then(of_port).or_else(of_address)?;
        Some(SocketAddr::new(unmapped(end.ip()), end.port()))
    }
}

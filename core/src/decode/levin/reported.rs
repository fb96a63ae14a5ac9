//! What a node answers about its peers when it is asked: what a handshake announces, for connections whose handshake was
//! not seen.

use crate::model::{
    Application, Certainty, FieldSpec, Known, Layer, LayerOrigin, Moment, Scalar, Source, Unknown,
};

use super::fields::FIELDS;

/// A row of a node's own `get_connections`, without what changes from second to second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedPeer {
    /// Id of the peer.
    pub peer_id: u64,
    /// Blocks of its chain as it claimed last.
    pub height: u64,
    /// Which part of old blocks it keeps.
    pub pruning_seed: u32,
    /// RPC port it announces.
    pub rpc_port: u16,
    /// What it pays for with RPC credits.
    pub rpc_credits_per_hash: u32,
    /// Its features.
    pub support_flags: u32,
}

impl ReportedPeer {
    /// The layer of a connection to that peer, as the node answered at this moment.
    #[must_use]
    pub fn application(&self, at: Moment) -> Application {
        let value = |field: &FieldSpec| {
            let scalar = match field.name {
                "levin.peer_id" => Scalar::Text(format!("{:016x}", self.peer_id).into()),
                "levin.height" => Scalar::Count(self.height),
                "levin.pruning_seed" => Scalar::Count(self.pruning_seed.into()),
                "levin.rpc_port" => Scalar::Port(self.rpc_port),
                "levin.rpc_credits_per_hash" => Scalar::Count(self.rpc_credits_per_hash.into()),
                "levin.support_flags" => Scalar::Count(self.support_flags.into()),
                _ => return Known::Unknown(Unknown::BeganBefore),
            };
            Known::Value(scalar, Source::Reported)
        };
        let layer = Layer {
            protocol: super::LEVIN.name.into(),
            certainty: Certainty::Certain,
            origin: LayerOrigin::Reported,
            since: at,
            gap_bytes: 0,
            values: FIELDS.iter().map(value).collect(),
        };
        Application { layers: Box::new([layer]) }
    }
}

/// Whether these are layers of a connection between two nodes whose handshake was before it was seen.
#[must_use]
pub fn is_handshake_missing(application: &Application) -> bool {
    let layer = application.layer(super::LEVIN.name);
    let peer_id = layer.and_then(|layer| layer.values.first());
    matches!(peer_id, Some(Known::Unknown(Unknown::BeganBefore)))
}

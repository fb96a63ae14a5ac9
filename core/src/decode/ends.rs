//! The ends of a connection.

use crate::model::Endpoint;

use super::{ProtocolSpec, Side};

/// What is known of the ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// This machine's end, or the first end of a captured connection.
    pub local: Option<Endpoint>,
    /// The other end.
    pub remote: Option<Endpoint>,
    /// The end that opened it, named by the side it sends.
    pub opener: Option<Side>,
}

impl Ends {
    /// The protocol whose servers use the port of the end that did not open it; of either end, if it is not
    /// known which opened it.
    pub(super) fn protocol_of_port(
        &self,
        protocols: &[&'static ProtocolSpec],
    ) -> Option<&'static ProtocolSpec> {
        let servers = match self.opener {
            Some(Side::Sent) => [None, self.remote],
            Some(Side::Received) => [self.local, None],
            None => [self.local, self.remote],
        };
        let uses = |protocol: &&ProtocolSpec| {
            servers.iter().flatten().any(|end| protocol.ports.contains(&end.port))
        };
        protocols.iter().copied().find(uses)
    }
}

//! Which protocols run on a connection, in the tags of EMS.

use std::collections::HashMap;

use conns_core::decode::{LayerValues, RTMP};
use conns_core::model::{Connection, Direction, Protocol, Source};

/// Ports of a media server as it is shipped, and what it accepts there.
const PORTS: [(u16, Stack); 9] = [
    (554, Stack::Rtsp),
    (1935, Stack::InboundRtmp),
    (1936, Stack::InboundRtmp),
    (4443, Stack::InboundRtmps),
    (5544, Stack::Rtsp),
    (6666, Stack::LiveFlv),
    (8081, Stack::InboundRtmpt),
    (8554, Stack::Rtsp),
    (9999, Stack::MpegTs),
];

/// The protocols above the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stack {
    InboundRtmp,
    InboundRtmps,
    InboundRtmpt,
    InboundRtmpe,
    OutboundRtmp,
    OutboundRtmps,
    Rtsp,
    LiveFlv,
    MpegTs,
    /// Not known, of a socket that was selected.
    Unknown,
}

impl Stack {
    /// The tags above the transport, far end first, each with its id relative to that of the transport.
    pub(super) fn tags(self) -> &'static [(&'static str, i64)] {
        match self {
            Self::InboundRtmp => &[("IR", 1)],
            Self::InboundRtmps => &[("ISSL", 1), ("IR", 2)],
            Self::InboundRtmpt => &[("IH4R", 1), ("IR", 2)],
            // The element for the encryption is made when the handshake is over.
            Self::InboundRtmpe => &[("RE", 2), ("IR", 1)],
            Self::OutboundRtmp => &[("OR", 1)],
            Self::OutboundRtmps => &[("OSSL", 1), ("OR", 2)],
            Self::Rtsp => &[("RTSP", 1)],
            Self::LiveFlv => &[("ILFL", 1)],
            Self::MpegTs => &[("ITS", 1)],
            Self::Unknown => &[],
        }
    }

    /// Whether its last element counts messages.
    pub(super) fn is_rtmp(self) -> bool {
        matches!(
            self,
            Self::InboundRtmp
                | Self::InboundRtmps
                | Self::InboundRtmpt
                | Self::InboundRtmpe
                | Self::OutboundRtmp
                | Self::OutboundRtmps
        )
    }

    /// Whether its last element always has a list of streams.
    pub(super) fn always_has_streams(self) -> bool {
        matches!(self, Self::Rtsp | Self::LiveFlv)
    }

    /// What a connection carries as its bytes show; `Ok(None)` if they show nothing yet, an error if it is
    /// nothing that a media server lists.
    fn of_layers(connection: &Connection) -> Result<Option<Self>, NotMedia> {
        let Some(application) = connection.application.value() else { return Ok(None) };
        let names = || application.layers.iter().map(|layer| &*layer.protocol);
        let has = |name: &str| names().any(|layer| layer == name);
        let is_client = match LayerValues::of(connection, &RTMP) {
            Some(rtmp) => rtmp.text("role") == Some("client"),
            // A port of a media server is not one of its clients.
            None => {
                let is_port = PORTS.iter().any(|(port, _)| *port == connection.local().port);
                !is_port && connection.direction.get() == Some(Direction::Outbound)
            }
        };
        let rtmp = LayerValues::of(connection, &RTMP);
        let is_encrypted = rtmp.and_then(|rtmp| rtmp.text("handshake_kind")) == Some("encrypted");
        Ok(Some(match () {
            () if has("rtsp") => Self::Rtsp,
            () if has("flv") && !has("http") => Self::LiveFlv,
            () if has("ts") => Self::MpegTs,
            () if has("rtmpt") => Self::InboundRtmpt,
            () if has("tls") && is_client => Self::OutboundRtmps,
            () if has("tls") => Self::InboundRtmps,
            () if rtmp.is_some() && is_client => Self::OutboundRtmp,
            () if is_encrypted => Self::InboundRtmpe,
            () if rtmp.is_some() => Self::InboundRtmp,
            () => return Err(NotMedia),
        }))
    }
}

/// A media server does not list what the connection carries.
struct NotMedia;

/// What is accepted at the ports of a media server.
#[derive(Debug)]
pub(super) struct Acceptors {
    by_port: HashMap<(Protocol, u16), Stack>,
}

impl Acceptors {
    /// As shipped, and as the connections of the server show.
    pub(super) fn of<'a>(connections: impl Iterator<Item = &'a Connection>) -> Self {
        let shows = |connection: &Connection| {
            let is_inbound = connection.direction.get() != Some(Direction::Outbound);
            let stack = Stack::of_layers(connection).ok().flatten().filter(|_| is_inbound)?;
            // What is encrypted is a choice of the client.
            let stack = if stack == Stack::InboundRtmpe { Stack::InboundRtmp } else { stack };
            Some(((connection.socket.protocol, connection.local().port), stack))
        };
        let shipped = PORTS.iter().map(|(port, stack)| ((Protocol::Tcp, *port), *stack));
        let shown = connections.filter_map(shows);
        Self { by_port: shipped.chain(shown).collect() }
    }

    /// What a connection carries: as its bytes show, else as its port does; `None` if it is nothing that a media
    /// server lists.
    pub(super) fn stack(&self, connection: &Connection) -> Option<Stack> {
        if let Some(stack) = Stack::of_layers(connection).ok()? {
            return Some(stack);
        }
        let protocol = connection.socket.protocol;
        let at = |port| self.by_port.get(&(protocol, port)).copied();
        if let Some(stack) = at(connection.local().port) {
            return Some(stack);
        }
        let remote = connection.remote().and_then(|remote| at(remote.port));
        match remote {
            Some(Stack::InboundRtmp) => Some(Stack::OutboundRtmp),
            Some(Stack::InboundRtmps) => Some(Stack::OutboundRtmps),
            Some(Stack::Rtsp) => Some(Stack::Rtsp),
            // All payload of a capture was read.
            _ if connection.socket.source == Source::Capture => None,
            _ => Some(Stack::Unknown),
        }
    }
}

//! The shape of a connection. Its owners and its namespace are places in tables.

use std::sync::Arc;

use conns_core::model;
use serde::{Deserialize, Serialize};

use super::application::Application;
use super::basic::{Endpoint, Known, Moment, UnknownCode, codes, mirror};
use super::socket::{Socket, SocketId};
use super::tables::Tables;

codes!(Direction: model::Direction {
    0 = model::Direction::Inbound,
    1 = model::Direction::Outbound,
});

codes!(Closer: model::Closer {
    0 = model::Closer::Local,
    1 = model::Closer::Remote,
    2 = model::Closer::Both,
    3 = model::Closer::Neither,
});

codes!(CapturedEnd: model::CapturedEnd {
    0 = model::CapturedEnd::First,
    1 = model::CapturedEnd::Second,
});

codes!(Class: model::Class {
    0 = model::Class::Healthy,
    1 = model::Class::Idle,
    2 = model::Class::AppLimited,
    3 = model::Class::SlowReaderLocal,
    4 = model::Class::SlowReaderRemote,
    5 = model::Class::SndbufLimited,
    6 = model::Class::PathLoss,
    7 = model::Class::Bufferbloat,
    8 = model::Class::CwndLimited,
    9 = model::Class::Stalled,
    10 = model::Class::HandshakeFailing,
    11 = model::Class::AcceptOverflow,
    12 = model::Class::Unknown,
    13 = model::Class::SynQueueFull,
    14 = model::Class::PathLimited,
    15 = model::Class::CloseWaitLeak,
} else model::Class::Unknown);

codes!(EventKind: model::EventKind {
    0 = model::EventKind::Opened,
    1 = model::EventKind::Accepted,
    2 = model::EventKind::Closed,
    3 = model::EventKind::Failed,
});

mirror!(Rates: model::Rates { out_bytes_per_s: f64, in_bytes_per_s: f64 });
mirror!(Peaks: model::Peaks {
    out_bytes_per_s: f64,
    in_bytes_per_s: f64,
    send_queue_bytes: u32,
    receive_queue_bytes: u32,
    rtt_us: u32,
});
mirror!(Totals: model::Totals { segments_out: u64, segments_lost: u64, drops: u64 });

/// Widened counters, where the kernel's own have wrapped.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct WrappedTotals(Option<Totals>);

impl From<Option<model::Totals>> for WrappedTotals {
    fn from(totals: Option<model::Totals>) -> Self {
        Self(totals.map(Totals::from))
    }
}

impl From<WrappedTotals> for Option<model::Totals> {
    fn from(WrappedTotals(totals): WrappedTotals) -> Self {
        totals.map(model::Totals::from)
    }
}

mirror!(Stats: model::Stats {
    serial: u64,
    first_sequence: u64,
    changed_sequence: u64,
    first_seen: Moment,
    age_us: Known<u64>,
    rates: Known<Rates>,
    slot_rates: Known<Rates>,
    peaks: Peaks,
});
mirror!(Evidence: model::Evidence {
    basis: Basis,
    samples: u32,
    bytes_out: u64,
    bytes_in: u64,
    segments_out: u64,
    segments_in: u64,
    segments_lost: u64,
    timeouts: u32,
    busy_us: u64,
    rwnd_limited_us: u64,
    sndbuf_limited_us: u64,
    drops: u64,
    rtt_us: u32,
    min_rtt_us: u32,
    samples_reader_behind: u32,
    samples_unread: u32,
    unread_max_bytes: u32,
    samples_sndbuf_full: u32,
    samples_window_closed: u32,
    samples_unsent: u32,
    samples_cwnd_full: u32,
    samples_app_limited: u32,
    samples_timed_out: u32,
    samples_accept_full: u32,
    samples_overflowed: u32,
    samples_overflows_unread: u32,
    samples_syn_queue_full: u32,
});
mirror!(Verdict: model::Verdict { class: Class, confidence_percent: u8, evidence: Evidence });

/// Microseconds of a window; `None` is the whole life of the connection.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Basis(Option<u64>);

impl From<model::Basis> for Basis {
    fn from(basis: model::Basis) -> Self {
        match basis {
            model::Basis::Lifetime => Self(None),
            model::Basis::Window { us } => Self(Some(us)),
        }
    }
}

impl From<Basis> for model::Basis {
    fn from(Basis(window): Basis) -> Self {
        window.map_or(Self::Lifetime, |us| Self::Window { us })
    }
}

/// The reason of a close: its code, and the number in `errno.h` of an error.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct CloseReason(u8, u16);

impl From<model::CloseReason> for CloseReason {
    fn from(reason: model::CloseReason) -> Self {
        match reason {
            model::CloseReason::Fin => Self(0, 0),
            model::CloseReason::ResetReceived => Self(1, 0),
            model::CloseReason::ResetSent => Self(2, 0),
            model::CloseReason::TimedOut => Self(3, 0),
            model::CloseReason::Refused => Self(4, 0),
            model::CloseReason::Unreachable => Self(5, 0),
            model::CloseReason::GivenUp => Self(6, 0),
            model::CloseReason::Error(errno) => Self(7, errno),
        }
    }
}

impl TryFrom<CloseReason> for model::CloseReason {
    type Error = UnknownCode;

    fn try_from(CloseReason(code, errno): CloseReason) -> Result<Self, UnknownCode> {
        Ok(match code {
            0 => Self::Fin,
            1 => Self::ResetReceived,
            2 => Self::ResetSent,
            3 => Self::TimedOut,
            4 => Self::Refused,
            5 => Self::Unreachable,
            6 => Self::GivenUp,
            7 => Self::Error(errno),
            _ => return Err(UnknownCode),
        })
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Closed {
    at: Moment,
    duration_us: Known<u64>,
    how: CloseReason,
    first_closer: Known<Closer>,
    fin_received: bool,
}

impl From<model::Closed> for Closed {
    fn from(closed: model::Closed) -> Self {
        Self {
            at: closed.at.into(),
            duration_us: closed.duration_us.into(),
            how: closed.how.into(),
            first_closer: closed.first_closer.into(),
            fin_received: closed.fin_received,
        }
    }
}

impl TryFrom<Closed> for model::Closed {
    type Error = UnknownCode;

    fn try_from(shape: Closed) -> Result<Self, UnknownCode> {
        Ok(Self {
            at: shape.at.into(),
            duration_us: shape.duration_us.into(),
            how: shape.how.try_into()?,
            first_closer: shape.first_closer.try_map(TryInto::try_into)?,
            fin_received: shape.fin_received,
        })
    }
}

/// Distinguishes the flows of one socket. `kind` names the key: 0 the peer, 1 a
/// QUIC connection id, 2 an end of a captured connection.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct FlowKey {
    kind: u8,
    peer: Option<Endpoint>,
    quic: Option<([u8; 20], u8)>,
    end: Option<CapturedEnd>,
}

impl From<model::FlowKey> for FlowKey {
    fn from(key: model::FlowKey) -> Self {
        let none = Self { kind: 0, peer: None, quic: None, end: None };
        match key {
            model::FlowKey::Peer(peer) => Self { peer: Some(peer.into()), ..none },
            model::FlowKey::Quic(id, length) => Self { kind: 1, quic: Some((id, length)), ..none },
            model::FlowKey::Captured(end) => Self { kind: 2, end: Some(end.into()), ..none },
        }
    }
}

impl TryFrom<FlowKey> for model::FlowKey {
    type Error = UnknownCode;

    fn try_from(shape: FlowKey) -> Result<Self, UnknownCode> {
        Ok(match shape {
            FlowKey { kind: 0, peer: Some(peer), .. } => Self::Peer(peer.into()),
            FlowKey { kind: 1, quic: Some((id, length @ ..=20)), .. } => Self::Quic(id, length),
            FlowKey { kind: 2, end: Some(end), .. } => Self::Captured(end.try_into()?),
            _ => return Err(UnknownCode),
        })
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Flow {
    key: FlowKey,
    local: Endpoint,
    remote: Endpoint,
    bytes_out: u64,
    bytes_in: u64,
}

/// The identity of a connection.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct ConnectionId {
    socket: SocketId,
    flow: Option<FlowKey>,
}

impl From<model::ConnectionId> for ConnectionId {
    fn from(id: model::ConnectionId) -> Self {
        Self { socket: id.socket.into(), flow: id.flow.map(Into::into) }
    }
}

impl TryFrom<ConnectionId> for model::ConnectionId {
    type Error = UnknownCode;

    fn try_from(shape: ConnectionId) -> Result<Self, UnknownCode> {
        Ok(Self {
            socket: shape.socket.into(),
            flow: shape.flow.map(TryInto::try_into).transpose()?,
        })
    }
}

/// The place of a process, and its descriptor.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) process: u32,
    pub(super) descriptor: Option<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Opened {
    at: Moment,
    handshake_us: Known<u64>,
    first_use_us: Known<u64>,
    /// The place of the process.
    by: Known<u32>,
}

/// A connection; its namespace, owners and opener are places in the tables.
#[derive(Serialize, Deserialize)]
pub(super) struct Connection<'a> {
    pub(super) netns: u32,
    pub(super) owners: Known<Vec<Owner>>,
    owners_omitted: u32,
    #[serde(borrow)]
    socket: Socket<'a>,
    direction: Known<Direction>,
    opened: Known<Opened>,
    closed: Known<Closed>,
    stats: Stats,
    totals: WrappedTotals,
    overflows: Known<u64>,
    verdict: Verdict,
    flow: Option<Flow>,
    #[serde(borrow)]
    application: Known<Application<'a>>,
    resolved_name: Option<&'a str>,
    interface_name: Known<&'a str>,
    ipv6_only: Known<bool>,
}

/// What a connection's places mean in the tables that were read.
pub(super) struct Resolved {
    pub(super) netns: Arc<model::Netns>,
    pub(super) owners: model::Known<Arc<[model::Owner]>>,
    pub(super) opener: Option<Arc<model::Process>>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        connection: &'a model::Connection,
        tables: &Tables<'_>,
    ) -> postcard::Result<Self> {
        let owners = connection.owners.as_ref().map(|_| {
            let owner = |owner: &model::Owner| Owner {
                process: tables.place_of(&owner.process),
                descriptor: owner.descriptor,
            };
            connection.listed_owners().iter().map(owner).collect::<Vec<_>>()
        });
        let opened = connection.opened.as_ref().map(|opened| Opened {
            at: opened.at.into(),
            handshake_us: opened.handshake_us.into(),
            first_use_us: opened.first_use_us.into(),
            by: opened.by.as_ref().map(|process| tables.place_of(process)).into(),
        });
        Ok(Self {
            netns: tables.place_of_netns(&connection.socket.netns),
            owners: owners.into(),
            owners_omitted: connection.owners_omitted,
            socket: Socket::new(&connection.socket)?,
            direction: connection.direction.into(),
            opened: opened.into(),
            closed: connection.closed.into(),
            stats: connection.stats.into(),
            totals: connection.totals.into(),
            overflows: connection.overflows.into(),
            verdict: connection.verdict.into(),
            flow: connection.flow.as_deref().map(|flow| Flow {
                key: flow.key.into(),
                local: flow.local.into(),
                remote: flow.remote.into(),
                bytes_out: flow.bytes_out,
                bytes_in: flow.bytes_in,
            }),
            application: application(&connection.application)?,
            resolved_name: connection.resolved_name.as_deref(),
            interface_name: connection.socket.interface_name.as_ref().map(|name| &**name).into(),
            ipv6_only: connection.socket.ipv6_only.into(),
        })
    }

    /// The place of the process that opened it, where that is known.
    pub(super) fn opener(&self) -> Option<u32> {
        match self.opened {
            Known::Value(Opened { by: Known::Value(place, _), .. }, _) => Some(place),
            _ => None,
        }
    }

    pub(super) fn into_model(
        self,
        resolved: Resolved,
        share: &mut impl FnMut(&str) -> Arc<str>,
    ) -> Result<model::Connection, UnknownCode> {
        let Resolved { netns, owners, opener } = resolved;
        let opened = self.opened.try_map(|opened| {
            let by = opened.by.try_map(|_| opener.ok_or(UnknownCode))?;
            Ok(Arc::new(model::Opened {
                at: opened.at.into(),
                handshake_us: opened.handshake_us.into(),
                first_use_us: opened.first_use_us.into(),
                by,
            }))
        })?;
        let flow = self.flow.map(|flow| {
            Ok::<_, UnknownCode>(Arc::new(model::Flow {
                key: flow.key.try_into()?,
                local: flow.local.into(),
                remote: flow.remote.into(),
                bytes_out: flow.bytes_out,
                bytes_in: flow.bytes_in,
            }))
        });
        let interface_name = self.interface_name.try_map(|name| Ok(share(name)))?;
        let ipv6_only = self.ipv6_only.into();
        let socket = self.socket.into_model(netns, &mut *share)?;
        Ok(model::Connection {
            socket: model::Socket { interface_name, ipv6_only, ..socket }.into(),
            owners,
            owners_omitted: self.owners_omitted,
            direction: self.direction.try_map(TryInto::try_into)?,
            opened,
            closed: self.closed.try_map(TryInto::try_into)?,
            stats: self.stats.into(),
            totals: self.totals.into(),
            overflows: self.overflows.into(),
            flow: flow.transpose()?,
            resolved_name: self.resolved_name.map(&mut *share),
            application: self.application.try_map(|shape| Ok(shape.to_model(share).into()))?,
            verdict: self.verdict.into(),
        })
    }
}

/// The shape of what a connection or a file carries.
pub(super) fn application(
    value: &model::Known<Arc<model::Application>>,
) -> postcard::Result<Known<Application<'static>>> {
    Ok(match value {
        model::Known::Value(value, source) => {
            Known::Value(Application::new(value)?, (*source).into())
        }
        model::Known::Unknown(why) => Known::Unknown((*why).into()),
        model::Known::NotApplicable => Known::NotApplicable,
    })
}

//! The nouns of `conns`, used by every floor above.
//!
//! The one idea: a value is [`Known`] with the source that said it, or it says why it is not.

mod address;
mod connection;
mod event;
mod known;
mod observation;
mod owner;
mod snapshot;
mod socket;
mod socket_sample;
mod stats;
mod tcp_info;
mod time;
mod update;

pub use address::{Endpoint, unmapped};
pub use connection::{Connection, Direction};
pub use event::{CloseReason, Closed, Closer, Event, EventKind, LifecycleEvent, Opened};
pub use known::{Known, Source, Unknown};
pub use observation::{Facts, Loss, LossKind, Observation, OwnerEntry, OwnerTable, Subject};
pub use owner::{Owner, Process};
pub use snapshot::Snapshot;
pub use socket::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, DctcpState, Family, MptcpState, Netns,
    Protocol, Queues, Socket, SocketId, SocketMemory, State, Timer, TimerKind, UdpPeer, UdpTraffic,
};
pub use socket_sample::SocketSample;
pub use stats::{Peaks, Rates, Stats};
pub use tcp_info::{TCP_INFO_FIELDS, TcpInfo, TcpInfoField, TcpInfoUnit};
pub use time::Moment;
pub use update::{Ability, Changes, ClosedConnection, Cost, Health, Update};

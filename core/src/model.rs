//! The nouns of `conns`, used by every floor above.
//!
//! The one idea: a value is [`Known`] with the source that said it, or it says why it is not.

mod address;
mod beat;
mod connection;
mod event;
mod known;
mod life;
mod observation;
mod owner;
mod row;
mod snapshot;
mod socket;
mod tcp_info;
mod time;

pub use address::{Endpoint, unmapped};
pub use beat::{Ability, Beat, Changes, Closed, Cost, Health};
pub use connection::{Connection, Direction};
pub use event::{Closer, Ending, Event, EventKind, Happening, HowEnded, Opening};
pub use known::{Known, Source, Unknown};
pub use life::{Life, Peaks, Rates};
pub use observation::{Facts, Holding, Holdings, Loss, LossKind, Observation, Subject};
pub use owner::{Holder, Process};
pub use row::SocketRow;
pub use snapshot::Snapshot;
pub use socket::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, DctcpState, Family, MptcpState, Netns,
    Protocol, Queues, Socket, SocketId, SocketMemory, State, Timer, TimerKind, UdpPeer, UdpTraffic,
};
pub use tcp_info::{TCP_INFO_FIELDS, TcpInfo, TcpInfoField, TcpInfoUnit};
pub use time::Moment;

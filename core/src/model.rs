//! The nouns of `conns`, used by every layer above. A value is [`Known`] with its source, or it has
//! the reason why it is unknown.

mod ability;
mod address;
mod application;
mod connection;
mod event;
mod event_log;
mod families;
mod field_spec;
mod id;
mod known;
mod lifecycle;
mod listener;
mod loss;
mod loss_totals;
mod machine;
mod observation;
mod open_file;
mod other_socket;
mod owner;
mod owner_table;
mod pair;
mod resolved_name;
mod snapshot;
mod socket;
mod socket_sample;
mod stats;
mod tcp_info;
mod time;
mod transfer;
mod update;
mod verdict;

pub use ability::{Ability, AbilityKind, Missing};
pub use address::{Endpoint, unmapped};
pub use application::{Application, Certainty, Layer, LayerOrigin, Record, Scalar};
pub use connection::Connection;
pub use event::Event;
pub use event_log::EventLog;
pub use families::{OtherFamilies, OtherFamily};
pub use field_spec::{FieldSpec, Kind, ListColumn, ListSpec, Part, Phase, Words};
pub use id::{CapturedEnd, ConnectionId, Flow, FlowKey};
pub use known::{Known, Source, Unknown};
pub use lifecycle::{CloseReason, Closed, Closer, Direction, EventKind, LifecycleEvent, Opened};
pub use listener::ListenCounters;
pub use loss::{CaptureFault, DroppedEvents, Fallback, Loss, LossCause, LossKind, PortableFault};
pub use loss_totals::LossTotals;
pub use machine::Machine;
pub use observation::Observation;
pub use open_file::OpenFile;
pub use other_socket::{OtherSocket, PeerSocket, SocketType};
pub use owner::{Owner, Process};
pub use owner_table::{MAX_OWNERS, OwnerEntries, OwnerEntry, OwnerTable, Subject};
pub use pair::{NotAPairKey, Pair, PairKey};
pub use resolved_name::ResolvedName;
pub use snapshot::Snapshot;
pub use socket::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, DctcpState, Family, MptcpState, Netns,
    Protocol, Queues, Socket, SocketId, SocketMemory, State, Timer, TimerKind, UdpPeer, UdpTraffic,
};
pub use socket_sample::SocketSample;
pub use stats::{Peaks, Rates, Stats, Totals};
pub use tcp_info::{TCP_INFO_FIELDS, TcpInfo, TcpInfoBuilder, TcpInfoField, TcpInfoUnit};
pub use time::Moment;
pub use transfer::{EncryptionState, Transfer, TransferError};
pub use update::{ChangeIndex, Changes, ClosedConnection, Cost, Health, Update};
pub use verdict::{Basis, Class, Evidence, Verdict};

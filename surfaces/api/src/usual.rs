//! The fields of an answer by default, the same on the command line and over HTTP.

use std::cmp::Reverse;

use conns_core::model::Class;
use conns_core::model::{Connection, State};
use conns_core::query::{Field, catalogue};

use crate::Answer;

impl Answer {
    /// The fields of a record if none are named.
    #[must_use]
    pub fn usual_fields(self) -> Vec<&'static Field> {
        match self {
            Self::Connections => catalogue().iter().filter(|field| field.is_default).collect(),
            Self::Verdicts => catalogue().iter().filter(|field| field.identifies).collect(),
        }
    }
}

/// Whether a verdict on it is of interest where nothing was asked for in particular: connections,
/// those about to be or just closed, and listeners in trouble.
#[must_use]
pub fn is_of_interest(connection: &Connection) -> bool {
    match connection.socket.state {
        State::TimeWait | State::Close | State::BoundInactive => false,
        State::Listen => connection.verdict.class != Class::Healthy,
        _ => true,
    }
}

/// Whether a connection with this verdict has something to be mended.
#[must_use]
pub fn is_problem(class: Class) -> bool {
    rank(class) <= 1
}

/// Where a verdict stands among others: trouble first, then limits, then the rest; the surest of
/// each kind first.
#[must_use]
pub fn urgency(connection: &Connection) -> (u8, Reverse<u8>) {
    (rank(connection.verdict.class), Reverse(connection.verdict.confidence_percent))
}

fn rank(class: Class) -> u8 {
    match class {
        Class::Stalled | Class::HandshakeFailing | Class::AcceptOverflow | Class::SynQueueFull => 0,
        Class::SlowReaderLocal
        | Class::SlowReaderRemote
        | Class::SndbufLimited
        | Class::PathLoss
        | Class::Bufferbloat
        | Class::CwndLimited
        | Class::CloseWaitLeak => 1,
        Class::AppLimited | Class::PathLimited => 2,
        Class::Healthy => 3,
        Class::Unknown => 4,
        Class::Idle => 5,
    }
}

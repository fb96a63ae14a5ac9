//! The value of one field of one connection, as filters compare it and surfaces print it.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::model::{Endpoint, Known, Owner, UdpPeer, Unknown};

/// A value in the unit of its [`Kind`](super::Kind), or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A plain number.
    Count(u64),
    /// A port number.
    Port(u16),
    /// Bytes.
    Bytes(u64),
    /// Bytes a second.
    BytesPerSecond(f64),
    /// Microseconds.
    Micros(u64),
    /// Percent, 0 to 100.
    Percent(f64),
    /// An address, mapped or not as the kernel holds it.
    Address(IpAddr),
    /// Address and port.
    Endpoint(Endpoint),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64),
    /// Every hold on the socket.
    Owners(&'a [Owner]),
    /// Every peer of a UDP socket that is kept, most bytes first.
    Peers(&'a [UdpPeer]),
    /// Several values, of several holders; none of them is the only one. Never empty.
    Several(Vec<Value<'a>>),
    /// There is a value, but it is not known.
    Unknown(Unknown),
    /// There is no such value for this kind of connection.
    NotApplicable,
}

impl<'a> Value<'a> {
    /// What is known, made a value by `make`; the reason otherwise.
    pub fn known<T>(known: Known<T>, make: impl FnOnce(T) -> Self) -> Self {
        match known {
            Known::Value(value, _) => make(value),
            Known::Unknown(why) => Self::Unknown(why),
            Known::NotApplicable => Self::NotApplicable,
        }
    }

    /// Borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Whether there is a value at all.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::NotApplicable)
    }
}

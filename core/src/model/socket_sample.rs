//! A row of the kernel's socket tables in one sample.
//!
//! Most sockets do not change between two samples, except for the time that passes. All samples of
//! such a socket share one [`Socket`], and each carries its age.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Known, Socket, State, TcpInfo, Timer, Unknown};

/// A shared [`Socket`], and the time since it was reported. Dereferences to the socket as it was
/// reported; a mutable dereference clones it if it is shared.
#[derive(Debug, Clone)]
pub struct SocketSample {
    socket: Arc<Socket>,
    age_ms: u32,
}

impl SocketSample {
    /// Milliseconds since the socket was reported; it has not changed since.
    #[must_use]
    pub fn age_ms(&self) -> u32 {
        self.age_ms
    }

    /// A copy that shares no socket.
    #[must_use]
    pub fn unshared(&self) -> Self {
        Self { socket: Arc::new(Socket::clone(&self.socket)), age_ms: self.age_ms }
    }

    /// Adds milliseconds in which the socket did not change.
    pub fn advance(&mut self, ms: u32) {
        self.age_ms = self.age_ms.saturating_add(ms);
    }

    /// The time in milliseconds that `read` finds in `tcp_info`, plus the age of the sample.
    #[must_use]
    pub fn since(&self, read: impl FnOnce(&TcpInfo) -> Option<u32>) -> Option<u32> {
        Some(read(self.tcp.value()?)?.saturating_add(self.age_ms))
    }

    /// Microseconds since payload was last sent or received, before the first since the handshake.
    #[must_use]
    pub fn idle_us(&self) -> Known<u64> {
        if !self.state.carries_data() {
            return Known::NotApplicable;
        }
        // Before the handshake the kernel counts from the boot.
        if self.state == State::SynSent {
            return Known::Unknown(Unknown::NothingMeasured);
        }
        self.measure(|_| Some(u64::from(self.since(TcpInfo::idle)?) * 1000))
    }

    /// Whether `other` has the same values, apart from times that only grow or count down.
    #[must_use]
    pub fn shows_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket) || self.socket.shows_the_same(&other.socket)
    }

    /// The pending timer as it is now; not applicable if none is.
    #[must_use]
    pub fn timer_now(&self) -> Known<Timer> {
        let left = |timer: Timer| timer.expires_ms.saturating_sub(self.age_ms);
        self.timer.map(|timer| Timer { expires_ms: left(timer), ..timer })
    }

    /// The socket with the age of the sample added to its times.
    #[must_use]
    pub fn to_socket(&self) -> Socket {
        let mut socket = (*self.socket).clone();
        if let Known::Value(tcp, _) = &mut socket.tcp {
            tcp.advance(self.age_ms);
        }
        socket.timer = self.timer_now();
        socket
    }
}

impl From<Socket> for SocketSample {
    fn from(socket: Socket) -> Self {
        Self { socket: Arc::new(socket), age_ms: 0 }
    }
}

impl Deref for SocketSample {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl DerefMut for SocketSample {
    fn deref_mut(&mut self) -> &mut Socket {
        Arc::make_mut(&mut self.socket)
    }
}

impl Serialize for SocketSample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.age_ms {
            0 => self.socket.serialize(serializer),
            _ => self.to_socket().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SocketSample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Socket::deserialize(deserializer).map(Self::from)
    }
}

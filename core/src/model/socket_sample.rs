//! A row of the kernel's socket tables, as one look shows it.
//!
//! The one idea: from look to look most sockets stay as they are but for the time that passes. Their
//! row is shared by all those looks, and the time stands beside it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Known, Socket, TcpInfo, Timer};

/// A socket, and how long ago it was told. Reading it is reading the [`Socket`] as it was told;
/// whoever changes it gets a copy of their own.
#[derive(Debug, Clone)]
pub struct SocketSample {
    socket: Arc<Socket>,
    age_ms: u32,
}

impl SocketSample {
    /// Milliseconds since it was told, in which it has not changed.
    #[must_use]
    pub fn age_ms(&self) -> u32 {
        self.age_ms
    }

    /// Lets so many milliseconds pass in which nothing happened.
    pub fn advance(&mut self, ms: u32) {
        self.age_ms = self.age_ms.saturating_add(ms);
    }

    /// Milliseconds since something last happened, which `read` finds in `tcp_info`.
    #[must_use]
    pub fn since(&self, read: impl FnOnce(&TcpInfo) -> Option<u32>) -> Option<u32> {
        Some(read(self.tcp.value()?)?.saturating_add(self.age_ms))
    }

    /// The pending timer as it is now; not applicable if none is.
    #[must_use]
    pub fn timer_now(&self) -> Known<Timer> {
        let left = |timer: Timer| timer.expires_ms.saturating_sub(self.age_ms);
        self.timer.map(|timer| Timer { expires_ms: left(timer), ..timer })
    }

    /// The socket with the time that has passed in it.
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

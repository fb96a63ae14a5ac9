//! A relay: a receiver that accepts nothing inbound registers at it, and senders reach the receiver through it.
//!
//! Control frames ([`conns_transfer::relay`]) go over TLS on TCP. The datagrams of a flow are copied unchanged between two UDP
//! ports of the relay, one for each client, so that QUIC, its encryption and its congestion control are between the clients.

mod client;
mod control;
mod flow;
mod open;
mod port_range;
mod registration;
mod session;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conns_transfer::rate::BytesPerSecond;
use conns_transfer::relay::RelayRefusal;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::identity::{Identity, PublicKey};
use crate::tls::{self, Accepts, RELAY_ALPN};
use state::State;

pub(crate) use open::{OpenFlow, open_flow};
pub use port_range::{PortRange, PortRangeError};
pub use registration::RegistrationState;
pub(crate) use registration::{Registration, RegistrationSettings};

/// Time between two tokens of a client.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(250);
/// A receiver has this long to send the token of an invitation.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);
/// Control connections at once.
const MAX_CONNECTIONS: usize = 4096;
/// Wait after an error of accept, such as too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What a relay needs.
#[derive(Debug)]
pub struct RelaySettings {
    /// TCP address of the control connections; [`crate::RELAY_PORT`] by default. The UDP ports of a flow have the IP address
    /// that its clients connected to.
    pub listen: SocketAddr,
    /// Its key.
    pub identity: Identity,
    /// Keys of the receivers that may register; empty allows any key. Senders may have any key.
    pub allow: Vec<PublicKey>,
    /// UDP payload bytes a second that all flows to one receiver share, both directions together; `None` is no limit.
    pub rate_per_key: Option<BytesPerSecond>,
    /// UDP ports of the flows, two each; `None` leaves the choice to the kernel.
    pub udp_ports: Option<PortRange>,
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The address cannot be used.
    #[error("cannot accept control connections at TCP {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        error: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// What a relay counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStatistics {
    /// Control connections.
    pub connections: usize,
    /// Receivers that are registered.
    pub receivers: usize,
    /// Flows.
    pub flows: usize,
    /// UDP payload bytes that were forwarded since the start, all flows together.
    pub forwarded_bytes: u64,
    /// Datagrams that were dropped since the start, all flows together.
    pub dropped_datagrams: u64,
}

/// A running relay; it stops when it is dropped.
#[derive(Debug)]
pub struct Relay {
    state: Arc<State>,
    public_key: PublicKey,
    local_address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// Opens the TCP socket, and serves. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn start(settings: RelaySettings) -> Result<Self, RelayError> {
        let RelaySettings { listen: address, identity, allow, rate_per_key, udp_ports } = settings;
        let tls = tls::server(&identity, Arc::new(AnyKey), RELAY_ALPN)
            .map_err(|error| RelayError::Tls(error.to_string()))?;
        let failed = |error| RelayError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local_address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let state = Arc::new(State::new(allow, rate_per_key, udp_ports, stopped));
        let accepting = accept(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&state));
        let task = Mutex::new(Some(tokio::spawn(accepting)));
        Ok(Self { state, public_key: identity.public(), local_address, stop, task })
    }

    /// The TCP address of the control connections.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_address
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// What it counts now.
    #[must_use]
    pub fn statistics(&self) -> RelayStatistics {
        self.state.statistics()
    }

    /// Ends all flows and control connections, and frees the TCP port.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task does not panic, and an aborted one has freed the port.
            let _ = task.await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Accepts the key of any client; a session compares that of a receiver.
#[derive(Debug)]
struct AnyKey;

impl Accepts for AnyKey {
    fn accepts(&self, _key: &PublicKey) -> bool {
        true
    }
}

/// Accepts control connections until the relay stops.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let mut sessions = JoinSet::new();
    loop {
        state.set_connections(sessions.len());
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            () = state.stopped() => return sessions.shutdown().await,
        };
        match accepted {
            // The client reads the end of the stream, and tries again later.
            Ok((stream, _)) if sessions.len() >= MAX_CONNECTIONS => drop(stream),
            Ok((stream, _)) => {
                sessions.spawn(session::serve(Arc::clone(&state), acceptor.clone(), stream));
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// Why a relay refuses or ends a flow, in words.
fn describe(reason: RelayRefusal) -> String {
    let text = match reason {
        RelayRefusal::NotAllowed => "the key is not allowed",
        RelayRefusal::NoSuchReceiver => "the receiver is not registered",
        RelayRefusal::TooManyFlows => "the relay has too many flows",
        RelayRefusal::TooManyFlowsOfKey => "the key has too many flows",
        RelayRefusal::Idle => "nothing was forwarded for 60 s",
        RelayRefusal::NotBound => "the receiver's datagrams do not arrive at the relay's UDP port",
        RelayRefusal::Replaced => "a later registration of the same key replaced it",
        RelayRefusal::Ended => "the other side ended it",
        RelayRefusal::Stopped => "the relay stops",
        RelayRefusal::Other(number) => return format!("for reason {number}, which is not known"),
    };
    text.to_owned()
}

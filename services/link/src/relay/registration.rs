//! The receiver's side: keeps a registration at a relay, and sends the tokens of its invitations.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conns_transfer::queue::retry_delay_us;
use conns_transfer::relay::{FlowToken, MAX_FLOWS_PER_KEY, RelayFrame, RelayRefusal};
use quinn::AsyncUdpSocket as _;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::client::{ClientError, RelayConnection};
use super::{ANNOUNCE_INTERVAL, BIND_TIMEOUT};
use crate::address::RelayAddress;
use crate::identity::{Identity, PublicKey};
use crate::socket::{Socket, wall_us};
use crate::tls::Accepts;

/// Longest time until the relay has answered `Register`.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);
/// A registration that lasted this long ends the series of failures.
const LASTING: Duration = Duration::from_secs(60);

/// Whether a receiver is registered at its relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// The first attempt goes on.
    Connecting,
    /// Senders reach the receiver through the relay.
    Registered {
        /// Since when, in microseconds since 1970-01-01 UTC.
        since_wall_us: i64,
    },
    /// The attempt is repeated, at least each 5 minutes.
    Unregistered {
        /// Why the last attempt failed, or why the registration ended.
        why: String,
    },
}

/// What a registration needs.
#[derive(Debug)]
pub(crate) struct RegistrationSettings {
    pub(crate) identity: Arc<Identity>,
    pub(crate) relay: RelayAddress,
    /// The receiver's socket, which sends the tokens.
    pub(crate) socket: Arc<Socket>,
    /// Whose invitations are followed.
    pub(crate) accepts: Arc<dyn Accepts>,
}

/// A registration; its task ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    state: Arc<Mutex<RegistrationState>>,
    stop: watch::Sender<bool>,
}

impl Registration {
    pub(crate) fn start(settings: RegistrationSettings) -> Self {
        let state = Arc::new(Mutex::new(RegistrationState::Connecting));
        let (stop, mut stopped) = watch::channel(false);
        let task = Task { settings, state: Arc::clone(&state) };
        tokio::spawn(async move {
            tokio::select! {
                _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
                () = task.run() => {}
            }
        });
        Self { state, stop }
    }

    pub(crate) fn state(&self) -> RegistrationState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

struct Task {
    settings: RegistrationSettings,
    state: Arc<Mutex<RegistrationState>>,
}

/// An invitation that the relay has no token of yet.
struct Invitation {
    flow: FlowToken,
    to: SocketAddr,
    until: Instant,
}

impl Task {
    async fn run(self) {
        let mut failures = 0u32;
        loop {
            let began = Instant::now();
            let Err(error) = self.register().await;
            // Two receivers with one key replace each other; a relay that was restarted is reached again at once.
            let is_replaced =
                matches!(error, ClientError::Refused { reason: RelayRefusal::Replaced, .. });
            let is_first = began.elapsed() >= LASTING || (self.is_registered() && !is_replaced);
            failures = if is_first { 1 } else { failures.saturating_add(1) };
            self.set(RegistrationState::Unregistered { why: error.to_string() });
            tokio::time::sleep(Duration::from_micros(retry_delay_us(failures))).await;
        }
    }

    /// Whether the last attempt succeeded.
    fn is_registered(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, RegistrationState::Registered { .. })
    }

    fn set(&self, state: RegistrationState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Registers, and serves invitations until the control connection ends.
    async fn register(&self) -> Result<std::convert::Infallible, ClientError> {
        let Self { settings, .. } = self;
        let is_usable = |address: &SocketAddr| self.udp_address(*address).is_some();
        let mut connection =
            RelayConnection::connect(&settings.identity, &settings.relay, is_usable).await?;
        match connection.ask(&RelayFrame::Register, REGISTER_TIMEOUT).await? {
            RelayFrame::Registered => {}
            other => return Err(connection.unexpected(other)),
        }
        self.set(RegistrationState::Registered { since_wall_us: wall_us() });
        let mut invitations: Vec<Invitation> = Vec::new();
        let mut interval = tokio::time::interval(ANNOUNCE_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                frame = connection.next() => frame?,
                now = interval.tick(), if !invitations.is_empty() => {
                    invitations.retain(|invitation| invitation.until > now);
                    for invitation in &invitations {
                        settings.socket.send_beside_quic(&invitation.flow.0, invitation.to);
                    }
                    continue;
                }
            };
            match frame {
                RelayFrame::Invited { flow, port, sender_key } => {
                    let is_allowed = settings.accepts.accepts(&PublicKey(sender_key));
                    let mut to = self.udp_address(connection.address);
                    if let Some(to) = &mut to {
                        to.set_port(port);
                    }
                    match to.filter(|_| is_allowed) {
                        Some(to) if invitations.len() < MAX_FLOWS_PER_KEY => {
                            // The interval sends at once if it is due, else within its period.
                            settings.socket.send_beside_quic(&flow.0, to);
                            let until = Instant::now() + BIND_TIMEOUT;
                            invitations.push(Invitation { flow, to, until });
                        }
                        Some(_) => {}
                        None => connection
                            .send(&RelayFrame::Closed { flow, reason: RelayRefusal::NotAllowed })?,
                    }
                }
                RelayFrame::Bound { flow } | RelayFrame::Closed { flow, .. } => {
                    invitations.retain(|invitation| invitation.flow != flow);
                }
                other => return Err(connection.unexpected(other)),
            }
        }
    }

    /// An address of the relay as the receiver's socket can send to it; `None` if it cannot.
    fn udp_address(&self, address: SocketAddr) -> Option<SocketAddr> {
        let own = self.settings.socket.local_addr().ok()?;
        let ip = address.ip().to_canonical();
        if own.ip().to_canonical().is_loopback() && !ip.is_loopback() {
            return None;
        }
        match (own, ip) {
            (SocketAddr::V4(_), ip @ IpAddr::V4(_)) => Some(SocketAddr::new(ip, address.port())),
            (SocketAddr::V4(_), IpAddr::V6(_)) => None,
            // A socket of IPv6 for all addresses sends to IPv4 by mapped addresses (RFC 4291, section 2.5.5.2).
            (SocketAddr::V6(own), IpAddr::V4(ip)) => {
                let is_for_all = own.ip().is_unspecified();
                is_for_all.then(|| SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()))
            }
            (SocketAddr::V6(_), IpAddr::V6(_)) => Some(address),
        }
    }
}

//! The sender's side: opens a flow to a receiver behind a relay.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use conns_core::model::TransferError;
use conns_transfer::relay::{FlowToken, RelayFrame, RelayRefusal};
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::{ClientError, RelayConnection};
use super::{ANNOUNCE_INTERVAL, BIND_TIMEOUT, describe};
use crate::address::RelayAddress;
use crate::identity::{Identity, PublicKey};
use crate::socket::Socket;
use crate::unreached::Unreached;

/// Longest time until the relay has the receiver's answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(BIND_TIMEOUT.as_secs() + 5);
/// A flow whose control connection ended is lost when nothing was received for this time, or at once when the network reports
/// that the relay's port is closed. A flow that is lost in error is opened again after a second.
const LOST_AFTER: Duration = Duration::from_secs(2);
const LOST_INTERVAL: Duration = Duration::from_millis(250);

/// A flow through a relay. Its control connection is kept until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenFlow {
    /// The UDP port of the relay that the sender sends to.
    pub(crate) relay_udp: SocketAddr,
    /// UDP address of the receiver as the relay sees it.
    pub(crate) receiver: SocketAddr,
    token: FlowToken,
    state: watch::Receiver<FlowState>,
    /// Ends the task of the control connection when it is dropped.
    _keep: watch::Sender<()>,
}

/// What the relay reported of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FlowState {
    /// The relay has no token yet.
    Opened,
    /// The relay has bound the sender's address.
    Bound,
    /// The relay ended the flow.
    Closed(String),
    /// The control connection ended; the flow goes on while datagrams arrive.
    Unknown(String),
}

/// Asks a relay for a flow to a receiver.
pub(crate) async fn open_flow(
    identity: &Identity,
    relay: &RelayAddress,
    receiver: PublicKey,
) -> Result<OpenFlow, Unreached> {
    let mut connection =
        RelayConnection::connect(identity, relay, |_| true).await.map_err(unreached)?;
    let request = RelayFrame::Request { key: receiver.0 };
    match connection.ask(&request, OPEN_TIMEOUT).await.map_err(unreached)? {
        RelayFrame::Opened { flow, port, receiver } => {
            let mut relay_udp = connection.address;
            relay_udp.set_port(port);
            let (report, state) = watch::channel(FlowState::Opened);
            let (keep, dropped) = watch::channel(());
            tokio::spawn(keep_open(connection, flow, report, dropped));
            Ok(OpenFlow { relay_udp, receiver, token: flow, state, _keep: keep })
        }
        other => Err(unreached(connection.unexpected(other))),
    }
}

fn unreached(error: ClientError) -> Unreached {
    let kind = match &error {
        ClientError::Refused { reason: RelayRefusal::NotAllowed, .. } => {
            TransferError::NotAuthorized
        }
        ClientError::Setup(_) => TransferError::Local,
        _ => TransferError::Relay,
    };
    Unreached::new(kind, error.to_string())
}

/// Keeps the control connection of a flow until the flow is dropped.
async fn keep_open(
    mut connection: RelayConnection,
    flow: FlowToken,
    report: watch::Sender<FlowState>,
    mut dropped: watch::Receiver<()>,
) {
    let ended = loop {
        tokio::select! {
            _ = dropped.changed() => {
                // The relay's slot is free at once, and not after a minute without datagrams.
                let _ = connection.send(&RelayFrame::Closed { flow, reason: RelayRefusal::Ended });
                return connection.control.close().await;
            }
            frame = connection.next() => match frame {
                Ok(RelayFrame::Bound { flow: of }) if of == flow => {
                    report.send_replace(FlowState::Bound);
                }
                Ok(RelayFrame::Closed { flow: of, reason }) if of == flow => {
                    break FlowState::Closed(format!("the relay ended the flow: {}", describe(reason)));
                }
                Ok(other) => break FlowState::Unknown(connection.unexpected(other).to_string()),
                Err(error) => break FlowState::Unknown(error.to_string()),
            },
        }
    };
    report.send_replace(ended);
}

impl OpenFlow {
    /// Sends the token once. The relay binds the socket's address, and never forwards the datagram.
    pub(crate) async fn send_token(&self, socket: &Socket) {
        // A socket that does not work is an error of QUIC.
        let _ = socket.writable().await;
        socket.send_beside_quic(&self.token.0, self.relay_udp);
    }

    /// Repeats the token until the relay has bound the socket's address, or the receiver has answered. Never returns.
    pub(crate) async fn announce(&self, socket: &Socket) -> Infallible {
        let mut state = self.state.clone();
        while *state.borrow_and_update() == FlowState::Opened
            && socket.traffic().last_received_us.is_none()
        {
            if tokio::time::timeout(ANNOUNCE_INTERVAL, state.changed()).await.is_err() {
                self.send_token(socket).await;
            }
        }
        std::future::pending().await
    }

    /// Waits until the flow is lost; returns why.
    pub(crate) async fn lost(&self, socket: &Socket) -> Unreached {
        let mut state = self.state.clone();
        let has_ended = |it: &FlowState| matches!(it, FlowState::Closed(_) | FlowState::Unknown(_));
        let ended = state.wait_for(has_ended).await.map(|it| it.clone());
        let why = match ended {
            Ok(FlowState::Closed(why)) => return Unreached::new(TransferError::Relay, why),
            Ok(FlowState::Unknown(why)) => why,
            Ok(_) | Err(_) => "the control connection to the relay ended".to_owned(),
        };
        // One from before the end reports nothing of the relay.
        let _ = socket.take_network_error();
        let mut silence = Silence::new(socket.traffic().received_bytes, Instant::now());
        loop {
            tokio::time::sleep(LOST_INTERVAL).await;
            let has_error = socket.take_network_error().is_some();
            if silence.is_lost(socket.traffic().received_bytes, has_error, Instant::now()) {
                return Unreached::new(TransferError::Relay, why);
            }
        }
    }
}

/// How long nothing was received of a flow.
struct Silence {
    received_bytes: u64,
    since: Instant,
}

impl Silence {
    fn new(received_bytes: u64, now: Instant) -> Self {
        Self { received_bytes, since: now }
    }

    /// Whether the flow is lost; `has_error` is whether the network reported an error since the call before.
    fn is_lost(&mut self, received_bytes: u64, has_error: bool, now: Instant) -> bool {
        if self.received_bytes != received_bytes {
            *self = Self::new(received_bytes, now);
            return false;
        }
        has_error || now.duration_since(self.since) >= LOST_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_lost_by_an_error_or_after_a_silence() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut silence = Silence::new(10, at(0));
        // Datagrams that arrive contradict an error of the network.
        assert!(!silence.is_lost(20, true, at(250)));
        assert!(silence.is_lost(20, true, at(500)));
        assert!(!silence.is_lost(20, false, at(2249)));
        assert!(silence.is_lost(20, false, at(2250)));
        assert!(!silence.is_lost(21, false, at(9000)));
        assert!(!silence.is_lost(21, false, at(10_999)));
    }
}

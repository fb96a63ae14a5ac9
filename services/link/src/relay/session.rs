//! The control connection of a client, as the relay serves it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conns_transfer::relay::{RelayFrame, RelayRefusal};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::control::{ControlConnection, ControlError};
use super::describe;
use super::state::{Client, Refusal, State};
use crate::identity::PublicKey;
use crate::tls::peer_key;

/// A client has this long for TLS and its greeting.
const GREETING: Duration = Duration::from_secs(10);
/// A client that is not registered and has no flow is closed after this time to twice of it.
const PURPOSE_INTERVAL: Duration = Duration::from_secs(15);
/// Frames that wait for a client.
const MAX_OUTBOX: usize = 256;

/// A client and what it asked for.
struct Session {
    state: Arc<State>,
    client: Client,
    control: ControlConnection<TlsStream<TcpStream>>,
    outbox: mpsc::Receiver<RelayFrame>,
    /// Completes when a later registration replaces that of this client; `None` unless it is registered.
    replaced: Option<oneshot::Receiver<()>>,
    /// Whether a request is not answered yet.
    is_requesting: bool,
}

/// Serves a client until its connection ends.
pub(super) async fn serve(state: Arc<State>, acceptor: TlsAcceptor, stream: TcpStream) {
    let greeted = tokio::time::timeout(GREETING, greet(&acceptor, stream)).await;
    let Ok(Some((control, key, local))) = greeted else { return };
    let (sender, outbox) = mpsc::channel(MAX_OUTBOX);
    let client = Client { id: state.next_id(), key, local, outbox: sender };
    let mut session =
        Session { state, client, control, outbox, replaced: None, is_requesting: false };
    // The client learns of an error by the end of the stream.
    let _ = session.run().await;
    session.state.unregister(&session.client);
    session.control.close().await;
}

type Greeted = (ControlConnection<TlsStream<TcpStream>>, PublicKey, SocketAddr);

/// `None` for a client that does not follow the protocol.
async fn greet(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<Greeted> {
    // Frames are short, and each is answered or acted on at once.
    stream.set_nodelay(true).ok()?;
    let local = stream.local_addr().ok()?;
    let stream = acceptor.accept(stream).await.ok()?;
    let key = peer_key(stream.get_ref().1.peer_certificates()?)?;
    let mut control = ControlConnection::new(stream);
    control.greet().await.ok()?;
    Some((control, key, local))
}

impl Session {
    async fn run(&mut self) -> Result<(), ControlError> {
        let mut interval = interval_at(Instant::now() + PURPOSE_INTERVAL, PURPOSE_INTERVAL);
        loop {
            tokio::select! {
                frame = self.control.next() => self.on_frame(frame?)?,
                Some(frame) = self.outbox.recv() => {
                    if matches!(frame, RelayFrame::Opened { .. } | RelayFrame::Refused { .. }) {
                        self.is_requesting = false;
                    }
                    self.control.queue(&frame)?;
                }
                () = replaced(&mut self.replaced) => {
                    return self.refuse((RelayRefusal::Replaced, describe(RelayRefusal::Replaced)));
                }
                _ = interval.tick() => {
                    if self.replaced.is_none() && !self.state.has_flows(&self.client) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn on_frame(&mut self, frame: RelayFrame) -> Result<(), ControlError> {
        match frame {
            RelayFrame::Register => match self.state.register(&self.client) {
                Ok(replaced) => {
                    self.replaced = Some(replaced);
                    self.control.queue(&RelayFrame::Registered)
                }
                Err(refusal) => self.refuse(refusal),
            },
            // A refusal does not name its request, so the next one waits for the answer.
            RelayFrame::Request { key } if !self.is_requesting => {
                match self.state.open(&self.client, PublicKey(key)) {
                    Ok(()) => {
                        self.is_requesting = true;
                        Ok(())
                    }
                    Err(refusal) => self.refuse(refusal),
                }
            }
            RelayFrame::Closed { flow, reason } => {
                self.state.end(&self.client, flow, reason);
                Ok(())
            }
            other => Err(ControlError::Unexpected(other)),
        }
    }

    fn refuse(&mut self, (reason, text): Refusal) -> Result<(), ControlError> {
        self.control.queue(&RelayFrame::Refused { reason, text })
    }
}

/// Waits until a registration is replaced.
async fn replaced(registration: &mut Option<oneshot::Receiver<()>>) {
    match registration {
        // The other end is dropped, not used.
        Some(registration) => {
            let _ = registration.await;
        }
        None => std::future::pending().await,
    }
}

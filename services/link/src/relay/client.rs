//! A client's connection to a relay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conns_transfer::relay::{RelayFrame, RelayRefusal};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error as TlsError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::control::{ControlConnection, ControlError};
use crate::address::RelayAddress;
use crate::identity::{Identity, PublicKey};
use crate::tls::{self, RELAY_ALPN};

/// Addresses of a host name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Longest time until a relay has answered, for each address.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a client has no connection to a relay, or no answer of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("cannot resolve the relay {host}: {error}")]
    Resolve { host: String, error: io::Error },
    #[error(
        "the relay {host} has no address that the receiver's socket can send to (conns link serve --listen)"
    )]
    NoAddress { host: String },
    #[error("TLS cannot be set up: {0}")]
    Setup(TlsError),
    #[error("cannot connect to the relay at TCP {address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
    #[error("the relay at TCP {address} has another key than {expected}")]
    Key { address: SocketAddr, expected: PublicKey },
    #[error("no TLS with the relay at TCP {address}: {error}")]
    Tls { address: SocketAddr, error: io::Error },
    #[error("no answer from the relay at TCP {address} within {} s", .after.as_secs())]
    Timeout { address: SocketAddr, after: Duration },
    #[error("the control connection to the relay at TCP {address} ended: {error}")]
    Control { address: SocketAddr, error: ControlError },
    #[error("the relay at TCP {address} refuses: {text}")]
    Refused { address: SocketAddr, reason: RelayRefusal, text: String },
}

/// A control connection to a relay, after both greetings.
pub(super) struct RelayConnection {
    pub(super) control: ControlConnection<TlsStream<TcpStream>>,
    /// The relay's TCP address.
    pub(super) address: SocketAddr,
}

impl RelayConnection {
    /// Connects to the first address of the relay that answers; `is_usable` omits addresses.
    pub(super) async fn connect(
        identity: &Identity,
        relay: &RelayAddress,
        is_usable: impl Fn(&SocketAddr) -> bool,
    ) -> Result<Self, ClientError> {
        let host = || relay.host.clone();
        let found = tokio::net::lookup_host((relay.host.as_str(), relay.port)).await;
        let found = found.map_err(|error| ClientError::Resolve { host: host(), error })?;
        let tls = tls::client(identity, relay.key, RELAY_ALPN).map_err(ClientError::Setup)?;
        let connector = TlsConnector::from(Arc::new(tls));
        let mut last = ClientError::NoAddress { host: host() };
        for address in found.filter(is_usable).take(MAX_ADDRESSES) {
            let connecting = connect_to(&connector, address, relay.key);
            match tokio::time::timeout(ANSWER_TIMEOUT, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(_) => last = ClientError::Timeout { address, after: ANSWER_TIMEOUT },
            }
        }
        Err(last)
    }

    /// The next frame; a refusal is an error.
    pub(super) async fn next(&mut self) -> Result<RelayFrame, ClientError> {
        let address = self.address;
        match self.control.next().await {
            Ok(RelayFrame::Refused { reason, text }) => {
                Err(ClientError::Refused { address, reason, text })
            }
            Ok(frame) => Ok(frame),
            Err(error) => Err(ClientError::Control { address, error }),
        }
    }

    /// Queues a frame; [`Self::next`] writes it.
    pub(super) fn send(&mut self, frame: &RelayFrame) -> Result<(), ClientError> {
        let address = self.address;
        self.control.queue(frame).map_err(|error| ClientError::Control { address, error })
    }

    /// Sends a request, and waits for the answer.
    pub(super) async fn ask(
        &mut self,
        request: &RelayFrame,
        timeout: Duration,
    ) -> Result<RelayFrame, ClientError> {
        let address = self.address;
        self.send(request)?;
        tokio::time::timeout(timeout, self.next())
            .await
            .unwrap_or(Err(ClientError::Timeout { address, after: timeout }))
    }

    /// The error of a frame that the relay must not send now.
    pub(super) fn unexpected(&self, frame: RelayFrame) -> ClientError {
        ClientError::Control { address: self.address, error: ControlError::Unexpected(frame) }
    }
}

async fn connect_to(
    connector: &TlsConnector,
    address: SocketAddr,
    expected: PublicKey,
) -> Result<RelayConnection, ClientError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| ClientError::Connect { address, error })?;
    // Frames are short, and each is answered or acted on at once.
    stream.set_nodelay(true).map_err(|error| ClientError::Connect { address, error })?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = connector.connect(name, stream).await.map_err(|error| {
        if is_of_the_key(&error) {
            ClientError::Key { address, expected }
        } else {
            ClientError::Tls { address, error }
        }
    })?;
    let mut control = ControlConnection::new(stream);
    control.greet().await.map_err(|error| ClientError::Control { address, error })?;
    Ok(RelayConnection { control, address })
}

/// Whether the relay proved another key than the expected one.
fn is_of_the_key(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
    matches!(
        cause,
        Some(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    )
}

//! Connects to a destination, and reports why it cannot be reached.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::TransferError;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, TokioRuntime,
    TransportConfig, TransportErrorCode, VarInt,
};

use crate::congestion::SharedController;
use crate::identity::{Identity, PublicKey};
use crate::receive::{IDLE, MAX_RECEIVE_WINDOW};
use crate::relay::OpenFlow;
use crate::socket::Socket;
use crate::tls::{self, LINK_ALPN};
use crate::unreached::Unreached;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The network reported for this long that the destination cannot be reached.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);
const ERROR_INTERVAL: Duration = Duration::from_millis(200);
/// A packet is lost when one that was sent this number of packets later is acknowledged; `docs/decisions/link.md` has the
/// measurement.
const PACKET_THRESHOLD: u32 = 128;
/// quinn's server name; raw public keys make no use of it.
const SERVER_NAME: &str = "conns-link";
/// Alerts of TLS (RFC 8446, section 6.2) that name the key as the cause.
const KEY_ALERTS: [u8; 5] = [42, 43, 46, 49, 116];
/// The alert `no_application_protocol` (RFC 7301).
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// A connection with its socket.
pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) endpoint: Endpoint,
    /// The flow of a relay that it goes through.
    pub(super) flow: Option<OpenFlow>,
}

/// Makes the TLS and the transport of a connection to `peer`.
pub(super) fn client_config(
    identity: &Identity,
    peer: PublicKey,
    controller: &SharedController,
    initial_round_trip: Option<Duration>,
) -> Result<ClientConfig, Unreached> {
    let local = |error: String| Unreached::new(TransferError::Local, error);
    let tls = tls::client(identity, peer, LINK_ALPN).map_err(|error| local(error.to_string()))?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| local(error.to_string()))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .send_window(MAX_RECEIVE_WINDOW)
        .packet_threshold(PACKET_THRESHOLD)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(IDLE / 3))
        .datagram_receive_buffer_size(None)
        .congestion_controller_factory(Arc::new(controller.clone()));
    if let Some(round_trip) = initial_round_trip {
        transport.initial_rtt(round_trip);
    }
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Connects through a socket that is connected to `address`: that of the receiver, or that of a relay's flow.
pub(super) async fn connect(
    socket: Arc<Socket>,
    address: SocketAddr,
    config: ClientConfig,
    flow: Option<OpenFlow>,
) -> Result<Connected, Unreached> {
    let local = |error: String| Unreached::new(TransferError::Local, error);
    let mut endpoint = Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        None,
        Arc::clone(&socket) as _,
        Arc::new(TokioRuntime),
    )
    .map_err(|error| local(error.to_string()))?;
    endpoint.set_default_client_config(config);
    if let Some(flow) = &flow {
        flow.send_token(&socket).await;
    }
    let announce = async {
        match &flow {
            Some(flow) => flow.announce(&socket).await,
            None => std::future::pending::<Infallible>().await,
        }
    };
    let place = match &flow {
        Some(flow) => format!("UDP {} through the relay's UDP {address}", flow.receiver),
        None => format!("UDP {address}"),
    };
    let connecting =
        endpoint.connect(address, SERVER_NAME).map_err(|error| local(error.to_string()))?;
    let connection = tokio::select! {
        never = announce => match never {},
        connected = tokio::time::timeout(HANDSHAKE, connecting) => match connected {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(Unreached::new(
                TransferError::Timeout,
                format!("no answer from {place} within {} s", HANDSHAKE.as_secs()),
            )),
        },
        why = reported_unreachable(&socket) => Err(Unreached::new(
            TransferError::Unreachable,
            format!("the network reports for {place}: {why}"),
        )),
    };
    connection.map(|connection| Connected { connection, endpoint, flow })
}

/// Waits until the network has reported an error again and again, and nothing was received.
async fn reported_unreachable(socket: &Socket) -> String {
    let mut first = None;
    loop {
        tokio::time::sleep(ERROR_INTERVAL).await;
        if let Some(error) = socket.take_network_error()
            && socket.traffic().last_received_us.is_none()
        {
            let first = first.get_or_insert_with(std::time::Instant::now);
            if first.elapsed() >= UNREACHABLE_AFTER {
                return error;
            }
        }
    }
}

/// The cause of a connection's end.
pub(super) fn cause(error: &ConnectionError) -> Unreached {
    let crypto_alert = |code: TransportErrorCode| {
        let code = u64::from(code);
        (0x100..0x200)
            .contains(&code)
            .then_some(code & 0xff)
            .and_then(|alert| u8::try_from(alert).ok())
    };
    match error {
        ConnectionError::TimedOut => {
            let why = format!("nothing was received for {} s", IDLE.as_secs());
            Unreached::new(TransferError::Timeout, why)
        }
        ConnectionError::VersionMismatch => {
            Unreached::new(TransferError::Version, "the peer has no common version of QUIC")
        }
        ConnectionError::ConnectionClosed(close) => match crypto_alert(close.error_code) {
            Some(NO_APPLICATION_PROTOCOL) => {
                Unreached::new(TransferError::Version, "the peer has no common version of the link")
            }
            Some(alert) if KEY_ALERTS.contains(&alert) => Unreached::new(
                TransferError::NotAuthorized,
                "the receiver does not allow this sender's key (conns link serve --allow)",
            ),
            Some(_) => Unreached::new(TransferError::Encryption, error.to_string()),
            None => Unreached::new(TransferError::Unreachable, error.to_string()),
        },
        ConnectionError::TransportError(transport) => match crypto_alert(transport.code) {
            Some(alert) if KEY_ALERTS.contains(&alert) => Unreached::new(
                TransferError::NotAuthorized,
                "the receiver has another key than the destination names",
            ),
            Some(NO_APPLICATION_PROTOCOL) => {
                Unreached::new(TransferError::Version, "the peer has no common version of the link")
            }
            Some(_) => Unreached::new(TransferError::Encryption, error.to_string()),
            None => Unreached::new(TransferError::Version, error.to_string()),
        },
        ConnectionError::ApplicationClosed(close) => {
            let why = String::from_utf8_lossy(&close.reason).into_owned();
            let error = match close.error_code.into_inner() {
                0 => TransferError::Unreachable,
                _ => TransferError::Version,
            };
            Unreached::new(error, format!("the receiver closed the connection: {why}"))
        }
        ConnectionError::Reset => {
            Unreached::new(TransferError::Unreachable, "the receiver has restarted")
        }
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => {
            Unreached::new(TransferError::Local, error.to_string())
        }
    }
}

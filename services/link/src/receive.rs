//! The receiving side: accepts connections, reads offers and chunks, and writes files.

mod connection;
mod folder;
mod incoming;
mod writer;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conns_transfer::frames::{Hello, TransferUid};
use conns_transfer::rate::BytesPerSecond;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use crate::address::RelayAddress;
use crate::congestion::ConstantWindow;
use crate::identity::{Identity, PublicKey};
use crate::relay::{Registration, RegistrationSettings, RegistrationState};
use crate::socket::{Socket, wall_us};
use crate::store::Store;
use crate::tls::{self, Accepts, LINK_ALPN};
use folder::Folder;

pub(crate) use connection::ConnectionState;
pub(crate) use incoming::chunk_hash;

/// Connections at once, all senders together.
const MAX_CONNECTIONS: usize = 256;
/// Chunk streams at once, a connection; each has a buffer of 1 MiB.
const MAX_STREAMS: u32 = 64;
/// Receive window of a connection at its begin, and at most; between them it is twice the bytes of a round trip.
pub(crate) const MIN_RECEIVE_WINDOW: u64 = 4 << 20;
pub(crate) const MAX_RECEIVE_WINDOW: u64 = 64 << 20;
/// A chunk and its header.
const STREAM_WINDOW: u32 = (1 << 20) + (64 << 10);
/// A connection without packets for this time is over.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// A transfer that was not continued for this time is removed, with its part files.
const FORGET_AFTER_US: i64 = 30 * 24 * 3600 * 1_000_000;

/// Where files are received, and of which senders.
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// Address of the UDP socket.
    pub listen: SocketAddr,
    /// The folder that files are written below.
    pub folder: PathBuf,
    /// Keys of the senders that may connect; empty allows any key.
    pub allow: Vec<PublicKey>,
    /// The relay that it registers at, so that senders reach it without an inbound path; `None` for none.
    pub relay: Option<RelayAddress>,
}

/// Why a receiver does not start.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The folder cannot be opened.
    #[error("cannot open the folder {path}: {error}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The address cannot be used.
    #[error("cannot receive at UDP {address}: {error}")]
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

/// Held by the writer of a transfer.
type WriterLock = Arc<Mutex<()>>;

/// A running receiver.
#[derive(Debug, Clone)]
pub(crate) struct Receiver(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    store: Store,
    folder: Mutex<Arc<Folder>>,
    folder_path: PathBuf,
    hello: Hello,
    endpoint: Endpoint,
    connections: Mutex<Vec<Arc<ConnectionState>>>,
    /// The transfers that are open, and the lock of each.
    open: Mutex<HashMap<(PublicKey, TransferUid), WriterLock>>,
    limit: Mutex<Option<BytesPerSecond>>,
    registration: Option<Registration>,
}

/// Keys of the senders that may connect; empty allows any.
#[derive(Debug)]
struct Allowed(Vec<PublicKey>);

impl Accepts for Allowed {
    fn accepts(&self, key: &PublicKey) -> bool {
        self.0.is_empty() || self.0.contains(key)
    }
}

impl Receiver {
    /// Opens folder and socket. Must be called in a tokio runtime.
    pub(crate) fn start(
        settings: &ReceiverSettings,
        identity: &Arc<Identity>,
        store: Store,
        hello: Hello,
    ) -> Result<Self, ReceiverError> {
        let folder = open_folder(&settings.folder)?;
        let allowed = Arc::new(Allowed(settings.allow.clone()));
        let failed = |error| ReceiverError::Listen { address: settings.listen, error };
        let socket = Arc::new(Socket::listen(settings.listen).map_err(failed)?);
        let config = server_config(identity, Arc::clone(&allowed) as _)
            .map_err(|error| ReceiverError::Tls(error.to_string()))?;
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(identity),
            Some(config),
            Arc::clone(&socket) as _,
            Arc::new(TokioRuntime),
        )
        .map_err(failed)?;
        let registration = settings.relay.clone().map(|relay| {
            Registration::start(RegistrationSettings {
                identity: Arc::clone(identity),
                relay,
                socket: Arc::clone(&socket),
                accepts: Arc::clone(&allowed) as _,
            })
        });
        let receiver = Self(Arc::new(Shared {
            store,
            folder: Mutex::new(Arc::new(folder)),
            folder_path: settings.folder.clone(),
            hello,
            endpoint,
            connections: Mutex::default(),
            open: Mutex::default(),
            limit: Mutex::default(),
            registration,
        }));
        receiver.remove_forgotten();
        tokio::spawn(receiver.clone().accept());
        Ok(receiver)
    }

    /// The address of the UDP socket.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.endpoint.local_addr()
    }

    /// The state of the registration at a relay; `None` without one.
    pub(crate) fn registration(&self) -> Option<RegistrationState> {
        self.0.registration.as_ref().map(Registration::state)
    }

    /// The connections, in the order in which they began.
    pub(crate) fn connections(&self) -> Vec<Arc<ConnectionState>> {
        self.lock_connections().clone()
    }

    /// Sets the rate that all senders together may use.
    pub(crate) fn set_limit(&self, limit: Option<BytesPerSecond>) {
        *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
        self.share_limit();
    }

    /// Stops accepting, and closes the connections.
    pub(crate) async fn stop(&self) {
        if let Some(registration) = &self.0.registration {
            registration.stop();
        }
        self.0.endpoint.close(VarInt::from_u32(0), b"the receiver stops");
        self.0.endpoint.wait_idle().await;
    }

    async fn accept(self) {
        while let Some(incoming) = self.0.endpoint.accept().await {
            if self.lock_connections().len() >= MAX_CONNECTIONS {
                incoming.refuse();
                continue;
            }
            let receiver = self.clone();
            tokio::spawn(async move {
                // A handshake that fails is the sender's error; it learns of it by an alert of TLS.
                if let Ok(connection) = incoming.await {
                    connection::serve(receiver, connection).await;
                }
            });
        }
    }

    fn lock_connections(&self) -> MutexGuard<'_, Vec<Arc<ConnectionState>>> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Divides the limit between the connections.
    fn share_limit(&self) {
        let limit = *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = self.lock_connections();
        let share = limit.map(|limit| limit.0 / connections.len().max(1) as u64);
        for connection in connections.iter() {
            connection.set_share(share.map(BytesPerSecond));
        }
    }

    /// The folder; if it was removed and made again, the new one.
    fn folder(&self) -> Arc<Folder> {
        let mut folder = self.0.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if folder.is_removed()
            && let Ok(new) = Folder::open(&self.0.folder_path)
        {
            *folder = Arc::new(new);
        }
        Arc::clone(&folder)
    }

    /// The lock of a transfer: one writer has it at a time.
    fn lock_of(&self, key: PublicKey, uid: TransferUid) -> WriterLock {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(open.entry((key, uid)).or_default())
    }

    /// Removes transfers that were not continued.
    fn remove_forgotten(&self) {
        let Ok(rows) = self.0.store.all_received() else { return };
        let now_us = wall_us();
        for row in rows.into_iter().filter(|row| now_us - row.active_us > FORGET_AFTER_US) {
            let opened = incoming::Incoming::open(self.0.store.clone(), self.folder(), row);
            if let Ok(mut incoming) = opened {
                // What cannot be removed now is tried again at the next start.
                let _ = incoming.discard();
            }
        }
    }
}

fn open_folder(path: &Path) -> Result<Folder, ReceiverError> {
    Folder::open(path).map_err(|error| ReceiverError::Folder { path: path.to_owned(), error })
}

/// A receiver that was restarted answers packets of earlier connections with stateless resets (RFC 9000, section 10.3), so
/// that their senders connect again at once instead of after the idle timeout. They accept a reset only if its key, and that of the
/// connection ids, are those of before the restart; so both are derived from the identity.
fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let reset = identity.derived_secret("conns link 2026-11-27 stateless reset of QUIC");
    let ids = identity.derived_secret("conns link 2026-11-27 connection ids of QUIC");
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset)));
    let ids_key = ids.first_chunk().map_or(0, |key| u64::from_le_bytes(*key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids_key)));
    config
}

fn server_config(
    identity: &Identity,
    accepts: Arc<dyn Accepts>,
) -> Result<quinn::ServerConfig, Box<dyn std::error::Error>> {
    let tls = tls::server(identity, accepts, LINK_ALPN)?;
    let crypto = QuicServerConfig::try_from(tls)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u64(MIN_RECEIVE_WINDOW)?)
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE)?))
        .keep_alive_interval(Some(IDLE / 3))
        .datagram_receive_buffer_size(None)
        .congestion_controller_factory(Arc::new(ConstantWindow));
    config.transport_config(Arc::new(transport));
    config.migration(true);
    Ok(config)
}

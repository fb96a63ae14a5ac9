//! A link server: both sides, their store, and what they report.

mod control;
mod records;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use conns_core::model::Transfer;
use conns_transfer::frames::{Hello, VERSION};
use conns_transfer::rate::BytesPerSecond;

use crate::identity::{Identity, PublicKey};
use crate::receive::{Receiver, ReceiverError, ReceiverSettings};
use crate::relay::RegistrationState;
use crate::send::{Sender, Snapshot};
use crate::socket::wall_us;
use crate::store::{Store, StoreError};

/// Time between two snapshots.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);
/// Names of the limits in the store.
const INCOMING: &str = "incoming_limit";
const OUTGOING: &str = "outgoing_limit";

/// What a server needs.
#[derive(Debug)]
pub struct ServerSettings {
    /// The folder of its store. One process at a time uses it.
    pub state_folder: PathBuf,
    /// Its key.
    pub identity: Identity,
    /// Where it receives; `None` only sends.
    pub receiver: Option<ReceiverSettings>,
    /// Whether it sends what is queued; else the queue can be read and changed only.
    pub sends: bool,
    /// Rate that all destinations together may use; `None` keeps the stored limit.
    pub outgoing_limit: Option<BytesPerSecond>,
    /// Rate that all senders together may use; `None` keeps the stored limit.
    pub incoming_limit: Option<BytesPerSecond>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The receiver does not start.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// The system gave no random bytes.
    #[error("the system has no random bytes: {0}")]
    Random(String),
}

/// A running server. Clones share it.
#[derive(Debug, Clone)]
pub struct Server(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    identity: Arc<Identity>,
    hello: Hello,
    sender: Sender,
    receiver: Option<Receiver>,
    receiver_settings: Option<ReceiverSettings>,
    snapshots: RwLock<Arc<Vec<Snapshot>>>,
}

impl Server {
    /// Opens the store, and starts both sides. Must be called in a multi-thread tokio runtime.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(settings: ServerSettings) -> Result<Self, ServerError> {
        let ServerSettings { state_folder, identity, receiver: receiver_settings, .. } = settings;
        let store = Store::open(&state_folder)?;
        let random = || -> Result<[u8; 16], ServerError> {
            let mut drawn = [0; 16];
            getrandom::fill(&mut drawn).map_err(|error| ServerError::Random(error.to_string()))?;
            Ok(drawn)
        };
        let hello = Hello {
            version: VERSION,
            launch_id: random()?,
            server_uid: store.server_uid(random()?)?,
        };
        let identity = Arc::new(identity);
        let receiver = match &receiver_settings {
            Some(settings) => Some(Receiver::start(settings, &identity, store.clone(), hello)?),
            None => None,
        };
        let sender = Sender::start(store.clone(), Arc::clone(&identity), hello, settings.sends)?;
        let server = Self(Arc::new(Shared {
            store,
            identity,
            hello,
            sender,
            receiver,
            receiver_settings,
            snapshots: RwLock::default(),
        }));
        for (name, limit) in
            [(OUTGOING, settings.outgoing_limit), (INCOMING, settings.incoming_limit)]
        {
            if let Some(limit) = limit {
                server.0.store.set_limit(name, Some(limit.0))?;
            }
        }
        server.apply_limits()?;
        server.resume_manifests()?;
        server.take_snapshot();
        tokio::spawn(take_snapshots(Arc::downgrade(&server.0)));
        Ok(server)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.0.identity.public()
    }

    /// The address of the receiver's UDP socket; `None` without a receiver.
    #[must_use]
    pub fn receiver_address(&self) -> Option<SocketAddr> {
        self.0.receiver.as_ref()?.local_addr().ok()
    }

    /// Whether the receiver is registered at its relay; `None` without one.
    #[must_use]
    pub fn registration(&self) -> Option<RegistrationState> {
        self.0.receiver.as_ref()?.registration()
    }

    /// The connections as they were at the last snapshot, sorted by their id.
    #[must_use]
    pub fn connections(&self) -> Vec<Transfer> {
        self.snapshots().iter().map(|snapshot| snapshot.connection.clone()).collect()
    }

    /// Ends all connections, so that their peers learn it at once. What is queued stays.
    pub async fn stop(&self) {
        let receiver = async {
            if let Some(receiver) = &self.0.receiver {
                receiver.stop().await;
            }
        };
        tokio::join!(receiver, self.0.sender.stop());
    }

    fn snapshots(&self) -> Arc<Vec<Snapshot>> {
        Arc::clone(&self.0.snapshots.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a snapshot at once, so that what was just created is listed.
    fn take_snapshot(&self) {
        let at_wall_us = wall_us();
        let destinations = self.0.sender.destinations();
        let all: Vec<_> =
            destinations.iter().map(|destination| destination.snapshot(at_wall_us)).collect();
        *self.0.snapshots.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }

    fn apply_limits(&self) -> Result<(), StoreError> {
        let limit = |name| Ok::<_, StoreError>(self.0.store.limit(name)?.map(BytesPerSecond));
        self.0.sender.set_limit(limit(OUTGOING)?);
        if let Some(receiver) = &self.0.receiver {
            receiver.set_limit(limit(INCOMING)?);
        }
        Ok(())
    }
}

/// Takes snapshots while there is a server.
async fn take_snapshots(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(SNAPSHOT_INTERVAL);
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.sender.share_limit();
        Server(shared).take_snapshot();
    }
}

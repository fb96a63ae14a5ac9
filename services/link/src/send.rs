//! The sending side: a queue a destination, and a task that connects while there is something to send.

mod connect;
mod destination;
mod session;
mod source;
mod transfer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conns_transfer::chunks::Chunks;
use conns_transfer::frames::{Hello, TransferUid};
use conns_transfer::manifest::Manifest;
use conns_transfer::rate::BytesPerSecond;

use crate::identity::Identity;
use crate::store::{DestinationId, Store, StoreError, Totals};
use crate::walk::walk;

pub(crate) use destination::{Destination, Snapshot, has_ended, hexadecimal, id_text, kbit_per_s};

/// Bytes a second that are not limited: 800 Gbit/s.
pub(crate) const UNLIMITED: BytesPerSecond = BytesPerSecond(100_000_000_000);

/// The sending side of a server.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) hello: Hello,
    /// Whether destinations connect.
    sends: bool,
    /// Zero of the queue's clock.
    pub(crate) started: Instant,
    destinations: Mutex<HashMap<DestinationId, Arc<Destination>>>,
    limit: Mutex<Option<BytesPerSecond>>,
}

impl Sender {
    /// Loads destinations and unfinished transfers, and starts sending.
    pub(crate) fn start(
        store: Store,
        identity: Arc<Identity>,
        hello: Hello,
        sends: bool,
    ) -> Result<Self, StoreError> {
        let sender = Self(Arc::new(Shared {
            store: store.clone(),
            identity,
            hello,
            sends,
            started: Instant::now(),
            destinations: Mutex::default(),
            limit: Mutex::default(),
        }));
        for row in store.destinations()? {
            sender.add(row.id)?;
        }
        for row in store.transfers()? {
            if let Some(destination) = sender.destination(row.destination)
                && !destination::has_ended(row.state)
            {
                destination.queue(row);
            }
        }
        Ok(sender)
    }

    /// Begins to serve a stored destination.
    pub(crate) fn add(&self, id: DestinationId) -> Result<Option<Arc<Destination>>, StoreError> {
        let Some(row) = self.0.store.destination(id)? else { return Ok(None) };
        let destination = Destination::new(row, &self.0);
        if self.0.sends {
            let task = Arc::clone(&destination);
            tokio::spawn(async move { task.run().await });
        }
        self.lock().insert(id, Arc::clone(&destination));
        self.share_limit();
        Ok(Some(destination))
    }

    /// Ends the task of a destination.
    pub(crate) fn remove(&self, id: DestinationId) {
        if let Some(destination) = self.lock().remove(&id) {
            destination.stop();
        }
        self.share_limit();
    }

    pub(crate) fn destination(&self, id: DestinationId) -> Option<Arc<Destination>> {
        self.lock().get(&id).cloned()
    }

    /// The destinations by their id.
    pub(crate) fn destinations(&self) -> Vec<Arc<Destination>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|destination| destination.id());
        all
    }

    /// Sets the rate that all destinations together may use.
    pub(crate) fn set_limit(&self, limit: Option<BytesPerSecond>) {
        *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
        self.share_limit();
    }

    /// Divides the limit between the destinations that send; called once a second too, since they change.
    pub(crate) fn share_limit(&self) {
        let limit = *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.destinations();
        let sending = all.iter().filter(|destination| destination.is_sending()).count().max(1);
        let share = limit.map(|limit| BytesPerSecond(limit.0 / sending as u64));
        for destination in all {
            destination.set_share(share);
        }
    }

    /// Ends all connections, so that their peers learn it at once.
    pub(crate) async fn stop(&self) {
        for destination in self.destinations() {
            destination.stop();
        }
        for destination in self.destinations().into_iter().filter(|_| self.0.sends) {
            destination.stopped().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, Arc<Destination>>> {
        self.0.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Walks the source of a transfer again, because it changed.
async fn walk_again(store: &Store, id: i64) -> Result<(), String> {
    let store = store.clone();
    let walked = tokio::task::spawn_blocking(move || {
        let text = |error: StoreError| error.to_string();
        let row = store.transfer(id).map_err(text)?.ok_or("the transfer is not stored")?;
        let manifest = store.manifest(row.manifest).map_err(text)?;
        let mappings = manifest.ok_or("its manifest is not stored")?.mappings;
        let walked = walk(&mappings).map_err(|error| error.to_string())?;
        let encoded = walked.manifest.encode();
        let omitted = walked.omitted();
        store
            .complete_manifest(row.manifest, &encoded, &walked.sources, omitted.as_deref())
            .map_err(text)?;
        let uid = random_uid()?;
        store.restart_transfer(id, uid, totals(&walked.manifest)).map_err(text)
    });
    walked.await.map_err(|error| error.to_string())?
}

/// What a manifest has.
pub(crate) fn totals(manifest: &Manifest) -> Totals {
    Totals {
        bytes: manifest.total_bytes(),
        chunks: Chunks::new(manifest).count(),
        files: manifest.files(),
    }
}

/// A new uid of a transfer.
pub(crate) fn random_uid() -> Result<TransferUid, String> {
    let mut uid = [0; 16];
    getrandom::fill(&mut uid)
        .map_err(|error| format!("the system has no random bytes: {error}"))?;
    Ok(TransferUid(uid))
}

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

/// Times that a transfer begins again because its source changed.
const MAX_RESTARTS: u32 = 10;

/// Walks the source of a transfer again, because it changed: `why` names the file. An error ends the transfer.
async fn walk_again(store: &Store, id: i64, why: &str) -> Result<(), String> {
    let (store, why) = (store.clone(), why.to_owned());
    let walked = tokio::task::spawn_blocking(move || {
        let text = |error: StoreError| error.to_string();
        let row = store.transfer(id).map_err(text)?.ok_or("the transfer is not stored")?;
        if row.restarts >= MAX_RESTARTS {
            return Err(format!(
                "the source changes: {why}, and the transfer began again {MAX_RESTARTS} times because of changes; send a copy or a \
                 snapshot of it, or stop what writes to it"
            ));
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use std::path::PathBuf;

    use conns_transfer::frames::Overwrite;
    use conns_transfer::queue::State;
    use conns_transfer::ranges::Ranges;
    use conns_transfer::rate::Method;

    use super::*;
    use crate::store::{DestinationRow, Sent, TransferRow};

    #[tokio::test]
    async fn a_source_that_always_changes_ends_the_transfer() {
        let folder = std::env::temp_dir().join(format!("conns-link-grows-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let source = folder.join("log");
        std::fs::write(&source, "1").unwrap();
        let store = Store::open(&folder.join("state")).unwrap();
        let mappings = vec![(PathBuf::from("log"), source.clone())];
        let manifest = store.add_manifest(&mappings, 0).unwrap();
        let destination = DestinationRow {
            id: DestinationId(0),
            key: Identity::generate().unwrap().public(),
            host: "127.0.0.1".to_owned(),
            port: 1,
            relay: None,
            method: Method::Fair,
            rate: None,
            min_rate: BytesPerSecond(0),
            max_rate: None,
            learned: None,
        };
        let row = TransferRow {
            id: 0,
            uid: random_uid().unwrap(),
            destination: store.add_destination(&destination).unwrap(),
            manifest,
            folder: Vec::new(),
            overwrite: Overwrite::Never,
            priority: 100,
            state: State::Pending,
            message: None,
            total: Totals { bytes: 1, chunks: 1, files: 1 },
            durable_bytes: 0,
            durable: Ranges::default(),
            sent: Sent::default(),
            requested_us: 0,
            started_us: None,
            ended_us: None,
            is_awaited: false,
            restarts: 0,
        };
        let id = store.add_transfer(&row).unwrap();
        for restart in 1..=MAX_RESTARTS {
            std::fs::write(&source, "x".repeat(restart as usize)).unwrap();
            walk_again(&store, id, "log changed").await.unwrap();
            let stored = store.transfer(id).unwrap().unwrap();
            assert_eq!((stored.restarts, stored.total.bytes), (restart, u64::from(restart)));
        }
        let why = walk_again(&store, id, "log changed").await.unwrap_err();
        assert!(why.starts_with("the source changes: log changed"), "{why}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! Offers of a sender, and the writers of the transfers that they begin.

use std::sync::Arc;

use conns_transfer::frames::{Failure, FailureCode, Frame, Offer, TransferId, TransferUid};
use conns_transfer::manifest::{MAX_MANIFEST_BYTES, Manifest};
use conns_transfer::ranges::Ranges;

use super::super::incoming::{Incoming, failure};
use super::super::writer::{self, Progress, Report};
use super::{GREETING, Refusal, Session, Transfer, lock};
use crate::control_stream::FrameReader;
use crate::socket::wall_us;
use crate::store::{ReceivedRow, ReceivedState};

/// Transfers of a connection at once.
const MAX_TRANSFERS: usize = 64;
/// Transfers of a connection that are listed.
const MAX_LISTED: usize = 256;

impl Session {
    /// Reads frames; returns why there is no further one.
    pub(super) async fn read_frames(self: Arc<Self>, mut reader: FrameReader) -> String {
        loop {
            let frame = match reader.next().await {
                Ok(frame) => frame,
                Err(error) => return error.to_string(),
            };
            match frame {
                Frame::Offer(offer) => {
                    if let Err((transfer, failure)) = self.offer(offer) {
                        self.send(Frame::Failed(transfer, failure));
                    }
                }
                Frame::Withdraw(uid) => self.withdraw(uid),
                // The sender gave the transfer up for now.
                Frame::Failed(transfer, _) => {
                    lock(&self.state.transfers).remove(&transfer);
                }
                _ => return "a frame that only a receiver sends".to_owned(),
            }
        }
    }

    fn send(&self, frame: Frame) {
        // A frame of a connection that ended is not sent.
        let _ = self.state.frames.send(frame);
    }

    fn offer(self: &Arc<Self>, offer: Offer) -> Result<(), (TransferId, Failure)> {
        let transfer = offer.transfer;
        let refuse = |code, text: &str| (transfer, failure(code, text));
        if offer.manifest_bytes > MAX_MANIFEST_BYTES {
            return Err(refuse(FailureCode::PathRefused, "the manifest is too long"));
        }
        let known = self
            .receiver
            .0
            .store
            .received(self.state.key, offer.uid)
            .map_err(|error| (transfer, error.into()))?;
        {
            // The same transfer, continued: the writer of the earlier offer ends, also that of an earlier connection, which may
            // not have noticed yet that its sender has ended.
            for other in self.receiver.connections() {
                if other.key == self.state.key {
                    other.drop_transfer(offer.uid);
                }
            }
            let mut transfers = lock(&self.state.transfers);
            if transfers.len() >= MAX_TRANSFERS {
                return Err(refuse(FailureCode::NotAllowed, "too many transfers at once"));
            }
            transfers.insert(transfer, Transfer { offer, commands: None });
        }
        match known {
            Some(row) if row.manifest.len() as u64 == offer.manifest_bytes => {
                self.start_writer(transfer, row)?;
            }
            _ if !offer.manifest_follows => self.send(Frame::ManifestWanted(transfer)),
            _ => {}
        }
        self.changed.notify_waiters();
        Ok(())
    }

    fn start_writer(
        &self,
        transfer: TransferId,
        row: ReceivedRow,
    ) -> Result<(), (TransferId, Failure)> {
        let progress = {
            let mut received = lock(&self.state.received);
            if received.len() >= MAX_LISTED {
                received.retain(|_, progress| !lock(progress).is_complete);
            }
            Arc::clone(received.entry(row.uid).or_default())
        };
        *lock(&progress) = Progress::default();
        let report = Report { transfer, frames: self.state.frames.clone(), progress };
        let shared = &self.receiver.0;
        let open_lock = self.receiver.lock_of(self.state.key, row.uid);
        let started =
            writer::start(shared.store.clone(), self.receiver.folder(), row, open_lock, report);
        let commands = started.map_err(|error| {
            (transfer, failure(FailureCode::TargetUnwritable, format!("no thread: {error}")))
        })?;
        if let Some(of) = lock(&self.state.transfers).get_mut(&transfer) {
            of.commands = Some(commands);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// Removes what was received of a transfer, on a thread of its own, since the writer may still hold it.
    fn withdraw(self: &Arc<Self>, uid: TransferUid) {
        self.state.drop_transfer(uid);
        lock(&self.state.received).remove(&uid);
        let session = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let shared = &session.receiver.0;
            let open_lock = session.receiver.lock_of(session.state.key, uid);
            let _locked = lock(&open_lock);
            let discarded = match shared.store.received(session.state.key, uid) {
                Ok(None) => Ok(()),
                Ok(Some(row)) => {
                    Incoming::open(shared.store.clone(), session.receiver.folder(), row)
                        .and_then(|mut incoming| incoming.discard())
                }
                Err(error) => Err(error.into()),
            };
            // Without an answer the sender asks again with the next connection.
            if discarded.is_ok() {
                session.send(Frame::Withdrawn(uid));
            }
        });
    }

    /// Takes the manifest of an offer, and starts its writer.
    pub(super) async fn manifest(
        &self,
        transfer: TransferId,
        bytes: Vec<u8>,
    ) -> Result<(), Refusal> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let found = lock(&self.state.transfers).get(&transfer).map(|of| of.offer);
                if let Some(offer) = found {
                    return offer;
                }
                changed.await;
            }
        };
        let Ok(offer) = tokio::time::timeout(GREETING, wait).await else { return Ok(()) };
        if lock(&self.state.transfers).get(&transfer).is_some_and(|of| of.commands.is_some()) {
            return Ok(());
        }
        let is_offered = *blake3::hash(&bytes).as_bytes() == offer.manifest.0;
        let checked = match Manifest::decode(&bytes) {
            Ok(manifest) if is_offered => Ok(manifest),
            Ok(_) => Err("the manifest is not the one that was offered".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = checked {
            self.send(Frame::Failed(transfer, failure(FailureCode::PathRefused, why)));
            lock(&self.state.transfers).remove(&transfer);
            return Ok(());
        }
        if let Err((transfer, failure)) = self.add(transfer, &offer, bytes) {
            self.send(Frame::Failed(transfer, failure));
            lock(&self.state.transfers).remove(&transfer);
        }
        Ok(())
    }

    fn add(
        &self,
        transfer: TransferId,
        offer: &Offer,
        manifest: Vec<u8>,
    ) -> Result<(), (TransferId, Failure)> {
        let store = &self.receiver.0.store;
        let failed = |error: crate::store::StoreError| (transfer, error.into());
        if let Some(other) = store.received(self.state.key, offer.uid).map_err(failed)? {
            store.remove_received(other.id).map_err(failed)?;
        }
        let mut row = ReceivedRow {
            id: 0,
            sender: self.state.key,
            uid: offer.uid,
            state: ReceivedState::Receiving,
            overwrite: offer.overwrite,
            manifest,
            durable: Ranges::default(),
            started_us: wall_us(),
            active_us: wall_us(),
        };
        row.id = store.add_received(&row).map_err(failed)?;
        self.start_writer(transfer, row)
    }
}

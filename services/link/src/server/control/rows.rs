//! The rows and records that ids name.

use conns_transfer::control::{ControlError, Object};
use conns_transfer::queue::State;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::record::{BandwidthLimits, Destination as DestinationRecord, TransferRecord};

use super::super::{INCOMING, OUTGOING, Server, records};
use crate::send::kbit_per_s;
use crate::store::{DestinationId, DestinationRow, ManifestRow, StoreError, TransferRow};

fn not_found(object: Object, id: &str) -> ControlError {
    ControlError::NotFound { object, id: id.to_owned() }
}

/// The number of an id; ids are decimal, and may lack the zeros before it.
fn number(object: Object, id: &str) -> Result<i64, ControlError> {
    id.parse().map_err(|_| not_found(object, id))
}

impl Server {
    pub(super) fn limits(&self) -> Result<BandwidthLimits, StoreError> {
        let kbit = |name| -> Result<Option<u64>, StoreError> {
            Ok(self.0.store.limit(name)?.map(|rate| kbit_per_s(BytesPerSecond(rate))))
        };
        Ok(BandwidthLimits {
            incoming_kbit_per_s: kbit(INCOMING)?,
            outgoing_kbit_per_s: kbit(OUTGOING)?,
        })
    }

    pub(super) fn destination_row(&self, id: &str) -> Result<DestinationRow, ControlError> {
        let number = number(Object::Destination, id)?;
        let row = self.0.store.destination(DestinationId(number))?;
        row.ok_or_else(|| not_found(Object::Destination, id))
    }

    pub(super) fn manifest_row(&self, id: &str) -> Result<ManifestRow, ControlError> {
        let row = self.0.store.manifest(number(Object::Manifest, id)?)?;
        row.ok_or_else(|| not_found(Object::Manifest, id))
    }

    pub(super) fn transfer_row(&self, id: &str) -> Result<TransferRow, ControlError> {
        let row = self.0.store.transfer(number(Object::Transfer, id)?)?;
        row.ok_or_else(|| not_found(Object::Transfer, id))
    }

    pub(super) fn destination_record(&self, row: &DestinationRow) -> DestinationRecord {
        let snapshots = self.snapshots();
        let found = snapshots.iter().find(|snapshot| snapshot.destination == row.id);
        records::destination(row, found)
    }

    /// The record of a stored transfer, with what is known while it runs.
    pub(super) fn transfer_record(&self, row: TransferRow) -> TransferRecord {
        let destination = self.0.sender.destination(row.destination);
        let live = destination.as_ref().and_then(|destination| {
            destination.transfers().into_iter().find(|transfer| transfer.row.id == row.id)
        });
        let (row, is_running) = match live {
            Some(live) => (live.row, live.is_running),
            None => (row, false),
        };
        let now_us = destination.map(|destination| destination.now_us());
        records::transfer(&row, is_running, now_us)
    }

    /// The committed transfer that `new` repeats: a client waited for its end and ended before it read it, and the sources are
    /// unchanged since.
    pub(super) fn committed_and_not_read(
        &self,
        new: &TransferRow,
        manifest: &[u8],
    ) -> Result<Option<TransferRow>, StoreError> {
        if !new.is_awaited {
            return Ok(None);
        }
        let store = &self.0.store;
        let sources = store.sources(new.manifest)?;
        for row in store.transfers()? {
            let is_same = row.is_awaited
                && row.state == State::Done
                && row.destination == new.destination
                && row.folder == new.folder
                && row.overwrite == new.overwrite;
            if is_same
                && store.manifest(row.manifest)?.and_then(|of| of.manifest).as_deref()
                    == Some(manifest)
                && store.sources(row.manifest)? == sources
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

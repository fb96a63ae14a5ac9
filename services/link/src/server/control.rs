//! The calls of the JetStream dialect.

mod manifests;
mod rows;

use std::num::NonZeroU64;
use std::ops::Range;

use conns_transfer::control::{Control, ControlError, Page, TransferChange};
use conns_transfer::names::RelativePath;
use conns_transfer::queue::State;
use conns_transfer::rate::{BytesPerSecond, Method};
use conns_transfer::record::{
    BandwidthLimits, Destination as DestinationRecord, LimitsChange, MIN_CIPHER_ENCRYPTED_128,
    ManifestFile, ManifestRecord, NewDestination, NewManifest, NewTransfer, RateChange,
    ReceiveTransfer, Receiver as ReceiverRecord, ServerFacts, Source as SourceRecord,
    TransferRecord,
};

use super::{INCOMING, OUTGOING, Server, records};
use crate::address::RelayAddress;
use crate::identity::PublicKey;
use crate::paths::{bytes_of_path, path_of_bytes};
use crate::send::{has_ended, hexadecimal, id_text, random_uid, totals};
use crate::socket::wall_us;
use crate::store::{DestinationId, DestinationRow, ManifestRow, Sent, StoreError, TransferRow};

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn invalid(error: impl std::fmt::Display) -> ControlError {
    ControlError::Invalid(error.to_string())
}

/// A path in a message: its first 100 characters.
fn shown(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let mut shown: String = path.chars().take(100).collect();
    if shown.len() < path.len() {
        shown.push('…');
    }
    shown
}

fn bytes_per_s(kbit: NonZeroU64) -> BytesPerSecond {
    BytesPerSecond(kbit.get().saturating_mul(125))
}

impl Control for Server {
    fn server(&self) -> Result<ServerFacts, ControlError> {
        let shared = &self.0;
        let receiver = shared.receiver_settings.as_ref().map(|settings| ReceiverRecord {
            recv_port: self.receiver_address().map_or(settings.listen.port(), |at| at.port()),
            recv_relay_host: settings.relay.as_ref().map(|relay| relay.host.clone()),
            recv_relay_port: settings.relay.as_ref().map(|relay| relay.port),
            only_authorized_clients_allowed: !settings.allow.is_empty(),
        });
        Ok(ServerFacts {
            public_key: self.public_key().to_string(),
            bandwidth_limits: self.limits()?,
            receiver,
            min_cipher: MIN_CIPHER_ENCRYPTED_128,
            launch_id: hexadecimal(&shared.hello.launch_id),
            uid: hexadecimal(&shared.hello.server_uid),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    fn update_bandwidth_limits(
        &self,
        change: LimitsChange,
    ) -> Result<BandwidthLimits, ControlError> {
        let limits = change.applied_to(self.limits()?);
        let bytes = |kbit: Option<u64>| kbit.map(|kbit| kbit.saturating_mul(125));
        self.0.store.set_limit(INCOMING, bytes(limits.incoming_kbit_per_s))?;
        self.0.store.set_limit(OUTGOING, bytes(limits.outgoing_kbit_per_s))?;
        self.apply_limits()?;
        Ok(limits)
    }

    fn destinations(&self) -> Result<Vec<DestinationRecord>, ControlError> {
        let rows = self.0.store.destinations()?;
        Ok(rows.iter().map(|row| self.destination_record(row)).collect())
    }

    fn destination(&self, id: &str) -> Result<DestinationRecord, ControlError> {
        Ok(self.destination_record(&self.destination_row(id)?))
    }

    fn create_destination(
        &self,
        parameters: NewDestination,
    ) -> Result<DestinationRecord, ControlError> {
        let key: PublicKey = parameters.public_key.parse().map_err(invalid)?;
        let relay: Option<RelayAddress> =
            parameters.relay.as_deref().map(str::parse).transpose().map_err(invalid)?;
        let rows = self.0.store.destinations()?;
        let existing = rows.iter().find(|row| {
            row.key == key
                && row.host == parameters.address
                && row.port == parameters.port
                && row.relay == relay
        });
        if let Some(row) = existing {
            return Ok(self.destination_record(row));
        }
        if parameters.address.is_empty() && relay.is_none() {
            return Err(invalid("the address of the destination is empty"));
        }
        let method = parameters.rate_control_method.unwrap_or_default();
        let row = DestinationRow {
            id: DestinationId(0),
            key,
            host: parameters.address,
            port: parameters.port,
            relay,
            method,
            rate: parameters.send_rate_kbit_per_s.map(bytes_per_s),
            min_rate: BytesPerSecond(parameters.send_rate_min_kbit_per_s.saturating_mul(125)),
            max_rate: parameters.send_rate_max_kbit_per_s.map(bytes_per_s),
            learned: None,
        };
        check_rates(&row)?;
        let id = self.0.store.add_destination(&row)?;
        self.0.sender.add(id)?;
        self.take_snapshot();
        Ok(self.destination_record(&DestinationRow { id, ..row }))
    }

    fn delete_destination(&self, id: &str) -> Result<(), ControlError> {
        let row = self.destination_row(id)?;
        let destination = self.0.sender.destination(row.id);
        if destination.is_some_and(|destination| destination.has_transfers()) {
            let why = format!("transfers to destination {id} have not ended; cancel them first");
            return Err(ControlError::Refused(why));
        }
        if !self.0.store.remove_destination(row.id)? {
            let why = format!("records of transfers name destination {id}; delete them first");
            return Err(ControlError::Refused(why));
        }
        self.0.sender.remove(row.id);
        self.take_snapshot();
        Ok(())
    }

    fn set_send_rate(&self, change: RateChange) -> Result<DestinationRecord, ControlError> {
        let mut row = self.destination_row(&change.destination_id)?;
        if let Some(rate) = change.send_rate_kbit_per_s {
            row.rate = Some(bytes_per_s(rate));
        }
        if let Some(rate) = change.send_rate_min_kbit_per_s {
            row.min_rate = BytesPerSecond(rate.saturating_mul(125));
        }
        if let Some(rate) = change.send_rate_max_kbit_per_s {
            row.max_rate = rate.map(bytes_per_s);
        }
        row.method = change.rate_control_method.unwrap_or(row.method);
        check_rates(&row)?;
        self.0.store.set_rates(&row)?;
        if let Some(destination) = self.0.sender.destination(row.id) {
            destination.set_rates(row.clone());
        }
        self.take_snapshot();
        Ok(self.destination_record(&row))
    }

    fn manifests(&self, page: &Page) -> Result<Vec<ManifestRecord>, ControlError> {
        let ids = page_of(self.0.store.manifest_ids()?, page);
        let rows = ids.into_iter().map(|id| self.0.store.manifest(id));
        let rows: Vec<Option<ManifestRow>> = rows.collect::<Result<_, _>>()?;
        Ok(rows.iter().flatten().map(records::manifest).collect())
    }

    fn manifest(&self, id: &str) -> Result<ManifestRecord, ControlError> {
        Ok(records::manifest(&self.manifest_row(id)?))
    }

    fn create_manifest(&self, parameters: NewManifest) -> Result<ManifestRecord, ControlError> {
        let mut mappings = Vec::new();
        for mapping in parameters.mappings {
            let target = mapping.destination_path;
            RelativePath::new(&target).map_err(|error| {
                invalid(format!("destination path `{}`: {error}", shown(&target)))
            })?;
            let source = path_of_bytes(mapping.source_path);
            if !source.is_absolute() {
                let source = shown(bytes_of_path(&source));
                return Err(invalid(format!("source path `{source}` is not absolute")));
            }
            mappings.push((path_of_bytes(target), source));
        }
        let id = self.create_manifest_of(&mappings)?;
        self.manifest(&id)
    }

    fn delete_manifest(&self, id: &str) -> Result<(), ControlError> {
        let row = self.manifest_row(id)?;
        if !self.0.store.remove_manifest(row.id)? {
            let why = format!("records of transfers name manifest {id}; delete them first");
            return Err(ControlError::Refused(why));
        }
        Ok(())
    }

    fn manifest_files(
        &self,
        id: &str,
        positions: Range<u64>,
    ) -> Result<Vec<ManifestFile>, ControlError> {
        let row = self.manifest_row(id)?;
        let encoded = row.manifest.as_deref().ok_or_else(|| not_complete(&row))?;
        let sources = self.0.store.sources(row.id)?;
        records::manifest_files(encoded, &sources, positions)
            .ok_or_else(|| ControlError::Unavailable("the manifest is damaged".to_owned()))
    }

    fn transfers(&self, page: &Page) -> Result<Vec<TransferRecord>, ControlError> {
        let rows = self.0.store.transfers()?;
        let numbers = page_of(rows.iter().map(|row| row.id).collect(), page);
        let wanted = rows.into_iter().filter(|row| numbers.binary_search(&row.id).is_ok());
        Ok(wanted.map(|row| self.transfer_record(row)).collect())
    }

    fn transfer(&self, id: &str) -> Result<TransferRecord, ControlError> {
        let row = self.transfer_row(id)?;
        let (number, is_awaited) = (row.id, row.is_awaited);
        let record = self.transfer_record(row);
        if is_awaited && !record.processing {
            self.0.store.note_end_read(number)?;
        }
        Ok(record)
    }

    fn create_transfer(&self, parameters: NewTransfer) -> Result<TransferRecord, ControlError> {
        let destination = self.destination_row(&parameters.destination_id)?;
        let manifest = self.manifest_row(&parameters.manifest_id)?;
        let encoded = manifest.manifest.as_deref().ok_or_else(|| not_complete(&manifest))?;
        let decoded = conns_transfer::manifest::Manifest::decode(encoded).map_err(invalid)?;
        let mut folder = parameters.folder();
        while let Some(before) = folder.strip_suffix(b"/") {
            folder = before;
        }
        if !folder.is_empty() {
            RelativePath::new(folder).map_err(|error| {
                invalid(format!("destination path `{}`: {error}", shown(folder)))
            })?;
        }
        let row = TransferRow {
            id: 0,
            uid: random_uid().map_err(ControlError::Unavailable)?,
            destination: destination.id,
            manifest: manifest.id,
            folder: folder.to_vec(),
            overwrite: parameters.overwrite.unwrap_or_default(),
            priority: parameters.priority,
            state: State::Pending,
            message: None,
            total: totals(&decoded),
            durable_bytes: 0,
            durable: conns_transfer::ranges::Ranges::default(),
            sent: Sent::default(),
            requested_us: wall_us(),
            started_us: None,
            ended_us: None,
            is_awaited: parameters.awaited,
            restarts: 0,
        };
        if let Some(committed) = self.committed_and_not_read(&row, encoded)? {
            return Ok(self.transfer_record(committed));
        }
        let id = self.0.store.add_transfer(&row)?;
        let row = TransferRow { id, ..row };
        if let Some(destination) = self.0.sender.destination(destination.id) {
            destination.queue(row.clone());
        }
        Ok(self.transfer_record(row))
    }

    fn change_transfer(
        &self,
        id: &str,
        change: TransferChange,
    ) -> Result<TransferRecord, ControlError> {
        let row = self.transfer_row(id)?;
        if has_ended(row.state) {
            return Err(ControlError::Refused(format!("transfer {id} has ended")));
        }
        let (state, message) = match change {
            TransferChange::Suspend => (State::Paused, None),
            TransferChange::Resume => (State::Pending, None),
            TransferChange::Cancel => (State::Cancelled, None),
            TransferChange::Fail(message) => (State::Failed, Some(message)),
        };
        let destination = self.0.sender.destination(row.destination);
        if !destination.is_some_and(|destination| destination.change(row.id, state, message)) {
            return Err(ControlError::Refused(format!("transfer {id} has ended")));
        }
        self.transfer(id)
    }

    fn delete_transfer(&self, id: &str) -> Result<(), ControlError> {
        let row = self.transfer_row(id)?;
        let record = self.transfer_record(row.clone());
        if record.processing {
            let why = format!("transfer {id} has not ended; cancel it first");
            return Err(ControlError::Refused(why));
        }
        Ok(self.0.store.remove_transfer(row.id)?)
    }

    fn sources(&self) -> Result<Vec<SourceRecord>, ControlError> {
        let Some(receiver) = &self.0.receiver else { return Ok(Vec::new()) };
        let key = self.public_key();
        Ok(receiver.connections().iter().map(|state| records::source(state, key)).collect())
    }

    fn received_transfers(&self) -> Result<Vec<ReceiveTransfer>, ControlError> {
        let Some(receiver) = &self.0.receiver else { return Ok(Vec::new()) };
        let mut all: Vec<_> =
            receiver.connections().iter().flat_map(|state| records::received(state)).collect();
        all.sort_by(|a, b| a.transfer_id.cmp(&b.transfer_id));
        Ok(all)
    }
}

fn not_complete(row: &ManifestRow) -> ControlError {
    let why = row.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    ControlError::Refused(format!("manifest {} is {}{why}", id_text(row.id), row.status))
}

fn check_rates(row: &DestinationRow) -> Result<(), ControlError> {
    if row.method == Method::Fixed && row.rate.is_none() {
        return Err(invalid("the method `fixed` needs a rate"));
    }
    let most = [row.rate, row.max_rate].into_iter().flatten().min();
    if most.is_some_and(|most| row.min_rate > most) {
        return Err(invalid("the least rate is above the greatest"));
    }
    Ok(())
}

/// The ids of a page, ascending.
fn page_of(mut ids: Vec<i64>, page: &Page) -> Vec<i64> {
    ids.sort_unstable();
    let after = page.after.as_deref();
    let is_after = |id: &i64| after.is_none_or(|after| *id_text(*id) > *after);
    ids.into_iter().filter(is_after).take(page.limit.unwrap_or(usize::MAX)).collect()
}

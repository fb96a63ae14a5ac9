//! A transfer service in memory.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use conns_dialects::jetstream::{Control, ControlError, Object, Page, TransferChange};
use conns_transfer::record::{
    BandwidthLimits, Destination, LimitsChange, MIN_CIPHER_ENCRYPTED_128, ManifestFile,
    ManifestRecord, ManifestStatus, Mapping, NewDestination, NewManifest, NewTransfer, RateChange,
    ReceiveTransfer, ServerFacts, Source, TransferRecord, TransferStatus,
};

use crate::values::{full_file, full_received, full_receiver, full_source};

/// When the records were made.
const AT_US: i64 = 1_477_934_857_000_000;

/// A transfer service in memory.
#[derive(Default)]
pub(crate) struct Fake(Mutex<State>);

#[derive(Default)]
struct State {
    limits: BandwidthLimits,
    destinations: Vec<Destination>,
    manifests: Vec<(ManifestRecord, NewManifest)>,
    transfers: Vec<TransferRecord>,
    broken: bool,
}

impl Fake {
    /// From now on every call fails.
    pub(crate) fn break_storage(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&mut State) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return Err(ControlError::Unavailable("the database is locked".to_owned()));
        }
        run(&mut state)
    }
}

fn at<T>(
    list: &[T],
    object: Object,
    id: &str,
    of: impl Fn(&T) -> &str,
) -> Result<usize, ControlError> {
    let place = list.iter().position(|record| of(record) == id);
    place.ok_or_else(|| ControlError::NotFound { object, id: id.to_owned() })
}

fn page<T: Clone>(list: &[T], page: &Page, of: impl Fn(&T) -> &str) -> Vec<T> {
    list.iter()
        .filter(|record| page.after.as_deref().is_none_or(|after| of(record) > after))
        .take(page.limit.unwrap_or(usize::MAX))
        .cloned()
        .collect()
}

impl Control for Fake {
    fn server(&self) -> Result<ServerFacts, ControlError> {
        self.with(|state| {
            Ok(ServerFacts {
                public_key: "ck1own".to_owned(),
                bandwidth_limits: state.limits,
                receiver: Some(full_receiver()),
                min_cipher: MIN_CIPHER_ENCRYPTED_128,
                launch_id: "launch1".to_owned(),
                uid: "uid1".to_owned(),
                version: "9.9.9".to_owned(),
            })
        })
    }

    fn update_bandwidth_limits(
        &self,
        change: LimitsChange,
    ) -> Result<BandwidthLimits, ControlError> {
        self.with(|state| {
            state.limits = change.applied_to(state.limits);
            Ok(state.limits)
        })
    }

    fn destinations(&self) -> Result<Vec<Destination>, ControlError> {
        self.with(|state| Ok(state.destinations.clone()))
    }

    fn destination(&self, id: &str) -> Result<Destination, ControlError> {
        self.with(|state| {
            let place = at(&state.destinations, Object::Destination, id, |d| &d.destination_id)?;
            Ok(state.destinations[place].clone())
        })
    }

    fn create_destination(&self, new: NewDestination) -> Result<Destination, ControlError> {
        if !new.public_key.starts_with("ck1") {
            return Err(ControlError::Invalid(format!("`{}` is no key", new.public_key)));
        }
        self.with(|state| {
            let same = |d: &&Destination| {
                (&d.destination_address, d.destination_port) == (&new.address, new.port)
                    && (&d.destination_public_key, &d.relay) == (&new.public_key, &new.relay)
            };
            if let Some(found) = state.destinations.iter().find(same) {
                return Ok(found.clone());
            }
            let id = format!("d{}", state.destinations.len());
            let rate = new.send_rate_kbit_per_s.map_or(100_000, std::num::NonZeroU64::get);
            let method = new.rate_control_method.unwrap_or_default();
            let destination = Destination::new(id, new, rate, method, AT_US);
            state.destinations.push(destination.clone());
            Ok(destination)
        })
    }

    fn delete_destination(&self, id: &str) -> Result<(), ControlError> {
        self.with(|state| {
            let place = at(&state.destinations, Object::Destination, id, |d| &d.destination_id)?;
            if state.transfers.iter().any(|t| t.destination_id == id && !t.status.has_ended()) {
                return Err(ControlError::Refused("1 transfer to it has not ended".to_owned()));
            }
            state.destinations.remove(place);
            Ok(())
        })
    }

    fn set_send_rate(&self, change: RateChange) -> Result<Destination, ControlError> {
        self.with(|state| {
            let id = &change.destination_id;
            let place = at(&state.destinations, Object::Destination, id, |d| &d.destination_id)?;
            let destination = &mut state.destinations[place];
            if let Some(rate) = change.send_rate_kbit_per_s {
                destination.send_rate_kbit_per_s = rate.get();
            }
            if let Some(min) = change.send_rate_min_kbit_per_s {
                destination.send_rate_min_kbit_per_s = min;
            }
            if let Some(max) = change.send_rate_max_kbit_per_s {
                destination.send_rate_max_kbit_per_s = max.map(std::num::NonZeroU64::get);
            }
            if let Some(method) = change.rate_control_method {
                destination.rate_control_method = method;
            }
            Ok(destination.clone())
        })
    }

    fn manifests(&self, wanted: &Page) -> Result<Vec<ManifestRecord>, ControlError> {
        self.with(|state| {
            let records: Vec<_> =
                state.manifests.iter().map(|(record, _)| record.clone()).collect();
            Ok(page(&records, wanted, |record| &record.manifest_id))
        })
    }

    fn manifest(&self, id: &str) -> Result<ManifestRecord, ControlError> {
        self.with(|state| {
            let place = at(&state.manifests, Object::Manifest, id, |(m, _)| &m.manifest_id)?;
            Ok(state.manifests[place].0.clone())
        })
    }

    fn create_manifest(&self, new: NewManifest) -> Result<ManifestRecord, ControlError> {
        self.with(|state| {
            let files = new.mappings.len() as u64;
            let record = ManifestRecord {
                manifest_id: format!("{:032x}", state.manifests.len()),
                status: ManifestStatus::Complete,
                total_files: Some(files),
                total_bytes: Some(files * 10),
                ..ManifestRecord::default()
            };
            state.manifests.push((record.clone(), new));
            Ok(record)
        })
    }

    fn delete_manifest(&self, id: &str) -> Result<(), ControlError> {
        self.with(|state| {
            let place = at(&state.manifests, Object::Manifest, id, |(m, _)| &m.manifest_id)?;
            state.manifests.remove(place);
            Ok(())
        })
    }

    fn manifest_files(
        &self,
        id: &str,
        positions: Range<u64>,
    ) -> Result<Vec<ManifestFile>, ControlError> {
        self.with(|state| {
            let place = at(&state.manifests, Object::Manifest, id, |(m, _)| &m.manifest_id)?;
            let mappings = (0..).zip(&state.manifests[place].1.mappings);
            let wanted = mappings.filter(|(position, _)| positions.contains(position));
            let file = |mapping: &Mapping| ManifestFile {
                destination_path: String::from_utf8_lossy(&mapping.destination_path).into_owned(),
                source_path: String::from_utf8_lossy(&mapping.source_path).into_owned(),
                ..full_file()
            };
            Ok(wanted.map(|(_, mapping)| file(mapping)).collect())
        })
    }

    fn transfers(&self, wanted: &Page) -> Result<Vec<TransferRecord>, ControlError> {
        self.with(|state| Ok(page(&state.transfers, wanted, |transfer| &transfer.transfer_id)))
    }

    fn transfer(&self, id: &str) -> Result<TransferRecord, ControlError> {
        self.with(|state| {
            let place = at(&state.transfers, Object::Transfer, id, |t| &t.transfer_id)?;
            Ok(state.transfers[place].clone())
        })
    }

    fn create_transfer(&self, new: NewTransfer) -> Result<TransferRecord, ControlError> {
        self.with(|state| {
            at(&state.manifests, Object::Manifest, &new.manifest_id, |(m, _)| &m.manifest_id)?;
            let id = &new.destination_id;
            at(&state.destinations, Object::Destination, id, |d| &d.destination_id)?;
            let transfer = TransferRecord {
                transfer_id: format!("t{}", state.transfers.len()),
                manifest_id: new.manifest_id,
                destination_id: new.destination_id,
                destination_path: new.destination_path,
                priority: new.priority,
                overwrite: new.overwrite.unwrap_or_default(),
                processing: true,
                requested_wall_us: AT_US,
                at_wall_us: AT_US + 3,
                ..TransferRecord::default()
            };
            state.transfers.push(transfer.clone());
            Ok(transfer)
        })
    }

    fn change_transfer(
        &self,
        id: &str,
        change: TransferChange,
    ) -> Result<TransferRecord, ControlError> {
        self.with(|state| {
            let place = at(&state.transfers, Object::Transfer, id, |t| &t.transfer_id)?;
            let transfer = &mut state.transfers[place];
            if transfer.status.has_ended() {
                return Err(ControlError::Refused(format!("transfer `{id}` has ended")));
            }
            transfer.status = match change {
                TransferChange::Suspend => TransferStatus::Suspended,
                TransferChange::Resume => TransferStatus::Pending,
                TransferChange::Cancel => TransferStatus::Cancelled,
                TransferChange::Fail(message) => {
                    transfer.error_message = Some(message);
                    TransferStatus::Error
                }
            };
            transfer.processing = !transfer.status.has_ended();
            Ok(transfer.clone())
        })
    }

    fn delete_transfer(&self, id: &str) -> Result<(), ControlError> {
        self.with(|state| {
            let place = at(&state.transfers, Object::Transfer, id, |t| &t.transfer_id)?;
            if !state.transfers[place].status.has_ended() {
                return Err(ControlError::Refused(format!("transfer `{id}` has not ended")));
            }
            state.transfers.remove(place);
            Ok(())
        })
    }

    fn sources(&self) -> Result<Vec<Source>, ControlError> {
        self.with(|_| Ok(vec![full_source()]))
    }

    fn received_transfers(&self) -> Result<Vec<ReceiveTransfer>, ControlError> {
        self.with(|_| Ok(vec![full_received()]))
    }
}

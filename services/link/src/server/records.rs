//! State to records: what is reported of stored rows and running transfers.

use std::ops::Range;

use conns_core::model::EncryptionState;
use conns_transfer::manifest::{EntryKind, Manifest};
use conns_transfer::queue::State;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::record::{
    Destination, HexBytes, ManifestFile, ManifestRecord, ManifestStatus, NewDestination,
    ReceiveStatus, ReceiveTransfer, Source, TransferRecord, TransferStatus,
};
use conns_transfer::tree::CHUNK_BYTES;

use crate::identity::PublicKey;
use crate::paths::bytes_of_path;
use crate::receive::ConnectionState;
use crate::send::{Snapshot, hexadecimal, id_text, kbit_per_s};
use crate::socket::wall_us;
use crate::store::{self, DestinationRow, ManifestRow, TransferRow};

/// Seconds between two checkpoints of a receiver.
const CHECKPOINT_S: u64 = 1;

pub(super) fn destination(row: &DestinationRow, snapshot: Option<&Snapshot>) -> Destination {
    let parameters = NewDestination {
        address: row.host.clone(),
        port: row.port,
        public_key: row.key.to_string(),
        relay: row.relay.as_ref().map(ToString::to_string),
        send_rate_kbit_per_s: row.rate.and_then(|rate| kbit_per_s(rate).try_into().ok()),
        send_rate_min_kbit_per_s: kbit_per_s(row.min_rate),
        send_rate_max_kbit_per_s: row.max_rate.and_then(|rate| kbit_per_s(rate).try_into().ok()),
        rate_control_method: Some(row.method),
    };
    let rate = row.rate.or(row.max_rate).map_or(0, kbit_per_s);
    let record = Destination::new(id_text(row.id.0), parameters, rate, row.method, wall_us());
    let Some(snapshot) = snapshot else { return record };
    let sent = snapshot.acknowledged_bytes + snapshot.lost_bytes;
    let loss = (sent > 0).then(|| 100.0 * snapshot.lost_bytes as f64 / sent as f64);
    Destination {
        queueing_delay_ms: snapshot.queue_us.map(|us| us as f64 / 1000.0),
        loss_percent: loss,
        ..record.with_connection(&snapshot.connection)
    }
}

pub(super) fn manifest(row: &ManifestRow) -> ManifestRecord {
    let decoded = row.manifest.as_deref().and_then(|encoded| Manifest::decode(encoded).ok());
    let status = match row.status.as_str() {
        "pending" => ManifestStatus::Pending,
        "complete" => ManifestStatus::Complete,
        _ => ManifestStatus::Error,
    };
    ManifestRecord {
        error_message: row.error.clone(),
        manifest_id: id_text(row.id),
        processing: status == ManifestStatus::Pending,
        status,
        total_files: decoded.as_ref().map(Manifest::files),
        total_bytes: decoded.as_ref().map(Manifest::total_bytes),
        ..ManifestRecord::default()
    }
}

/// The files of a manifest, folders without files included; `None` if it is damaged.
pub(super) fn manifest_files(
    encoded: &[u8],
    sources: &[store::Source],
    positions: Range<u64>,
) -> Option<Vec<ManifestFile>> {
    let manifest = Manifest::decode(encoded).ok()?;
    let from = usize::try_from(positions.start).ok()?;
    let count = usize::try_from(positions.end.saturating_sub(positions.start)).ok()?;
    let entries = manifest.entries().iter().zip(sources);
    let files = entries.skip(from).take(count).map(|(entry, source)| {
        let bytes = match entry.kind {
            EntryKind::Folder => None,
            EntryKind::File { bytes } => Some(bytes),
        };
        let micros = i64::from(entry.modified.nanoseconds / 1000);
        ManifestFile {
            destination_path: String::from_utf8_lossy(entry.path.as_bytes()).into_owned(),
            destination_path_hex: HexBytes::unless_text(entry.path.as_bytes()),
            executable: bytes.is_some() && entry.mode & 0o111 != 0,
            file_bytes: bytes.unwrap_or(0),
            is_empty_dir: bytes.is_none(),
            modified_wall_us: entry
                .modified
                .seconds
                .saturating_mul(1_000_000)
                .saturating_add(micros),
            source_path: source.path.to_string_lossy().into_owned(),
            source_path_hex: HexBytes::unless_text(bytes_of_path(&source.path)),
        }
    });
    Some(files.collect())
}

pub(super) fn transfer(row: &TransferRow, is_running: bool, now_us: Option<u64>) -> TransferRecord {
    let status = match row.state {
        State::Pending if is_running => TransferStatus::InProgress,
        State::Running => TransferStatus::InProgress,
        State::Retrying { .. } if is_running => TransferStatus::InProgress,
        State::Pending => TransferStatus::Pending,
        State::Paused => TransferStatus::Suspended,
        State::Retrying { .. } => TransferStatus::Retrying,
        State::Failed => TransferStatus::Error,
        State::Done => TransferStatus::Complete,
        State::Cancelled => TransferStatus::Cancelled,
    };
    let is_done = status == TransferStatus::Complete;
    let at_wall_us = wall_us();
    let next_attempt = row.state.retry_us().zip(now_us).map(|(due_us, now_us)| {
        let wait_us = due_us.saturating_sub(now_us);
        at_wall_us.saturating_add(i64::try_from(wait_us).unwrap_or(i64::MAX))
    });
    let folder =
        (!row.folder.is_empty()).then(|| String::from_utf8_lossy(&row.folder).into_owned());
    TransferRecord {
        block_bytes: CHUNK_BYTES,
        blocks_acked: if is_done { row.total.chunks } else { row.durable.bytes() },
        blocks_retransmitted: row.sent.repeated_chunks,
        blocks_sent: row.sent.chunks,
        bytes_durable: if is_done { row.total.bytes } else { row.durable_bytes },
        bytes_sent: row.sent.bytes,
        checkpoint_interval_s: Some(CHECKPOINT_S),
        destination_id: id_text(row.destination.0),
        destination_path: folder,
        destination_path_hex: HexBytes::unless_text(&row.folder),
        ended_wall_us: row.ended_us,
        error_message: row.message.clone(),
        files_complete: if is_done { row.total.files } else { 0 },
        manifest_id: id_text(row.manifest),
        next_attempt_wall_us: next_attempt.filter(|_| status == TransferStatus::Retrying),
        overwrite: row.overwrite,
        priority: row.priority,
        processing: !status.has_ended(),
        queued_wall_us: Some(row.requested_us),
        requested_wall_us: row.requested_us,
        at_wall_us,
        started_wall_us: row.started_us,
        status,
        total_blocks: Some(row.total.chunks),
        total_bytes: Some(row.total.bytes),
        total_files: Some(row.total.files),
        transfer_id: id_text(row.id),
        ..TransferRecord::default()
    }
}

pub(super) fn source(state: &ConnectionState, own_key: PublicKey) -> Source {
    let counts = state.counts();
    let address = state.remote_address();
    let kbit = |rate: f64| kbit_per_s(BytesPerSecond(rate as u64)) as f64;
    Source {
        active_transfers: counts.active,
        receive_rate_average_kbit_per_s: Some(kbit(counts.average_rate)),
        receive_rate_recent_kbit_per_s: counts.recent_rate.map(kbit),
        complete_transfers: counts.complete,
        destination_public_key: own_key.to_string(),
        encrypted_connection_state: EncryptionState::Connected,
        encryption_enabled: true,
        error_transfers: counts.failed,
        inactive_transfers: 0,
        source_ip: address.ip().to_canonical(),
        source_port: address.port(),
        source_public_key: Some(state.key.to_string()),
    }
}

pub(super) fn received(state: &ConnectionState) -> Vec<ReceiveTransfer> {
    let address = state.remote_address();
    let transfers = state.transfers().into_iter();
    let records = transfers.map(|(uid, progress)| ReceiveTransfer {
        destination_path: (!progress.folder.is_empty())
            .then(|| String::from_utf8_lossy(&progress.folder).into_owned()),
        last_error_wall_us: progress.error_wall_us,
        last_received_wall_us: progress.received_wall_us,
        last_sent_wall_us: progress.reported_wall_us,
        source_ip: address.ip().to_canonical(),
        source_port: address.port(),
        status: match (progress.is_complete, progress.error) {
            (true, _) => ReceiveStatus::Complete,
            (_, Some(_)) => ReceiveStatus::Error,
            _ => ReceiveStatus::Receiving,
        },
        total_bytes: progress.total_bytes,
        transfer_id: hexadecimal(&uid.0),
    });
    records.collect()
}

//! Records with a value in every field, and with null in every field that may be null.

use conns_core::model::{EncryptionState, TransferError};
use conns_transfer::rate::Method;
use conns_transfer::record::{
    BandwidthLimits, Destination, HexBytes, ManifestFile, ManifestRecord, ManifestStatus,
    NewDestination, Overwrite, ReceiveStatus, ReceiveTransfer, Receiver, Source, TransferRecord,
    TransferStatus,
};

use crate::sample;

const AT_US: i64 = 1_477_934_857_000_000;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn bare_destination() -> Destination {
    let parameters = NewDestination {
        address: "north.example".to_owned(),
        port: 8886,
        public_key: "ck1north".to_owned(),
        relay: None,
        send_rate_kbit_per_s: None,
        send_rate_min_kbit_per_s: 0,
        send_rate_max_kbit_per_s: None,
        rate_control_method: None,
    };
    Destination::new("d0".to_owned(), parameters, 10_000, Method::Low, AT_US)
}

pub(crate) fn full_destination() -> Destination {
    Destination {
        owner: text("mara"),
        relay: text("ck1relay@relay.example:8887"),
        queueing_delay_ms: Some(12.5),
        loss_percent: Some(0.5),
        last_error: Some(TransferError::NotAuthorized),
        ..bare_destination().with_connection(&sample::full("c0"))
    }
}

pub(crate) fn bare_manifest() -> ManifestRecord {
    ManifestRecord {
        manifest_id: "0".repeat(32),
        processing: true,
        status: ManifestStatus::Pending,
        ..ManifestRecord::default()
    }
}

pub(crate) fn full_manifest() -> ManifestRecord {
    ManifestRecord {
        error_message: text("cannot read /srv/a: permission denied"),
        owner: text("mara"),
        total_files: Some(2),
        total_bytes: Some(30),
        ..bare_manifest()
    }
}

pub(crate) fn full_file() -> ManifestFile {
    ManifestFile {
        destination_path: "a/b".to_owned(),
        destination_path_hex: Some(HexBytes(b"a/b".to_vec())),
        executable: false,
        file_bytes: 10,
        is_empty_dir: false,
        modified_wall_us: AT_US,
        source_path: "/srv/a/b".to_owned(),
        source_path_hex: Some(HexBytes(b"/srv/a/b".to_vec())),
    }
}

pub(crate) fn bare_file() -> ManifestFile {
    ManifestFile { destination_path_hex: None, source_path_hex: None, ..full_file() }
}

pub(crate) fn bare_transfer() -> TransferRecord {
    TransferRecord { transfer_id: "t0".to_owned(), ..TransferRecord::default() }
}

pub(crate) fn full_transfer() -> TransferRecord {
    TransferRecord {
        checkpoint_interval_s: Some(1),
        destination_path: text("in"),
        destination_path_hex: Some(HexBytes(b"in".to_vec())),
        ended_wall_us: Some(AT_US),
        error_message: text("no space on the receiver"),
        next_attempt_wall_us: Some(AT_US),
        overwrite: Overwrite::Always,
        owner: text("mara"),
        queued_wall_us: Some(AT_US),
        started_wall_us: Some(AT_US),
        status: TransferStatus::InProgress,
        total_blocks: Some(1),
        total_bytes: Some(1),
        total_files: Some(1),
        ..bare_transfer()
    }
}

pub(crate) fn bare_source() -> Source {
    Source {
        active_transfers: 1,
        receive_rate_average_kbit_per_s: None,
        receive_rate_recent_kbit_per_s: None,
        complete_transfers: 2,
        destination_public_key: "ck1own".to_owned(),
        encrypted_connection_state: EncryptionState::Negotiating,
        encryption_enabled: true,
        error_transfers: 3,
        inactive_transfers: 4,
        source_ip: "192.0.2.1".parse().expect("an address"),
        source_port: 40_000,
        source_public_key: None,
    }
}

pub(crate) fn full_source() -> Source {
    Source {
        receive_rate_average_kbit_per_s: Some(10.5),
        receive_rate_recent_kbit_per_s: Some(11.5),
        source_public_key: text("ck1other"),
        ..bare_source()
    }
}

pub(crate) fn bare_received() -> ReceiveTransfer {
    ReceiveTransfer {
        destination_path: None,
        last_error_wall_us: None,
        last_received_wall_us: None,
        last_sent_wall_us: None,
        source_ip: "2001:db8::1".parse().expect("an address"),
        source_port: 40_000,
        status: ReceiveStatus::Receiving,
        total_bytes: 5,
        transfer_id: "r0".to_owned(),
    }
}

pub(crate) fn full_received() -> ReceiveTransfer {
    ReceiveTransfer {
        destination_path: text("in"),
        last_error_wall_us: Some(AT_US),
        last_received_wall_us: Some(AT_US),
        last_sent_wall_us: Some(AT_US),
        ..bare_received()
    }
}

pub(crate) fn full_limits() -> BandwidthLimits {
    BandwidthLimits { incoming_kbit_per_s: Some(1), outgoing_kbit_per_s: Some(2) }
}

pub(crate) fn bare_receiver() -> Receiver {
    Receiver {
        recv_port: 8886,
        recv_relay_host: None,
        recv_relay_port: None,
        only_authorized_clients_allowed: true,
    }
}

pub(crate) fn full_receiver() -> Receiver {
    Receiver {
        recv_relay_host: text("relay.example"),
        recv_relay_port: Some(8887),
        ..bare_receiver()
    }
}

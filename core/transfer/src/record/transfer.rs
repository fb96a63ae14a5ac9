//! A transfer as its sender reports it.

use serde::{Deserialize, Serialize};

use super::HexBytes;
use crate::frames::Overwrite;

/// The priority of a transfer that names none. JetStream's pages compare 100 with 120, and cut off the default.
pub const DEFAULT_PRIORITY: i64 = 100;

/// JetStream's Transfer structure. Its page is known up to `priority`; `queueTime`, `requestTime`, `startTime`,
/// `snapshotTime`, `processing`, `status`, `totalBlocks`, `totalBytes` and `transferId` are in its examples. The rest is added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferRecord {
    /// Bytes of a block: [`crate::tree::CHUNK_BYTES`]. JetStream's has 256.
    #[serde(rename = "blockSize")]
    pub block_bytes: u64,
    /// Blocks that the receiver confirmed.
    pub blocks_acked: u64,
    /// Blocks that were sent more than once.
    pub blocks_retransmitted: u64,
    /// Blocks that were sent, each time counted.
    pub blocks_sent: u64,
    /// Bytes that the receiver reported to be on its storage. JetStream has no such field.
    pub bytes_durable: u64,
    /// Always null: the transfers of a destination share a connection, and packets are counted by connection.
    #[serde(rename = "bytesRecv")]
    pub bytes_received: (),
    /// Bytes of files that were sent, those sent again included.
    pub bytes_sent: u64,
    /// How often the receiver makes its files durable, in seconds; `None` if it does not.
    #[serde(rename = "checkpointFrequencySeconds")]
    pub checkpoint_interval_s: Option<u64>,
    /// The destination.
    pub destination_id: String,
    /// The folder, below that of the receiver, that all paths of the manifest are below; `None` is that of the receiver.
    pub destination_path: Option<String>,
    /// `destination_path`, if that is not UTF-8. JetStream has no such field.
    pub destination_path_hex: Option<HexBytes>,
    /// When it ended; `None` before.
    #[serde(rename = "endTime")]
    pub ended_wall_us: Option<i64>,
    /// Why it failed or waits for its next attempt; `None` without an error.
    pub error_message: Option<String>,
    /// Files that the receiver committed. JetStream has no such field.
    pub files_complete: u64,
    /// The manifest.
    pub manifest_id: String,
    /// When the next attempt is due; `None` unless `status` is `Retrying`. JetStream has no such field.
    #[serde(rename = "nextAttemptTime")]
    pub next_attempt_wall_us: Option<i64>,
    /// What happens to files that exist. JetStream's page is cut before it.
    pub overwrite: Overwrite,
    /// The user who created it; `None` if not known.
    pub owner: Option<String>,
    /// Always null: there are no tokens that own transfers.
    pub owner_token: (),
    /// Always null, as `owner_token`.
    pub owner_token_session: (),
    /// Always null, as `bytesRecv`.
    #[serde(rename = "packetsRecv")]
    pub packets_received: (),
    /// Always null, as `bytesRecv`.
    pub packets_sent: (),
    /// The lower number is sent first.
    pub priority: i64,
    /// Whether it has not ended: [`TransferStatus::has_ended`] is false.
    pub processing: bool,
    /// When it was queued; `None` before. All times of a transfer are `requested_wall_us` and a measured duration.
    #[serde(rename = "queueTime")]
    pub queued_wall_us: Option<i64>,
    /// When it was created.
    #[serde(rename = "requestTime")]
    pub requested_wall_us: i64,
    /// When this was recorded.
    #[serde(rename = "snapshotTime")]
    pub at_wall_us: i64,
    /// When its first byte was sent; `None` before.
    #[serde(rename = "startTime")]
    pub started_wall_us: Option<i64>,
    /// How far it is.
    pub status: TransferStatus,
    /// Blocks of all files; `None` before the manifest is complete.
    pub total_blocks: Option<u64>,
    /// Bytes of all files; `None` before the manifest is complete.
    pub total_bytes: Option<u64>,
    /// The number of files; `None` before the manifest is complete. JetStream has no such field.
    pub total_files: Option<u64>,
    /// Identifies the transfer. Opaque.
    pub transfer_id: String,
}

/// How far a transfer is. The words are those of JetStream's examples and, for want of a list, of its client's filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransferStatus {
    /// It waits for its turn.
    #[default]
    Pending,
    /// It is sent.
    InProgress,
    /// A user suspended it.
    Suspended,
    /// It waits for its next attempt after an interruption.
    Retrying,
    /// The receiver committed all files.
    Complete,
    /// A user cancelled it.
    Cancelled,
    /// It failed for good.
    Error,
}

impl TransferStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::InProgress,
        Self::Suspended,
        Self::Retrying,
        Self::Complete,
        Self::Cancelled,
        Self::Error,
    ];

    /// Whether the transfer stays so.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Error)
    }
}

/// The parameters of `createTransfer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "the parameters of a transfer")]
pub struct NewTransfer {
    /// The manifest, which must be complete.
    pub manifest_id: String,
    /// The destination.
    pub destination_id: String,
    /// The folder, below that of the receiver, that all paths of the manifest are below; `None` is that of the receiver.
    #[serde(default)]
    pub destination_path: Option<String>,
    /// The lower number is sent first.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// What happens to files that exist; `None` leaves it to the server.
    #[serde(default)]
    pub overwrite: Option<Overwrite>,
    /// Whether the client waits for the end. If a client that waited for the same transfer did not read its end, and it was
    /// committed, the answer is that transfer.
    #[serde(default)]
    pub awaited: bool,
    /// The bytes of `destination_path`, in place of it.
    #[serde(default)]
    pub destination_path_hex: Option<HexBytes>,
}

impl NewTransfer {
    /// The bytes of the folder; empty is that of the receiver.
    #[must_use]
    pub fn folder(&self) -> &[u8] {
        let text = self.destination_path.as_deref().map(str::as_bytes);
        self.destination_path_hex.as_ref().map(|of| &of.0[..]).or(text).unwrap_or_default()
    }
}

fn default_priority() -> i64 {
    DEFAULT_PRIORITY
}

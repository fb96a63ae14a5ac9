//! What a receiver reports: the senders, and the transfers that arrive.

use std::net::IpAddr;

use conns_core::model::EncryptionState;
use serde::{Deserialize, Serialize};

use super::words;

/// JetStream's Source structure: a sending server, as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Transfers that arrive now.
    #[serde(rename = "activeTransferCount")]
    pub active_transfers: u64,
    /// The rate over all transfers of the source; `None` before something arrived.
    #[serde(rename = "aveRecvRate")]
    pub receive_rate_average_kbit_per_s: Option<f64>,
    /// The rate within a recent window; `None` before a window has passed.
    #[serde(rename = "aveRecvRateWindow")]
    pub receive_rate_recent_kbit_per_s: Option<f64>,
    /// Transfers that were completed.
    #[serde(rename = "completeTransferCount")]
    pub complete_transfers: u64,
    /// The key that a sender needs to reach this server: the receiver's own.
    pub destination_public_key: String,
    /// How far encryption has been negotiated.
    #[serde(with = "words")]
    pub encrypted_connection_state: EncryptionState,
    /// Whether this server encrypts.
    pub encryption_enabled: bool,
    /// Transfers that failed.
    #[serde(rename = "errorTransferCount")]
    pub error_transfers: u64,
    /// Transfers that are neither complete nor failed, and do not arrive now.
    #[serde(rename = "inactiveTransferCount")]
    pub inactive_transfers: u64,
    /// The sender's address.
    #[serde(rename = "sourceIP")]
    pub source_ip: IpAddr,
    /// The sender's UDP port.
    pub source_port: u16,
    /// The sender's public key; `None` before it was proved. JetStream has no such field.
    pub source_public_key: Option<String>,
}

/// JetStream's Receive Transfer structure: a transfer, as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiveTransfer {
    /// The deepest folder, below that of the receiver, that all its files and folders are in; `None` is that of the receiver, or
    /// nothing is known of the files yet.
    pub destination_path: Option<String>,
    /// When it was interrupted last; `None` if never.
    #[serde(rename = "lastErrorTime")]
    pub last_error_wall_us: Option<i64>,
    /// When something was last received; `None` if never.
    #[serde(rename = "lastRecvTime")]
    pub last_received_wall_us: Option<i64>,
    /// When something was last sent; `None` if never.
    #[serde(rename = "lastSendTime")]
    pub last_sent_wall_us: Option<i64>,
    /// The sender's address.
    #[serde(rename = "sourceIP")]
    pub source_ip: IpAddr,
    /// The sender's UDP port.
    pub source_port: u16,
    /// How far it is.
    pub status: ReceiveStatus,
    /// Bytes of all files.
    #[serde(rename = "totalSize")]
    pub total_bytes: u64,
    /// Identifies the transfer at this receiver. Opaque.
    pub transfer_id: String,
}

/// How far a receiver is with a transfer. JetStream's list, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReceiveStatus {
    /// It arrives, or waits for its sender.
    Receiving,
    /// All files stand under their names.
    Complete,
    /// It failed.
    Error,
}

//! What a transfer service reports about itself in `getServerInfo`.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::words;

/// JetStream's constant ENCRYPTED_128: every cipher is authenticated and has keys of at least 128 bits.
pub const MIN_CIPHER_ENCRYPTED_128: u8 = 2;

/// What a transfer service reports about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// The key by which senders know this server.
    pub public_key: String,
    /// The limits of all connections together.
    pub bandwidth_limits: BandwidthLimits,
    /// Where transfers arrive; `None` if the service only sends.
    pub receiver: Option<Receiver>,
    /// The weakest cipher allowed, as JetStream's constants number them, such as [`MIN_CIPHER_ENCRYPTED_128`].
    pub min_cipher: u8,
    /// An id that is new at each start; peers report it as `lastDestinationServerId`.
    #[serde(rename = "serverId")]
    pub launch_id: String,
    /// An id that stays; peers report it as `lastDestinationServerUid`.
    #[serde(rename = "serverUid")]
    pub uid: String,
    /// The version of `conns`.
    pub version: String,
}

/// Limits of all connections together. The names are those of JetStream's server options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BandwidthLimits {
    /// What is received; `None` is no limit.
    #[serde(rename = "incomingRateLimit")]
    pub incoming_kbit_per_s: Option<u64>,
    /// What is sent; `None` is no limit.
    #[serde(rename = "outgoingRateLimit")]
    pub outgoing_kbit_per_s: Option<u64>,
}

/// The parameters of `updateBandwidthLimits`. `None` leaves a limit as it is; `Some(None)`, a null in JSON, removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "incomingRateLimit and outgoingRateLimit")]
pub struct LimitsChange {
    /// What is received.
    #[serde(
        rename = "incomingRateLimit",
        default,
        deserialize_with = "words::even_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub incoming_kbit_per_s: Option<Option<NonZeroU64>>,
    /// What is sent.
    #[serde(
        rename = "outgoingRateLimit",
        default,
        deserialize_with = "words::even_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub outgoing_kbit_per_s: Option<Option<NonZeroU64>>,
}

impl LimitsChange {
    /// The limits after this change.
    #[must_use]
    pub fn applied_to(self, limits: BandwidthLimits) -> BandwidthLimits {
        let change = |limit, change: Option<Option<NonZeroU64>>| match change {
            None => limit,
            Some(limit) => limit.map(NonZeroU64::get),
        };
        BandwidthLimits {
            incoming_kbit_per_s: change(limits.incoming_kbit_per_s, self.incoming_kbit_per_s),
            outgoing_kbit_per_s: change(limits.outgoing_kbit_per_s, self.outgoing_kbit_per_s),
        }
    }
}

/// Where transfers arrive. The contents of JetStream's structure are not known; these are named after its server options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    /// The UDP port.
    pub recv_port: u16,
    /// The relay's host; `None` without a relay.
    pub recv_relay_host: Option<String>,
    /// The relay's control port; `None` without a relay.
    pub recv_relay_port: Option<u16>,
    /// Whether only senders with an allowed key are accepted.
    pub only_authorized_clients_allowed: bool,
}

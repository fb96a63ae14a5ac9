//! The name of an address.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Moment;

/// A name that was resolved to an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedName {
    /// The address.
    pub address: IpAddr,
    /// The name that was asked for, in lower case and without the dot at its end.
    pub name: Arc<str>,
    /// When the answer was seen.
    pub at: Moment,
    /// How long it may be used, seconds (RFC 1035 TTL).
    pub ttl_s: u32,
}

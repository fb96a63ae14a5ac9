//! Parameters of the calls that create a destination and change its rates.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::rate::Method;
use crate::record::words;

/// The UDP port of a receiver, as JetStream has it.
pub const DEFAULT_PORT: u16 = 8886;
/// Bytes of an address at most: a name of DNS has 253 (RFC 1035, section 2.3.4).
const MAX_ADDRESS_BYTES: usize = 255;

/// The parameters of `createDestination`. A destination is the same if address, port, key and relay are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "the parameters of a destination"
)]
pub struct NewDestination {
    /// A host name or an IP address; IPv6 without brackets.
    #[serde(rename = "destinationAddress")]
    pub address: String,
    /// The UDP port that it receives on.
    #[serde(rename = "destinationPort", default = "default_port")]
    pub port: u16,
    /// The key that it has to prove.
    #[serde(rename = "destinationPublicKey")]
    pub public_key: String,
    /// The relay, `HOST:PORT`; `None` without a relay.
    #[serde(default)]
    pub relay: Option<String>,
    /// The rate; `None` leaves it to the server.
    #[serde(rename = "sendRate", default)]
    pub send_rate_kbit_per_s: Option<NonZeroU64>,
    /// The controller stays at or above it; 0 is no bound.
    #[serde(rename = "sendRateMin", default)]
    pub send_rate_min_kbit_per_s: u64,
    /// The controller stays at or below it; `None` is no bound.
    #[serde(rename = "sendRateMax", default)]
    pub send_rate_max_kbit_per_s: Option<NonZeroU64>,
    /// How the rate is chosen; `None` leaves it to the server.
    #[serde(default, with = "words::optional")]
    pub rate_control_method: Option<Method>,
}

fn default_port() -> u16 {
    DEFAULT_PORT
}

/// The parameters of `setSendRateAsync`; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a destination and its rates")]
pub struct RateChange {
    /// The destination.
    pub destination_id: String,
    /// The rate.
    #[serde(rename = "sendRate", default, skip_serializing_if = "Option::is_none")]
    pub send_rate_kbit_per_s: Option<NonZeroU64>,
    /// The controller stays at or above it; 0 removes the bound.
    #[serde(rename = "sendRateMin", default, skip_serializing_if = "Option::is_none")]
    pub send_rate_min_kbit_per_s: Option<u64>,
    /// The controller stays at or below it; `Some(None)`, a null in JSON, removes the bound.
    #[serde(
        rename = "sendRateMax",
        default,
        deserialize_with = "words::even_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub send_rate_max_kbit_per_s: Option<Option<NonZeroU64>>,
    /// How the rate is chosen.
    #[serde(default, with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub rate_control_method: Option<Method>,
}

/// Why parameters are refused before a service reads them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No address and no relay, or an address that no name of DNS has.
    #[error("destinationAddress has {0} bytes, expected 1 to {MAX_ADDRESS_BYTES}")]
    Address(usize),
    /// A port that no socket has.
    #[error("destinationPort is 0")]
    Port,
    /// The lower bound of the rate is above the upper one.
    #[error("sendRateMin is {min}, more than sendRateMax, {max}")]
    Bounds {
        /// The lower bound, kbit/s.
        min: u64,
        /// The upper bound, kbit/s.
        max: u64,
    },
    /// A change that changes nothing.
    #[error("no rate is given: expected sendRate, sendRateMin, sendRateMax or rateControlMethod")]
    NoChange,
}

impl NewDestination {
    /// Checks what needs no service: the length of the address, the port and the order of the bounds.
    ///
    /// # Errors
    /// [`ParameterError`] of the first fault.
    pub fn check(&self) -> Result<(), ParameterError> {
        // A relay knows the address of the receiver.
        let is_missing = self.address.is_empty() && self.relay.is_none();
        if is_missing || self.address.len() > MAX_ADDRESS_BYTES {
            return Err(ParameterError::Address(self.address.len()));
        }
        if self.port == 0 {
            return Err(ParameterError::Port);
        }
        check_bounds(self.send_rate_min_kbit_per_s, self.send_rate_max_kbit_per_s)
    }
}

impl RateChange {
    /// Checks that something changes, and the order of the bounds if both are given. The service checks them with those
    /// that stay.
    ///
    /// # Errors
    /// [`ParameterError`] of the first fault.
    pub fn check(&self) -> Result<(), ParameterError> {
        let (min, max) = (self.send_rate_min_kbit_per_s, self.send_rate_max_kbit_per_s);
        let none = self.send_rate_kbit_per_s.is_none() && self.rate_control_method.is_none();
        if none && min.is_none() && max.is_none() {
            return Err(ParameterError::NoChange);
        }
        check_bounds(min.unwrap_or(0), max.flatten())
    }
}

fn check_bounds(min: u64, max: Option<NonZeroU64>) -> Result<(), ParameterError> {
    match max.map(NonZeroU64::get) {
        Some(max) if min > max => Err(ParameterError::Bounds { min, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_behind_a_relay_needs_no_address() {
        let text = r#"{"destinationAddress": "", "destinationPublicKey": "ck1", "relay": "ck1@r"}"#;
        let behind: NewDestination = serde_json::from_str(text).unwrap();
        assert_eq!(behind.check(), Ok(()));
        let direct = NewDestination { relay: None, ..behind };
        assert_eq!(direct.check(), Err(ParameterError::Address(0)));
    }
}

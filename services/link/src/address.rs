//! How a destination and a relay are written: `ck1…@HOST[:PORT]`.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::identity::{PublicKey, PublicKeyError};

/// UDP port of a receiver.
pub const RECEIVER_PORT: u16 = 8886;
/// TCP port of the control connections of a relay.
pub const RELAY_PORT: u16 = 8887;

/// A receiver: its key, and where it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationAddress {
    /// The key that it has to prove.
    pub key: PublicKey,
    /// A host name or an IP address without brackets; empty where a relay names the place.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

/// A relay: its key, and where it accepts control connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAddress {
    /// The key that it has to prove.
    pub key: PublicKey,
    /// A host name or an IP address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
}

/// A text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The key is wrong.
    #[error("`{text}`: {error}")]
    Key {
        /// The text.
        text: String,
        /// The fault.
        error: PublicKeyError,
    },
    /// There is no `@HOST`.
    #[error("`{0}` is not KEY@HOST or KEY@HOST:PORT, such as ck1…@files.example.org:8886")]
    NoHost(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}`: the port is not a number from 1 to 65535")]
    Port(String),
}

impl FromStr for DestinationAddress {
    type Err = AddressError;

    /// Reads `ck1…@HOST[:PORT]`, or `ck1…` alone of a receiver behind a relay.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !text.contains('@')
            && let Ok(key) = text.parse()
        {
            return Ok(Self { key, host: String::new(), port: RECEIVER_PORT });
        }
        let (key, host, port) = split(text, RECEIVER_PORT)?;
        Ok(Self { key, host, port })
    }
}

impl FromStr for RelayAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (key, host, port) = split(text, RELAY_PORT)?;
        Ok(Self { key, host, port })
    }
}

impl Display for DestinationAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.host {
            "" => write!(f, "{}", self.key),
            host if host.contains(':') => write!(f, "{}@[{host}]:{}", self.key, self.port),
            host => write!(f, "{}@{host}:{}", self.key, self.port),
        }
    }
}

impl Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, host, port } = self.clone();
        DestinationAddress { key, host, port }.fmt(f)
    }
}

fn split(text: &str, default_port: u16) -> Result<(PublicKey, String, u16), AddressError> {
    let no_host = || AddressError::NoHost(text.to_owned());
    let (key, place) = text.split_once('@').ok_or_else(no_host)?;
    let key = key.parse().map_err(|error| AddressError::Key { text: text.to_owned(), error })?;
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or_else(no_host)?,
        // An IPv6 address without brackets has no port.
        None if place.matches(':').count() > 1 => (place, ""),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    if host.is_empty() {
        return Err(no_host());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(default_port),
        None => None,
        Some(port) => port.parse().ok().filter(|port| *port > 0),
    };
    Ok((key, host.to_owned(), port.ok_or_else(|| AddressError::Port(text.to_owned()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_key_host_and_port() {
        let key = PublicKey([7; 32]);
        for (place, host, port) in [
            ("files.example.org", "files.example.org", 8886),
            ("10.0.0.1:9000", "10.0.0.1", 9000),
            ("[fe80::1]:9000", "fe80::1", 9000),
            ("[::1]", "::1", 8886),
            ("::1", "::1", 8886),
        ] {
            let read: DestinationAddress = format!("{key}@{place}").parse().unwrap();
            let expected = DestinationAddress { key, host: host.to_owned(), port };
            assert_eq!(read, expected, "{place}");
            assert_eq!(read.to_string().parse(), Ok(expected), "{place}");
        }
        let alone: DestinationAddress = key.to_string().parse().unwrap();
        assert_eq!(alone.host, "");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let key = PublicKey([7; 32]);
        for text in ["", "host", "@host", "ck1qqq@host", "user@host:22"] {
            assert!(text.parse::<DestinationAddress>().is_err(), "{text}");
        }
        for place in ["@", "@:8886", "@host:0", "@host:65536", "@host:x", "@[::1", "@[::1]8886"] {
            assert!(format!("{key}{place}").parse::<RelayAddress>().is_err(), "{place}");
        }
    }
}

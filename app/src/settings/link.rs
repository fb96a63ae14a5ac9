//! Settings of the link server. Its types are those of `conns link serve`, which is given the same texts.

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use conns_link::{PublicKey, RelayAddress};

use super::parse::FromText;

/// Settings of the link server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    /// Where it receives; without it there is no link server.
    pub(crate) listen: Option<SocketAddr>,
    /// The key file; without it there is a default one.
    pub(crate) key: Option<PathBuf>,
    /// The folder that files are written below.
    pub(crate) folder: Option<Folder>,
    /// Keys of the senders that may connect; any, if there is none.
    pub(crate) allow: Vec<Key>,
    /// A relay to receive through.
    pub(crate) relay: Option<Relay>,
    /// Limit of all senders together.
    pub(crate) incoming_limit: Option<Rate>,
    /// Limit of all destinations together.
    pub(crate) outgoing_limit: Option<Rate>,
}

impl FromText for SocketAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        let example = "0.0.0.0:8886";
        text.parse().map_err(|_| format!("expected IP:PORT such as \"{example}\", found `{text}`"))
    }
}

/// An absolute path: the agent is started in any folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl FromText for Folder {
    fn from_text(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            return Err(format!("expected an absolute path such as \"/srv/in\", found `{text}`"));
        }
        Ok(Self(path))
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) String);

impl FromText for Key {
    fn from_text(text: &str) -> Result<Self, String> {
        #[cfg(target_os = "linux")]
        text.parse::<PublicKey>().map_err(|error| format!("`{text}` is {error}"))?;
        Ok(Self(text.to_owned()))
    }
}

/// The address of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relay(pub(crate) String);

impl FromText for Relay {
    fn from_text(text: &str) -> Result<Self, String> {
        #[cfg(target_os = "linux")]
        text.parse::<RelayAddress>().map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

/// A rate with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) String);

impl FromText for Rate {
    fn from_text(text: &str) -> Result<Self, String> {
        #[cfg(target_os = "linux")]
        crate::flags::link::parse_rate(text)?;
        Ok(Self(text.to_owned()))
    }
}

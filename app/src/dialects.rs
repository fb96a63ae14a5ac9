//! The dialects of a configuration, for `conns serve` and `conns call`.

use conns_dialects::ems;
use conns_dialects::monero::{self, Node};

use crate::config::Config;

/// The product name in the headers and descriptions of EMS.
const EMS_BRAND: &str = concat!("conns/", env!("CARGO_PKG_VERSION"));

pub(crate) fn monero_node(config: &Config, secret: [u8; 16]) -> Node {
    let options = &config.monero;
    Node::new(monero::Options {
        peers: options.peers.clone(),
        node: options.node.clone(),
        era: options.era,
        restricted: options.restricted,
        login: options
            .login
            .as_ref()
            .and_then(|login| monero::Login::of_digest(&login.user, &login.ha1)),
        secret,
    })
}

pub(crate) fn ems_server(config: &Config) -> ems::Server {
    ems::Server::new(ems::Options {
        streams: config.ems.streams.clone(),
        length_prefix: config.ems.length_prefix,
        brand: EMS_BRAND.to_owned(),
    })
}

/// A random key for the ids and nonces of one instance.
pub(crate) fn secret() -> Result<[u8; 16], getrandom::Error> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}

pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

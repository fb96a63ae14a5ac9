//! Ports and the services behind them: the names operators meet, as IANA registers them, and a few
//! that are in wide use without registration (marked so in the table).
//!
//! A name says what a port is registered for, not what speaks on it.

mod table;

use std::sync::LazyLock;

use crate::model::Protocol;
use table::{ALIASES, TABLE};

/// Which transport protocols a service is registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP (and MPTCP, which looks the same to applications).
    Tcp,
    /// UDP.
    Udp,
    /// Either.
    Both,
}

impl Transport {
    /// Whether the service is registered for `protocol`.
    #[must_use]
    pub fn includes(self, protocol: Protocol) -> bool {
        match self {
            Self::Tcp => matches!(protocol, Protocol::Tcp | Protocol::Mptcp),
            Self::Udp => protocol == Protocol::Udp,
            Self::Both => true,
        }
    }
}

/// A service at one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Service {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The port.
    pub port: u16,
    /// Over which protocols.
    pub transport: Transport,
}

/// The service registered at `port` for `protocol`.
#[must_use]
pub fn service_name(port: u16, protocol: Protocol) -> Option<&'static str> {
    let from = SERVICES.by_port.partition_point(|service| service.port < port);
    SERVICES
        .by_port
        .get(from..)?
        .iter()
        .take_while(|service| service.port == port)
        .find(|service| service.transport.includes(protocol))
        .map(|service| service.name)
}

/// The ports of the service called `name`, in any case; `None` if no such service is known.
#[must_use]
pub fn service_port(name: &str) -> Option<&'static [Service]> {
    let name = name.to_ascii_lowercase();
    let name =
        ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, name)| name);
    let from = SERVICES.by_name.partition_point(|service| service.name < name);
    let found = SERVICES.by_name.get(from..)?;
    let count = found.partition_point(|service| service.name == name);
    found.get(..count).filter(|ports| !ports.is_empty())
}

/// Every name a service may be asked for by, for messages.
pub(super) fn service_names() -> impl Iterator<Item = &'static str> {
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    TABLE.iter().map(|row| row.name).chain(aliases)
}

struct Index {
    by_port: Vec<Service>,
    by_name: Vec<Service>,
}

static SERVICES: LazyLock<Index> = LazyLock::new(|| {
    let mut by_port = TABLE.to_vec();
    by_port.sort_by_key(|service| service.port);
    let mut by_name = TABLE.to_vec();
    by_name.sort_by_key(|service| (service.name, service.port));
    Index { by_port, by_name }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_port_and_back() {
        for service in TABLE {
            let ports = service_port(service.name).expect(service.name);
            assert!(ports.contains(service));
            let protocol =
                if service.transport == Transport::Udp { Protocol::Udp } else { Protocol::Tcp };
            assert_eq!(service_name(service.port, protocol), Some(service.name));
        }
    }

    #[test]
    fn no_port_has_two_names_for_one_protocol() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let mut ports: Vec<u16> = TABLE
                .iter()
                .filter(|service| service.transport.includes(protocol))
                .map(|service| service.port)
                .collect();
            ports.sort_unstable();
            let count = ports.len();
            ports.dedup();
            assert_eq!(ports.len(), count, "{protocol:?}");
        }
    }

    #[test]
    fn names_are_lower_case_and_aliases_are_not_names() {
        for service in TABLE {
            assert_eq!(service.name, service.name.to_ascii_lowercase());
        }
        for (alias, name) in ALIASES {
            assert!(TABLE.iter().all(|service| service.name != *alias), "{alias}");
            assert!(service_port(name).is_some(), "{alias} means {name}");
        }
    }

    #[test]
    fn protocols_are_told_apart() {
        assert_eq!(service_name(514, Protocol::Udp), Some("syslog"));
        assert_eq!(service_name(514, Protocol::Tcp), Some("shell"));
        assert_eq!(service_name(443, Protocol::Mptcp), Some("https"));
        assert_eq!(service_name(1, Protocol::Tcp), None);
        assert_eq!(service_name(65535, Protocol::Tcp), None);
    }

    #[test]
    fn names_are_found_in_any_case_and_by_alias() {
        let port = |name| service_port(name).map(|ports| ports[0].port);
        assert_eq!(port("SSH"), Some(22));
        assert_eq!(port("dns"), Some(53));
        assert_eq!(port("postgres"), Some(5432));
        assert_eq!(port("monero-p2p"), Some(18080));
        assert_eq!(port("zzz"), None);
        assert_eq!(port(""), None);
    }
}

//! Ports and the services registered at them: a name is what a port is registered for, not what
//! listens on it. The table is `services/table.tsv`.

use std::sync::LazyLock;

use crate::model::Protocol;

/// The transport protocols of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, and MPTCP, which has the same interface for applications.
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
    /// Its transport protocols.
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

/// The ports of the service called `name`, in any case; `None` if no service has this name.
#[must_use]
pub fn service_port(name: &str) -> Option<&'static [Service]> {
    let name = name.to_ascii_lowercase();
    let name = SERVICES
        .aliases
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name.as_str(), |(_, name)| name);
    let from = SERVICES.by_name.partition_point(|service| service.name < name);
    let found = SERVICES.by_name.get(from..)?;
    let count = found.partition_point(|service| service.name == name);
    found.get(..count).filter(|ports| !ports.is_empty())
}

/// Every name and alias, for messages.
pub(super) fn service_names() -> impl Iterator<Item = &'static str> {
    let aliases = SERVICES.aliases.iter().map(|(alias, _)| *alias);
    SERVICES.by_name.iter().map(|service| service.name).chain(aliases)
}

struct Index {
    by_port: Vec<Service>,
    by_name: Vec<Service>,
    /// Alias and name.
    aliases: Vec<(&'static str, &'static str)>,
}

static TABLE: &str = include_str!("services/table.tsv");

static SERVICES: LazyLock<Index> = LazyLock::new(|| {
    let rows: Vec<Row> = rows().filter_map(Row::parse).collect();
    let mut by_port: Vec<Service> = rows.iter().map(|row| row.service).collect();
    let mut by_name = by_port.clone();
    by_port.sort_by_key(|service| service.port);
    by_name.sort_by_key(|service| (service.name, service.port));
    let aliases =
        rows.iter().flat_map(|row| row.aliases.iter().map(|alias| (*alias, row.service.name)));
    Index { by_port, by_name, aliases: aliases.collect() }
});

/// The lines of the table.
fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

/// A parsed line of the table.
struct Row {
    service: Service,
    aliases: Vec<&'static str>,
}

impl Row {
    /// `None` if the line is malformed; a test parses all of them.
    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        let (name, port) = (cells.next()?, cells.next()?.parse().ok()?);
        let transport = match cells.next()? {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "tcp,udp" => Transport::Both,
            _ => return None,
        };
        let aliases = cells.next().map_or_else(Vec::new, |aliases| aliases.split(',').collect());
        cells
            .next()
            .is_none()
            .then_some(Self { service: Service { name, port, transport }, aliases })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_parsed() {
        assert!(rows().count() > 150);
        for line in rows() {
            assert!(Row::parse(line).is_some(), "{line}");
        }
    }

    #[test]
    fn a_name_leads_to_its_port_and_back() {
        for service in &SERVICES.by_name {
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
            let mut ports: Vec<u16> = SERVICES
                .by_port
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
        for service in &SERVICES.by_name {
            assert_eq!(service.name, service.name.to_ascii_lowercase());
        }
        for (alias, name) in &SERVICES.aliases {
            assert!(SERVICES.by_name.iter().all(|service| service.name != *alias), "{alias}");
            assert!(service_port(name).is_some(), "{alias} means {name}");
        }
    }

    #[test]
    fn one_port_has_a_service_for_each_protocol() {
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

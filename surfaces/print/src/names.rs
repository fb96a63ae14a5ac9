//! Names instead of numbers (`--resolve`): services from the table of services, hosts as resolved by the
//! caller.

use std::collections::HashMap;
use std::net::IpAddr;

use conns_api::printable;
use conns_core::model::{Endpoint, Protocol, Socket, unmapped};
use conns_core::query::service_name;

/// Resolved names; if empty, numbers are shown.
#[derive(Debug, Default)]
pub struct Names {
    /// Whether ports are shown as service names.
    pub services: bool,
    /// Host names by address; an address without one stays a number.
    pub hosts: HashMap<IpAddr, String>,
}

impl Names {
    /// The local end of `socket` with its names, if known, and its interface as a zone. As in `ss` the wildcard is `*` for a
    /// socket that takes both families, and else that of its family.
    pub(crate) fn local(&self, socket: &Socket, Endpoint { address, port }: Endpoint) -> String {
        let zone = socket.zone(address, true).map(printable);
        let host = match socket.takes_both_families(address) {
            true => format!("*{}", suffix(zone.as_deref())),
            false => self.host(address, zone.as_deref()),
        };
        match port {
            0 if address.is_unspecified() => format!("{host}:*"),
            port => format!("{host}:{}", self.port(port, socket.protocol)),
        }
    }

    /// The remote end of `socket` with its names, if known, and its interface as a zone if it is link-local.
    pub(crate) fn remote(&self, socket: &Socket, Endpoint { address, port }: Endpoint) -> String {
        let zone = socket.zone(address, false).map(printable);
        format!("{}:{}", self.host(address, zone.as_deref()), self.port(port, socket.protocol))
    }

    /// An end with its names, if known; the wildcard address is `*`.
    pub(crate) fn endpoint(&self, end: Endpoint, protocol: Protocol) -> String {
        match end.address.is_unspecified() {
            true => format!("{end:#}"),
            false => format!("{}:{}", self.host(end.address, None), self.port(end.port, protocol)),
        }
    }

    /// What is in front of a port: `db.example`, `127.0.0.1%lo`, `[fe80::1%eth0]`. An IPv4-mapped address is the IPv4 address.
    fn host(&self, address: IpAddr, zone: Option<&str>) -> String {
        let (address, zone) = (unmapped(address), suffix(zone));
        match (self.hosts.get(&address), address) {
            (Some(host), _) => format!("{host}{zone}"),
            (None, IpAddr::V6(address)) => format!("[{address}{zone}]"),
            (None, IpAddr::V4(address)) => format!("{address}{zone}"),
        }
    }

    fn port(&self, port: u16, protocol: Protocol) -> String {
        let service = self.services.then(|| service_name(port, protocol)).flatten();
        service.map_or_else(|| port.to_string(), Into::into)
    }
}

/// `%eth0`, or nothing.
fn suffix(zone: Option<&str>) -> String {
    zone.map(|zone| format!("%{zone}")).unwrap_or_default()
}

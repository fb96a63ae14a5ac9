//! Names instead of numbers (`--resolve`): services from the table of services, hosts as resolved by the
//! caller.

use std::collections::HashMap;
use std::net::IpAddr;

use conns_core::model::{Endpoint, Protocol, unmapped};
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
    /// `endpoint` with its names, if known. The wildcard address is `*`; an IPv4-mapped address is the IPv4 address.
    pub(crate) fn endpoint(&self, endpoint: Endpoint, protocol: Protocol) -> String {
        let endpoint = Endpoint { address: unmapped(endpoint.address), ..endpoint };
        let host = self.hosts.get(&endpoint.address);
        let service = self.services.then(|| service_name(endpoint.port, protocol)).flatten();
        match (host, service) {
            (None, None) => format!("{endpoint:#}"),
            (Some(host), None) => format!("{host}:{}", endpoint.port),
            (host, Some(service)) => {
                let host = host.cloned().unwrap_or_else(|| match endpoint.address {
                    address if address.is_unspecified() => "*".to_owned(),
                    IpAddr::V6(address) => format!("[{address}]"),
                    IpAddr::V4(address) => address.to_string(),
                });
                format!("{host}:{service}")
            }
        }
    }
}

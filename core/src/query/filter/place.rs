//! Addresses, networks and ports in filters.
//!
//! Invariant: an IPv4-mapped IPv6 address and its IPv4 address match each other, and so do their
//! networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::super::services::service_port;
use crate::model::{Endpoint, unmapped};

/// A range of ports, both ends included.
pub(super) type Ports = (u16, u16);

/// Finds the addresses of a host name; none if there is no such host.
pub type HostNames<'a> = &'a dyn Fn(&str) -> Vec<IpAddr>;

/// Where host names are not looked up.
pub(super) fn no_names(_: &str) -> Vec<IpAddr> {
    Vec::new()
}

/// A condition on one end of a connection: a network, a range of ports, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    net: Option<Net>,
    pub(super) ports: Option<Ports>,
}

/// A network as written and, if that is IPv4-mapped, as the IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    written: IpNet,
    plain: IpNet,
}

impl Net {
    /// An address or a network.
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(decimal(length)?)),
            None => (text, None),
        };
        let address =
            address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = match address.parse() {
            Ok(address) => address,
            // `10/8` and `192.168/16`, as in `ss`.
            Err(_) if length.is_some() => padded(address)?.parse().ok()?,
            Err(_) => return None,
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = u8::try_from(length.unwrap_or(longest)).ok()?;
        let written = IpNet::new(address, length).ok()?.trunc();
        /// Prefix length of IPv4-mapped addresses (RFC 4291 section 2.5.5.2).
        const MAPPED_BITS: u8 = 96;
        let plain = match (unmapped(written.addr()), length.checked_sub(MAPPED_BITS)) {
            (IpAddr::V4(v4), Some(length)) if address.is_ipv6() => {
                IpNet::V4(Ipv4Net::new(v4, length).ok()?)
            }
            _ => written,
        };
        Some(Self { written, plain })
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.written.contains(&address) || self.plain.contains(&unmapped(address))
    }

    fn is_one_address(&self) -> bool {
        self.written.prefix_len() == self.written.max_prefix_len()
    }
}

fn decimal(text: &str) -> Option<u32> {
    // `str::parse` accepts a sign.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The octets of an IPv4 network followed by zeros.
fn padded(octets: &str) -> Option<String> {
    const OCTETS: usize = 4;
    let given = octets.split('.').map(decimal).collect::<Option<Vec<u32>>>()?;
    let missing = OCTETS.checked_sub(given.len())?;
    Some(format!("{octets}{}", ".0".repeat(missing)))
}

impl Place {
    /// Reads an address, a network, either with `:port`, or `:port` alone. More than one if a
    /// service has several ports; none if `text` is not a place. `*` is any port.
    pub(super) fn parse(text: &str) -> Vec<Self> {
        if let Some(net) = Net::parse(text) {
            return vec![Self { net: Some(net), ports: None }];
        }
        let Some((head, tail)) = text.rsplit_once(':') else {
            return Vec::new();
        };
        let net = match head {
            "" | "*" => None,
            head => match Net::parse(head) {
                // Without brackets a port cannot be distinguished from the last group of an IPv6 address.
                Some(net) if net.written.addr().is_ipv4() || head.contains(['[', '/']) => Some(net),
                _ => return Vec::new(),
            },
        };
        if tail == "*" {
            return net.map(|net| Self { net: Some(net), ports: None }).into_iter().collect();
        }
        parse_ports(tail).into_iter().map(|ports| Self { net, ports: Some(ports) }).collect()
    }

    /// The addresses of a host, with `:port`, with `:*` or alone; none if there is no such host.
    pub(super) fn of_host(text: &str, names: HostNames<'_>) -> Vec<Self> {
        let (host, ports) = match text.rsplit_once(':') {
            Some((host, "*")) => (host, vec![None]),
            Some((host, ports)) => (host, parse_ports(ports).into_iter().map(Some).collect()),
            None => (text, vec![None]),
        };
        let addresses = match host {
            "" => Vec::new(),
            // RFC 6761, section 6.3.
            host if host.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            host => names(host),
        };
        let nets = addresses
            .into_iter()
            .map(|address| Net { written: address.into(), plain: unmapped(address).into() });
        let place = |net| ports.iter().map(move |ports| Self { net: Some(net), ports: *ports });
        nets.flat_map(place).collect()
    }

    /// Whether the address matches, with any port.
    pub(super) fn contains_address(&self, address: IpAddr) -> bool {
        self.net.is_none_or(|net| net.contains(address))
    }

    /// Whether an end matches.
    pub(super) fn contains(&self, end: Endpoint) -> bool {
        self.ports.is_none_or(|(low, high)| (low..=high).contains(&end.port))
            && self.contains_address(end.address)
    }
}

/// A port, a range of them, or those of a service; none if `text` is none of these.
pub(super) fn parse_ports(text: &str) -> Vec<Ports> {
    if let Some(port) = decimal(text).and_then(|port| u16::try_from(port).ok()) {
        return vec![(port, port)];
    }
    let range = text.split_once("..").or_else(|| text.split_once('-'));
    if let Some((low, high)) = range
        && let (Some(low), Some(high)) = (decimal(low), decimal(high))
        && let (Ok(low), Ok(high)) = (u16::try_from(low), u16::try_from(high))
    {
        return if low <= high { vec![(low, high)] } else { Vec::new() };
    }
    service_port(text)
        .unwrap_or_default()
        .iter()
        .map(|service| (service.port, service.port))
        .collect()
}

/// Ports as [`parse_ports`] reads them back.
pub(super) fn ports_text((low, high): Ports) -> String {
    if low == high { low.to_string() } else { format!("{low}..{high}") }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.net {
            Some(net) => {
                let address = net.written.addr();
                if address.is_ipv6() && self.ports.is_some() {
                    write!(f, "[{address}]")?;
                } else {
                    write!(f, "{address}")?;
                }
                if !net.is_one_address() {
                    write!(f, "/{}", net.written.prefix_len())?;
                }
            }
            None if self.ports.is_none() => f.write_str("*")?,
            None => {}
        }
        match self.ports {
            Some(ports) => write!(f, ":{}", ports_text(ports)),
            None => Ok(()),
        }
    }
}

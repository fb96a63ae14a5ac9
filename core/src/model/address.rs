//! Ends of a connection, and the one rule for IPv4-mapped IPv6 addresses: shown as they are,
//! matched both ways.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One end of a connection: an address and a port, as the kernel holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address; `0.0.0.0` or `::` is the wildcard of a socket bound to no address.
    pub address: IpAddr,
    /// The port in host byte order; 0 is "any" or "none".
    pub port: u16,
}

impl Endpoint {
    /// True for `0.0.0.0:0` and `[::]:0`: the end a socket without a peer shows.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.port == 0 && self.address.is_unspecified()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.is_unspecified() && f.alternate() {
            match self.port {
                0 => f.write_str("*"),
                port => write!(f, "*:{port}"),
            }
        } else {
            SocketAddr::new(self.address, self.port).fmt(f)
        }
    }
}

/// The address with an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2)
/// turned into the IPv4 address it means.
#[must_use]
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

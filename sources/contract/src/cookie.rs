//! Cookies of sockets for which the kernel has none, or none of their own.

use std::net::IpAddr;

use conns_core::model::{Endpoint, Protocol};

/// The cookie of a connection whose kernel cookie is shared with others.
#[must_use]
pub fn of_shared_cookie(cookie: u64, local: Endpoint, remote: Endpoint) -> u64 {
    Fnv1a::new().bytes(&cookie.to_le_bytes()).endpoint(local).endpoint(remote).0
}

/// The cookie of a socket of which only protocol and endpoints are known.
#[must_use]
pub fn of_endpoints(protocol: Protocol, local: Endpoint, remote: Option<Endpoint>) -> u64 {
    let number = match protocol {
        Protocol::Tcp => 6_u16,
        Protocol::Udp => 17,
        Protocol::Mptcp => 262,
        Protocol::UdpLite => 136,
        Protocol::Raw => 255,
        // Without ends of the internet protocol.
        Protocol::Unix
        | Protocol::Packet
        | Protocol::Netlink
        | Protocol::Vsock
        | Protocol::Other => 0,
    };
    let hash = Fnv1a::new().bytes(&number.to_le_bytes()).endpoint(local);
    remote.map_or(hash, |remote| hash.endpoint(remote)).0
}

/// The cookie of a socket of which only the inode is known.
#[must_use]
pub fn of_inode(inode: u64) -> u64 {
    Fnv1a::new().bytes(b"inode").bytes(&inode.to_le_bytes()).0
}

/// 64-bit FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>). The cookies are part of published ids, so they must be
/// the same in every version. Two of 100 000 sockets share one with a probability of 3 in 10 000 million.
#[derive(Clone, Copy)]
struct Fnv1a(u64);

impl Fnv1a {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    fn endpoint(self, endpoint: Endpoint) -> Self {
        let address = match endpoint.address {
            IpAddr::V4(address) => self.bytes(&[4]).bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&[6]).bytes(&address.octets()),
        };
        address.bytes(&endpoint.port.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8_u64),
        ] {
            assert_eq!(Fnv1a::new().bytes(text.as_bytes()).0, hash, "{text}");
        }
    }

    #[test]
    fn cookies_are_the_same_in_every_version() {
        let endpoint = |address: &str, port| Endpoint { address: address.parse().unwrap(), port };
        let (local, remote) = (endpoint("192.0.2.1", 443), endpoint("198.51.100.7", 50_000));
        assert_eq!(of_shared_cookie(77, local, remote), 0x92ec_86d3_d78d_8564);
        let (local, remote) = (endpoint("2001:db8::1", 443), endpoint("2001:db8::2", 50_000));
        assert_eq!(of_shared_cookie(77, local, remote), 0x9ddf_410f_ee6b_5f3e);
        let of = |remote| of_endpoints(Protocol::Tcp, local, remote);
        assert_eq!((of(Some(remote)), of(None)), (0x3003_e2d2_53a7_6865, 0x1366_d8bd_9782_cdea));
    }
}

//! What a connection of a storm does, derived from its number alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Client processes, and as many servers.
pub const PROCESSES: u64 = 2;
/// The port of the first server; the next one has the next.
const FIRST_PORT: u16 = 7100;
/// The first port of a client, and how many it uses from each address.
const CLIENT_PORTS: (u16, u64) = (20_000, 40_000);
/// One connection in this many is over IPv6.
const IPV6_INTERVAL: u64 = 10;
/// IPv6 has one loopback address, whose ports are used up from this number on.
const IPV6_END: u64 = CLIENT_PORTS.1 * IPV6_INTERVAL;
/// The first addresses of clients and of servers; those that follow are taken in turn.
const CLIENTS: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const SERVERS: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);
/// Addresses of servers in use: a prime, so that a repeated client port meets another address, and an end is identified by
/// its own port and the other end.
const SERVER_ADDRESSES: u64 = 47;
/// The most connections of a storm, bounded by the ends in 127.1.0.0/16.
pub(super) const MAX_CONNECTIONS: u64 = 60_000 * CLIENT_PORTS.1;

/// A connection's number in its storm, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl Number {
    /// Bytes its number takes at the head of what the client sends.
    pub const BYTES: usize = size_of::<u64>();
    /// The most bytes one way, which fit one segment of any path.
    pub const MAX_BYTES: usize = 1000;

    /// The client process that opens it.
    pub fn client(self) -> u64 {
        self.0 % PROCESSES
    }

    /// The server process that accepts it; not always the one of its client.
    pub fn server(self) -> u64 {
        self.0 / PROCESSES % PROCESSES
    }

    /// The client's address, which no other connection has, so that each pair of ends occurs once.
    pub fn from(self) -> SocketAddr {
        let (first, many) = CLIENT_PORTS;
        let (address, port) = if self.is_v6() {
            (IpAddr::V6(Ipv6Addr::LOCALHOST), self.0 / IPV6_INTERVAL)
        } else {
            (nth(CLIENTS, self.0 / many), self.0 % many)
        };
        SocketAddr::new(address, first + u16::try_from(port).unwrap_or(0))
    }

    /// The server's address.
    pub fn to(self) -> SocketAddr {
        let address = if self.is_v6() {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            nth(SERVERS, self.0 / (PROCESSES * PROCESSES) % SERVER_ADDRESSES)
        };
        SocketAddr::new(address, Self::port_of(self.server()))
    }

    /// The port a server listens at.
    pub fn port_of(server: u64) -> u16 {
        let [.., low] = server.to_be_bytes();
        FIRST_PORT + u16::from(low)
    }

    /// Whether it is over IPv6.
    pub fn is_v6(self) -> bool {
        self.0 % IPV6_INTERVAL == IPV6_INTERVAL - 1 && self.0 < IPV6_END
    }

    /// Payload bytes from client to server; its number is the first of them.
    pub fn asked(self) -> usize {
        Self::BYTES + self.below(0, Self::MAX_BYTES + 1 - Self::BYTES)
    }

    /// Payload bytes from server to client.
    pub fn answered(self) -> usize {
        1 + self.below(20, Self::MAX_BYTES)
    }

    /// Whether the client closes first; else the server.
    pub fn client_closes_first(self) -> bool {
        self.mixed() >> 40 & 1 == 0
    }

    /// The number with its bits mixed (the finaliser of SplitMix64), so that neighbours differ in all bits.
    fn mixed(self) -> u64 {
        let mut bits = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `limit`, made of the mixed bits from `shift` on.
    fn below(self, shift: u32, limit: usize) -> usize {
        const BITS: u64 = 0xf_ffff;
        usize::try_from(self.mixed() >> shift & BITS).unwrap_or(0) % limit
    }
}

/// The address `number` after `first`.
fn nth(first: Ipv4Addr, number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(first) + u32::try_from(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_connections_have_the_same_ends() {
        const MANY: u64 = 500_000;
        let ends: HashSet<_> = (0..MANY).map(Number).map(|n| (n.from(), n.to().ip())).collect();
        assert_eq!(ends.len() as u64, MANY);
        let ends: HashSet<_> = (0..MANY).map(Number).map(|n| (n.from().port(), n.to())).collect();
        assert_eq!(ends.len() as u64, MANY);
        assert!(Number(MAX_CONNECTIONS - 1).from().ip().is_loopback());
    }

    #[test]
    fn every_kind_of_connection_comes_about_equally_often() {
        const MANY: u64 = 20_000;
        let share = |is: fn(Number) -> bool| {
            (0..MANY).filter(|number| is(Number(*number))).count() as f64 / MANY as f64
        };
        assert!((0.49..0.51).contains(&share(Number::client_closes_first)));
        assert!((0.49..0.51).contains(&share(|number| number.server() == number.client())));
        assert!((0.099..0.101).contains(&share(Number::is_v6)));
        for number in (0..MANY).map(Number) {
            assert!(
                (8..=1000).contains(&number.asked()) && (1..=1000).contains(&number.answered())
            );
            assert!(number.to().ip().is_loopback());
        }
        let asked: u64 = (0..MANY).map(|number| Number(number).asked() as u64).sum();
        assert!((495..515).contains(&(asked / MANY)), "{asked}");
    }
}

//! A machine to ask: each of its sockets stands for one rule of the dialect.

use conns_core::model::{Connection, Known, Protocol, Snapshot, State, TcpInfo, Unknown};
use conns_fixtures::{Tcp, at, known, owner, snapshot};

/// A socket of which only protocol, state and ends are known.
pub(crate) fn socket(
    protocol: Protocol,
    state: State,
    local: &str,
    remote: Option<&str>,
) -> Connection {
    conns_fixtures::connection(conns_fixtures::socket(protocol, state, local, remote))
}

pub(crate) fn established(local: &str, remote: &str) -> Connection {
    conns_fixtures::connection(conns_fixtures::established(local, remote))
}

/// `tcp_info` with these measures: round trip, data segments sent, retransmitted, reported as
/// duplicates. `length` is how much of the structure the kernel fills.
pub(crate) fn tcp_info(
    rtt_us: u32,
    data_segs_out: u32,
    total_retrans: u32,
    dsack_dups: u32,
    length: usize,
) -> Known<TcpInfo> {
    Tcp { rtt_us, data_segs_out, total_retrans, dsack_dups, length, ..Tcp::ZERO }.known()
}

/// The machine.
pub(crate) fn machine() -> Snapshot {
    // 20 of 1000 segments lost: 2 %.
    let mut web = established("10.0.0.5:443", "192.0.2.7:51000");
    web.socket.tcp = tcp_info(80_400, 1000, 20, 0, 232);
    web.owners = known([owner(100, "nginx", 9)].into());

    // An IPv6 socket with an IPv4 peer; a round trip of half a millisecond, nothing lost.
    let mut mapped = established("[::ffff:10.0.0.5]:22", "[::ffff:10.1.2.3]:40000");
    mapped.socket.tcp = tcp_info(500, 10, 0, 0, 232);
    mapped.owners = known([owner(200, "sshd-session", 4)].into());

    // Nothing has been sent or measured: no zeros.
    let mut fresh = established("10.0.0.5:50000", "10.2.0.9:5432");
    fresh.socket.tcp = tcp_info(0, 0, 0, 0, 232);
    fresh.owners = known([owner(300, "Web Content", 50)].into());

    // Two of three retransmissions were needless: one of 200 is lost, 0.5 %. Owned by two
    // processes, one of them by two descriptors.
    let mut shared = established("[2001:db8::1]:8080", "[2001:db8::2]:41000");
    shared.socket.tcp = tcp_info(12_600, 200, 3, 2, 232);
    let owners = [owner(98, "master", 7), owner(98, "master", 8), owner(99, "worker", 7)];
    shared.owners = known(owners.into());

    // Linux 3.10 fills 104 bytes: the round trip, but not how many segments were sent.
    let mut old_kernel = established("127.0.0.1:6379", "127.0.0.1:40002");
    old_kernel.socket.tcp = tcp_info(42, 0, 1, 0, 104);
    old_kernel.owners = Known::Unknown(Unknown::NotPrivileged);

    // Neither measures nor owner, and a link-local peer.
    let blind = established("[fe80::1]:179", "[fe80::2]:33333");

    // Three SYNs were sent again before the one data segment: no 300 %.
    let mut retried = established("10.0.0.5:50002", "203.0.113.9:443");
    retried.socket.tcp = tcp_info(1_000_000, 1, 3, 0, 232);
    retried.owners = known([owner(301, "curl", 5)].into());

    let mut listener = socket(Protocol::Tcp, State::Listen, "0.0.0.0:22", None);
    listener.owners = known([owner(150, "sshd", 3)].into());
    let mut dual = socket(Protocol::Tcp, State::Listen, "[::]:443", None);
    dual.owners = known([owner(100, "nginx", 6), owner(99, "nginx", 6)].into());
    let mut resolver = socket(Protocol::Udp, State::Close, "127.0.0.53:53", None);
    resolver.owners = known([owner(400, "systemd-resolve", 13)].into());
    let wireguard = socket(Protocol::Udp, State::Close, "[::ffff:10.0.0.5]:51820", None);

    let peer = Some("192.0.2.1:1000");
    let connections = vec![
        web,
        listener,
        mapped,
        fresh,
        dual,
        shared,
        resolver,
        old_kernel,
        blind,
        wireguard,
        retried,
        // None of these has a row anywhere.
        socket(Protocol::Udp, State::Established, "10.0.0.5:1", peer),
        socket(Protocol::Mptcp, State::Established, "10.0.0.5:2", peer),
        socket(Protocol::Tcp, State::TimeWait, "10.0.0.5:3", peer),
        socket(Protocol::Tcp, State::CloseWait, "10.0.0.5:4", peer),
        socket(Protocol::Tcp, State::SynSent, "10.0.0.5:5", peer),
        socket(Protocol::Mptcp, State::Listen, "0.0.0.0:6", None),
        socket(Protocol::Tcp, State::BoundInactive, "0.0.0.0:7", None),
        socket(Protocol::Udp, State::Close, "0.0.0.0:0", None),
    ];
    snapshot(1, at(0), connections)
}

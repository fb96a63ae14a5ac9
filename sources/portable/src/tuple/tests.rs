use std::net::{Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use netsock::process::Process;
use netsock::socket::{TcpSocketInfo, UdpSocketInfo};
use netsock::{family::AddressFamilyFlags, iter_sockets, protocol::ProtocolFlags};

use super::*;

/// A row of the crate. Some of its fields exist on Linux only, so it is a modified row of the running system.
fn row(what: ProtocolSocketInfo, pids: &[u32]) -> SocketInfo {
    static REAL: OnceLock<SocketInfo> = OnceLock::new();
    let real = REAL.get_or_init(|| {
        let _socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut rows = iter_sockets(AddressFamilyFlags::IPV4, ProtocolFlags::UDP).unwrap();
        rows.next().unwrap().unwrap()
    });
    SocketInfo {
        protocol_socket_info: what,
        processes: pids.iter().map(|pid| Process { pid: *pid, name: String::new() }).collect(),
        ..real.clone()
    }
}

fn tcp(local: &str, remote: &str, state: TcpState) -> ProtocolSocketInfo {
    let [local, remote]: [SocketAddr; 2] = [local, remote].map(|end| end.parse().unwrap());
    ProtocolSocketInfo::Tcp(TcpSocketInfo {
        local_addr: local.ip(),
        local_port: local.port(),
        remote_addr: remote.ip(),
        remote_port: remote.port(),
        state,
    })
}

fn sockets(rows: &[SocketInfo]) -> Vec<(Socket, Vec<u32>)> {
    let mut tuples = Tuples::default();
    for row in rows {
        tuples.add(row).unwrap();
    }
    let netns = Arc::new(Netns::only());
    let (sockets, owners) = tuples.into_sockets(&netns, States::all());
    assert!(sockets.iter().zip(&owners).all(|(socket, owner)| socket.id == owner.0));
    sockets.into_iter().zip(owners.into_iter().map(|owner| owner.1.into_iter().collect())).collect()
}

#[test]
fn rows_of_one_tuple_are_one_socket_with_all_owners() {
    let what = || tcp("10.0.0.1:80", "10.0.0.2:5000", TcpState::Established);
    let found = sockets(&[row(what(), &[7]), row(what(), &[9, 7]), row(what(), &[])]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, [7, 9]);
}

#[test]
fn a_listener_is_not_hidden_by_a_bound_socket_beside_it() {
    let bound = row(tcp("10.0.0.1:80", "0.0.0.0:0", TcpState::Closed), &[1]);
    let listener = row(tcp("10.0.0.1:80", "0.0.0.0:0", TcpState::Listen), &[2]);
    for rows in [[bound.clone(), listener.clone()], [listener, bound]] {
        let found = sockets(&rows);
        assert_eq!((found.len(), found[0].0.state), (1, State::Listen));
    }
}

#[test]
fn a_listener_has_no_peer_even_if_the_row_has_one() {
    let found = sockets(&[row(tcp("0.0.0.0:80", "0.0.0.0:51234", TcpState::Listen), &[1])]);
    assert_eq!(found[0].0.remote, None);
}

#[test]
fn pid_zero_and_unbound_sockets_are_dropped() {
    let unbound = ProtocolSocketInfo::Udp(UdpSocketInfo {
        local_addr: Ipv6Addr::UNSPECIFIED.into(),
        local_port: 0,
    });
    let past = tcp("10.0.0.1:80", "10.0.0.2:5000", TcpState::TimeWait);
    let found = sockets(&[row(unbound, &[5]), row(past, &[0])]);
    assert_eq!((found.len(), found[0].1.as_slice()), (1, &[][..]));
}

#[test]
fn an_unknown_state_is_refused() {
    let row = self::row(tcp("10.0.0.1:80", "10.0.0.2:5000", TcpState::Unknown), &[1]);
    assert_eq!(Tuples::default().add(&row), None);
}

#[test]
fn compatible_addresses_become_mapped_ones() {
    for (reported, expected) in [
        ("::127.0.0.1", "::ffff:127.0.0.1"),
        ("::", "::"),
        ("::1", "::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("fe80::1", "fe80::1"),
        ("10.0.0.1", "10.0.0.1"),
    ] {
        assert_eq!(
            mapped(reported.parse().unwrap()),
            expected.parse::<IpAddr>().unwrap(),
            "{reported}"
        );
    }
}

#[test]
fn values_that_the_source_does_not_report_are_unknown_not_zero() {
    let row = self::row(tcp("10.0.0.1:80", "10.0.0.2:5000", TcpState::Established), &[1]);
    let (socket, _) = sockets(&[row]).remove(0);
    let unknown = Unknown::SourceDoesNotReport;
    assert_eq!(socket.queues, Known::Unknown(unknown));
    assert_eq!(socket.tcp, Known::Unknown(unknown));
    assert_eq!(socket.memory, Known::Unknown(unknown));
    assert_eq!(socket.uid, Known::Unknown(unknown));
    assert_eq!(socket.inode, Known::Unknown(unknown));
    assert_eq!(socket.accept_queue, Known::NotApplicable);
}

use std::cell::RefCell;
use std::mem::offset_of;
use std::net::SocketAddr;
use std::sync::Arc;

use netsock::socket::{ProtocolSocketInfo, SocketInfo, TcpSocketInfo};
use netsock::state::TcpState;

use conns_contract::States;
use conns_core::model::Netns;

use super::*;
use crate::tuple::Tuples;

/// A system that answers each call with a code, and writes `path`.
#[derive(Default)]
struct System {
    enable: u32,
    read: u32,
    path: Path,
    enabled: RefCell<Vec<Row>>,
    reads: RefCell<Vec<Row>>,
}

impl Calls for System {
    fn enable(&self, row: &Row) -> u32 {
        self.enabled.borrow_mut().push(*row);
        self.enable
    }

    fn read(&self, row: &Row, path: &mut Path) -> u32 {
        self.reads.borrow_mut().push(*row);
        path.smoothed_rtt = self.path.smoothed_rtt;
        path.count_rtt = self.path.count_rtt;
        self.read
    }
}

fn sockets(rows: &[(TcpState, &str, &str)]) -> Vec<Socket> {
    let mut tuples = Tuples::default();
    for (state, local, remote) in rows {
        let [local, remote] = [local, remote].map(|end| end.parse::<SocketAddr>().unwrap());
        let tcp = TcpSocketInfo {
            local_addr: local.ip(),
            local_port: local.port(),
            remote_addr: remote.ip(),
            remote_port: remote.port(),
            state: *state,
        };
        let info = SocketInfo {
            protocol_socket_info: ProtocolSocketInfo::Tcp(tcp),
            processes: Vec::new(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            inode: 0,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            uid: 0,
        };
        tuples.add(&info).unwrap();
    }
    tuples.into_sockets(&Arc::new(Netns::only()), States::all()).0
}

fn connection() -> Vec<Socket> {
    sockets(&[(TcpState::Established, "10.0.0.1:4660", "10.0.0.2:80")])
}

/// What a system reports of a connection.
fn reported(system: &System) -> Socket {
    let mut sockets = connection();
    add(system, &mut sockets);
    sockets.remove(0)
}

#[test]
fn the_structure_has_the_offsets_of_the_header() {
    assert_eq!(size_of::<Path>(), 160);
    assert_eq!(offset_of!(Path, smoothed_rtt), 108);
    assert_eq!(offset_of!(Path, count_rtt), 128);
}

#[test]
fn a_connection_has_its_round_trip_time_and_no_other_measure() {
    let system = System {
        path: Path { smoothed_rtt: 20, count_rtt: 3, ..Path::default() },
        ..System::default()
    };
    let socket = reported(&system);
    assert_eq!(socket.rtt_us(), Known::Value(20_000, Source::Portable));
    let unread = Unknown::SourceDoesNotReport;
    assert_eq!(socket.bytes_out(), Known::Unknown(unread));
    assert_eq!(socket.bytes_in(false), Known::Unknown(unread));
    assert_eq!(system.enabled, system.reads);
}

#[test]
fn what_is_no_round_trip_time_is_unknown_with_its_reason() {
    let path = |smoothed_rtt, count_rtt| Path { smoothed_rtt, count_rtt, ..Path::default() };
    for (enable, read, path, why) in [
        (0, 0, path(0, 0), Unknown::NothingMeasured),
        (0, 0, path(u32::MAX, 0), Unknown::NothingMeasured),
        (0, 0, path(0, 5), Unknown::SourceDoesNotReport),
        (5, 0, path(20, 5), Unknown::NotPrivileged),
        (1168, 0, path(20, 5), Unknown::SourceDoesNotReport),
        (0, 1168, path(20, 5), Unknown::SourceDoesNotReport),
        (50, 0, path(20, 5), Unknown::KernelDoesNotReport),
        (0, 87, path(20, 5), Unknown::SourceFailed),
    ] {
        let system = System { enable, read, path, ..System::default() };
        assert_eq!(reported(&system).rtt_us(), Known::Unknown(why), "{enable} {read}");
        // What was not asked for is no measure, whatever can be read.
        assert_eq!(system.reads.borrow().len(), usize::from(enable == 0));
    }
}

#[test]
fn a_refusal_is_asked_for_once() {
    let mut all = sockets(&[
        (TcpState::Established, "10.0.0.1:4660", "10.0.0.2:80"),
        (TcpState::CloseWait, "[fe80::1]:4660", "[fe80::2]:80"),
    ]);
    let system = System { enable: 5, ..System::default() };
    add(&system, &mut all);
    let denied = Known::Unknown(Unknown::NotPrivileged);
    assert!(all.iter().all(|socket| socket.rtt_us() == denied));
    assert_eq!(system.enabled.borrow().len(), 1);
}

#[test]
fn rows_are_those_of_connections_in_network_byte_order() {
    let mut all = sockets(&[
        (TcpState::Established, "10.0.0.1:4660", "10.0.0.2:80"),
        (TcpState::CloseWait, "[2001:db8::1]:4660", "[2001:db8::2]:80"),
        (TcpState::Listen, "0.0.0.0:80", "0.0.0.0:0"),
        (TcpState::SynSent, "10.0.0.1:4661", "10.0.0.2:80"),
        (TcpState::TimeWait, "10.0.0.1:4662", "10.0.0.2:80"),
    ]);
    let system = System::default();
    add(&system, &mut all);
    let number = u32::from_ne_bytes;
    let (from, to) = (number([0x12, 0x34, 0, 0]), number([0, 80, 0, 0]));
    let (net, zero) = (number([0x20, 1, 0x0d, 0xb8]), 0);
    let ends = [1, 2].map(|last| number([0, 0, 0, last]));
    assert_eq!(
        *system.enabled.borrow(),
        [
            Row::Ipv4([5, number([10, 0, 0, 1]), from, number([10, 0, 0, 2]), to]),
            Row::Ipv6([8, net, zero, zero, ends[0], 0, from, net, zero, zero, ends[1], 0, to]),
        ]
    );
    // A listener and past connections have no such measure, an attempt has one later.
    let others: Vec<_> = all.iter().skip(2).map(|socket| socket.tcp.value().is_none()).collect();
    assert_eq!(others, [true; 3]);
}

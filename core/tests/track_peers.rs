//! Rows of the peers of unconnected UDP sockets.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use conns_core::model::{
    Connection, Direction, FlowKey, Known, Observation, Protocol, Queues, Socket, SocketSample,
    Source, State, Subject, UdpPeer, UdpTraffic, Unknown,
};
use conns_core::query::{find_field, group};
use conns_fixtures::{at, endpoint, known, owner_table, process, socket, tracker, with_cookie};

/// A socket with two peers: one asked, the other one was only sent to. `bytes` were received from the first.
fn server(bytes: u64) -> Socket {
    let mut row = with_cookie(7, socket(Protocol::Udp, State::Close, "0.0.0.0:53", None));
    let peer = |remote: &str, bytes_out, bytes_in| UdpPeer {
        remote: endpoint(remote),
        bytes_out,
        bytes_in,
        datagrams_out: u64::from(bytes_out > 0),
        datagrams_in: u64::from(bytes_in > 0),
    };
    let peers = [peer("192.0.2.1:4000", 90, bytes), peer("192.0.2.2:53", 30, 0)];
    row.udp = known(UdpTraffic {
        bytes_out: 120,
        bytes_in: bytes,
        peers: peers.to_vec().into(),
        peers_omitted: 0,
    });
    row.inode = known(70);
    row.queues = known(Queues { receive_bytes: 5, send_bytes: 0 });
    row
}

/// The rows of a socket and of its peers.
fn rows(bytes: u64) -> Vec<SocketSample> {
    let server = server(bytes);
    let peers =
        ["192.0.2.1:4000", "192.0.2.2:53"].map(|peer| server.of_peer(endpoint(peer)).unwrap());
    [server].into_iter().chain(peers).map(Into::into).collect()
}

fn sampled(second: [u64; 2], bytes: [u64; 2]) -> Vec<Connection> {
    let mut tracker = tracker();
    let mut snapshot = None;
    for (second, bytes) in second.into_iter().zip(bytes) {
        let observation = Observation::new(Source::Ebpf, at(second)).with_sockets(rows(bytes));
        let owners = owner_table([(Subject::Socket(server(0).id), process(9, "dnsmasq"), 4)]);
        let owners = Observation::new(Source::Ebpf, at(second)).with_owners(owners);
        snapshot = Some(tracker.apply(vec![observation, owners]));
    }
    snapshot.unwrap().connections
}

#[test]
fn a_peer_is_a_connection_with_traffic_of_its_own() {
    let connections = sampled([1, 2], [50, 150]);
    let [whole, asked, sent] = &connections[..] else { panic!("{}", connections.len()) };
    assert!(whole.is_listening() && !whole.is_peer() && whole.remote().is_none());
    assert!(asked.is_established() && !asked.is_listening() && asked.is_peer());
    let remote = endpoint("192.0.2.1:4000");
    assert_eq!((asked.remote(), asked.id().flow), (Some(remote), Some(FlowKey::Peer(remote))));
    assert_eq!((asked.bytes_out().get(), asked.bytes_in().get()), (Some(90), Some(150)));
    let rate = |connection: &Connection| connection.stats.rates.get().map(|r| r.in_bytes_per_s);
    assert_eq!((rate(whole), rate(asked), rate(sent)), (Some(100.0), Some(100.0), Some(0.0)));
    // What is queued is not known by peer.
    assert_eq!(asked.socket.queues, Known::Unknown(Unknown::SourceDoesNotReport));
    let ids: Vec<_> = connections.iter().map(|one| one.socket.id).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0].netns == ids[1].netns);
    // Descriptors refer to the socket.
    let names = connections.iter().map(|one| one.listed_owners()[0].process.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["dnsmasq"; 3]);
}

#[test]
fn the_direction_of_a_peer_is_known_if_only_one_end_has_sent() {
    let directions = |bytes| sampled([1, 2], [bytes; 2]).into_iter().map(|one| one.direction.get());
    let [_, asked, sent] = &directions(50).collect::<Vec<_>>()[..] else { panic!("three") };
    assert_eq!((*asked, *sent), (None, Some(Direction::Outbound)));
}

#[test]
fn a_peer_that_is_not_counted_has_no_row() {
    assert!(server(1).of_peer(endpoint("192.0.2.3:1")).is_none());
    let mut unread = server(1);
    unread.udp = Known::Unknown(Unknown::SourceFailed);
    assert!(unread.of_peer(endpoint("192.0.2.1:4000")).is_none());
}

#[test]
fn a_group_has_the_traffic_of_a_peer_once() {
    let connections = sampled([1, 2], [50, 150]);
    let field = find_field("process").unwrap();
    let bytes = |connections: &[&Connection]| {
        let [group] = &group(connections, field)[..] else { panic!("one group") };
        (group.count, group.bytes_out.total, group.bytes_in.total)
    };
    let all: Vec<&Connection> = connections.iter().collect();
    assert_eq!(bytes(&all), (3, 120, 150));
    // Without the row of the socket, as in the list of connections.
    assert_eq!(bytes(&all[1..]), (2, 120, 150));
    assert_eq!(bytes(&all[1..2]), (1, 90, 150));
}

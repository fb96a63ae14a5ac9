//! Sockets that are neither TCP nor UDP: joined with the owners of both ends, without verdict and direction, and filtered
//! by their own fields.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use std::sync::Arc;

use conns_core::model::{
    Connection, Family, Known, Moment, Netns, Observation, OtherSocket, OwnerEntry, OwnerTable,
    PeerSocket, Process, Protocol, Socket, SocketId, SocketSample, Source, State, Subject, Unknown,
};
use conns_core::query::{Filter, Value, field_named};
use conns_core::track::{Retention, Tracker};

const SOURCE: Source = Source::SockDiag;

fn unix(inode: u64, peer: u64, name: &str) -> Socket {
    let owners = Known::Unknown(Unknown::NoOwnerFound);
    let other = OtherSocket {
        local_name: Known::Value(name.into(), SOURCE),
        peer: Known::Value(PeerSocket { inode: peer, owners }, SOURCE),
        ..OtherSocket::bare()
    };
    let id = SocketId { netns: 1, cookie: inode };
    let netns = Arc::new(Netns::new(1, None, true));
    let ends = (Protocol::Unix, Family::Unix);
    let why = Unknown::KernelDoesNotReport;
    let socket = Socket::new_other(id, SOURCE, netns, ends, State::Established, other, why);
    Socket { inode: Known::Value(inode, SOURCE), ..socket }
}

fn owners(of: &[(u64, u32)]) -> OwnerTable {
    let processes = [(7, "client"), (8, "server"), (9, "helper")]
        .map(|(pid, name)| Arc::new(Process::bare(pid, name, Unknown::SourceDoesNotReport)));
    let entry = |(inode, process): &(u64, u32)| OwnerEntry {
        subject: Subject::Inode(*inode),
        process: *process,
        descriptor: Some(3),
    };
    let entries: Vec<OwnerEntry> = of.iter().map(entry).collect();
    OwnerTable { processes: processes.into(), entries: entries.into(), unreadable_processes: 0 }
}

fn tracked(retention: Retention, rows: Vec<Socket>, table: OwnerTable) -> Vec<Connection> {
    let rows = rows.into_iter().map(SocketSample::from).collect();
    let at = Moment::default();
    let observations = vec![
        Observation::new(SOURCE, at).with_sockets(rows),
        Observation::new(Source::Procfs, at).with_owners(table.into()),
    ];
    Tracker::new(retention).apply(observations).connections
}

fn value<'a>(name: &str, connection: &'a Connection) -> Value<'a> {
    field_named(name).unwrap().value(connection)
}

#[test]
fn the_owners_of_the_other_end_are_joined() {
    for retention in [Retention::None, Retention::Window(std::time::Duration::from_secs(5))] {
        let rows = vec![unix(10, 11, "/run/x"), unix(11, 10, ""), unix(12, 99, "")];
        let table = owners(&[(10, 1), (11, 0), (10, 2)]);
        let made = tracked(retention, rows, table);
        let [server, client, lone] = &made[..] else { panic!("{} rows", made.len()) };
        assert_eq!(value("peer_process", server), Value::text("client"));
        assert_eq!(value("peer_pid", server), Value::Count(7));
        let both = Value::Several(vec![Value::text("server"), Value::text("helper")]);
        assert_eq!(value("peer_process", client), both);
        assert_eq!(value("peer_inode", client), Value::Count(10));
        // Its process could not be found.
        assert_eq!(value("peer_pid", lone), Value::Unknown(Unknown::NoOwnerFound));
    }
}

#[test]
fn what_is_of_the_internet_does_not_apply() {
    let made = tracked(Retention::None, vec![unix(10, 11, "/run/x")], owners(&[]));
    let row = made.first().unwrap();
    for name in ["local", "local_addr", "local_port", "remote", "direction", "rtt", "loss", "tos"] {
        assert_eq!(value(name, row), Value::NotApplicable, "{name}");
    }
    assert_eq!(value("proto", row), Value::text("unix"));
    assert_eq!(value("verdict", row), Value::text("unknown"));
    assert!(row.is_established() && !row.is_listening());
}

#[test]
fn filters_compare_names_and_peers() {
    let rows = vec![unix(10, 11, "/run/docker.sock"), unix(11, 10, "")];
    let made = tracked(Retention::None, rows, owners(&[(10, 1), (11, 0)]));
    for (filter, expected) in [
        ("docker", [true, false]),
        ("path == /run/docker.sock", [true, false]),
        ("path ~ ^/run", [true, false]),
        ("peer_process == server", [false, true]),
        ("peer_pid in (7, 8)", [true, true]),
        ("proto == unix", [true, true]),
        ("family == unix", [true, true]),
        ("unix", [true, true]),
        ("0.0.0.0", [false, false]),
        ("local_port == 0", [false, false]),
        ("not no_table", [true, true]),
    ] {
        let filter_is = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let matches: Vec<bool> = made.iter().map(|row| filter_is.matches(row)).collect();
        assert_eq!(matches, expected, "{filter}");
    }
}

#[test]
fn the_ends_of_a_socket_in_no_table_are_unknown() {
    let mut socket = unix(10, 11, "");
    (socket.protocol, socket.family, socket.state) = (Protocol::Tcp, Family::Ipv4, State::Close);
    socket.other = Some(Arc::new(OtherSocket { is_in_no_table: true, ..OtherSocket::bare() }));
    let made = tracked(Retention::None, vec![socket], owners(&[(10, 1)]));
    let row = made.first().unwrap();
    assert_eq!(value("local_port", row), Value::Unknown(Unknown::KernelDoesNotReport));
    assert_eq!(value("no_table", row), Value::Bool(true));
    assert_eq!(value("process", row), Value::text("server"));
    assert!(row.is_established(), "it is in the plain list");
}

//! A machine that is looked at again and again, and the beats an agent makes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use conns_core::model::{
    AcceptQueue, CloseReason, Closed, ClosedConnection, Congestion, CongestionDetail, Connection,
    Endpoint, Event, EventKind, Family, Health, Known, Loss, LossCause, Moment, Netns, Observation,
    Opened, OwnerEntry, OwnerTable, Process, Protocol, Queues, Socket, SocketId, SocketMemory,
    SocketSample, Source, State, Subject, TcpInfo, Timer, TimerKind, UdpPeer, UdpTraffic, Unknown,
    Update,
};
use conns_core::track::{Retention, Tracker};

const SECOND_US: u64 = 1_000_000;

pub(crate) fn known<T>(value: T) -> Known<T> {
    Known::Value(value, Source::SockDiag)
}

fn endpoint(text: &str) -> Endpoint {
    let end: SocketAddr = text.parse().expect("an address with port");
    Endpoint { address: end.ip(), port: end.port() }
}

/// The namespaces: the agent's own, and one with a name.
pub(crate) fn namespaces() -> [Arc<Netns>; 2] {
    [
        Arc::new(Netns::new(4_026_531_840, None, true)),
        Arc::new(Netns::new(4_026_532_999, Some("blue"), false)),
    ]
}

/// An established TCP connection with every kind of value in it; its inode is its cookie.
pub(crate) fn socket(cookie: u64, local: &str, remote: &str, bytes: u32) -> SocketSample {
    let local = endpoint(local);
    let netns = Arc::clone(&namespaces()[usize::from(local.address.is_ipv6())]);
    let mut tcp = [0_u8; 280];
    for (at, value) in [(44, 1500), (52, 2500), (56, 900), (68, 40_000), (120, bytes), (200, bytes)]
    {
        tcp[at..at + 4].copy_from_slice(&u32::to_ne_bytes(value));
    }
    let timer = Timer { kind: TimerKind::Other(9), expires_ms: 1000, retransmits: 0 };
    SocketSample::from(Socket {
        id: SocketId { netns: netns.inode, cookie },
        source: Source::SockDiag,
        netns,
        protocol: Protocol::Tcp,
        family: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        state: State::Established,
        local,
        remote: Some(endpoint(remote)),
        interface: 0,
        inode: known(cookie),
        uid: known(0),
        queues: known(Queues { receive_bytes: 1, send_bytes: 2 }),
        accept_queue: Known::NotApplicable,
        timer: known(timer),
        memory: known(SocketMemory { drops: Some(3), ..SocketMemory::default() }),
        congestion: known(Congestion { algorithm: "cubic".into(), detail: CongestionDetail::None }),
        tos: known(0x10),
        mark: Known::Unknown(Unknown::NotPrivileged),
        cgroup_id: known(u64::MAX),
        shutdown: known(0),
        upper_layer: Known::NotApplicable,
        tcp: known(TcpInfo::new(&tcp)),
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
    })
}

pub(crate) fn listener(cookie: u64, local: &str) -> SocketSample {
    let mut socket = socket(cookie, local, local, 0);
    socket.state = State::Listen;
    socket.remote = None;
    socket.accept_queue = known(AcceptQueue { length: 0, limit: 128 });
    socket
}

pub(crate) fn udp(cookie: u64, local: &str) -> SocketSample {
    let mut socket = socket(cookie, local, local, 0);
    (socket.protocol, socket.state) = (Protocol::Udp, State::Close);
    (socket.remote, socket.tcp) = (None, Known::NotApplicable);
    let peer = UdpPeer {
        remote: endpoint("192.0.2.53:53"),
        bytes_out: 40,
        bytes_in: 400,
        datagrams_out: 1,
        datagrams_in: 2,
    };
    let traffic = UdpTraffic { bytes_out: 41, bytes_in: 400, peers: Arc::new([peer]) };
    socket.udp = Known::Value(traffic, Source::Ebpf);
    socket
}

pub(crate) fn process(pid: u32, name: &str) -> Arc<Process> {
    Arc::new(Process {
        pid,
        name: name.into(),
        executable: known(format!("/usr/sbin/{name}").into()),
        command_line: known(format!("{name} -D --with \"quotes\" and päckchen").into()),
        uid: known(0),
        user: known("root".into()),
        started_wall_us: known(1_700_000_000_000_000),
        parent_pid: known(1),
        cgroup: known("/system.slice".into()),
        container_id: Known::NotApplicable,
        systemd_unit: Known::Unknown(Unknown::NotPrivileged),
    })
}

/// An agent that looks once a second at what it is told is there.
pub(crate) struct Agent {
    tracker: Tracker,
    latest: Option<Update>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self {
            tracker: Tracker::new(Retention::Window(std::time::Duration::from_secs(5))),
            latest: None,
        }
    }

    /// One more look. `holds` are pid and inode; processes are named after their pid.
    pub(crate) fn look(&mut self, sockets: Vec<SocketSample>, holds: &[(u32, u64)]) -> Update {
        let updates = self.latest.as_ref().map_or(0, |update| update.health.samples);
        let us = (100 + updates) * SECOND_US;
        let at = Moment { monotonic_us: us, wall_us: 1_700_000_000_000_000 + us as i64 };
        let mut pids: Vec<u32> = holds.iter().map(|(pid, _)| *pid).collect();
        pids.dedup();
        let held = |(pid, inode): &(u32, u64)| OwnerEntry {
            subject: Subject::Inode(*inode),
            process: pids.iter().position(|known| known == pid).unwrap() as u32,
            descriptor: Some(7),
        };
        let owner_table = OwnerTable {
            entries: holds.iter().map(held).collect(),
            processes: pids.iter().map(|pid| process(*pid, &format!("p{pid}"))).collect(),
            unreadable_processes: 0,
        };
        let loss =
            Loss { source: Source::Procfs, cause: LossCause::ProcessesNotPermitted, count: 3 };
        let mut snapshot = self.tracker.apply(vec![
            Observation::new(Source::SockDiag, at).with_sockets(sockets),
            Observation::new(Source::Procfs, at)
                .with_owners(owner_table.into())
                .with_losses(vec![loss]),
        ]);
        // Nobody told of beginnings and ends.
        for connection in &mut snapshot.connections {
            connection.opened = Known::NotApplicable;
            connection.closed = Known::NotApplicable;
        }
        let snapshot = Arc::new(snapshot);
        let mut closed: Vec<Arc<ClosedConnection>> = Vec::new();
        if let Some(before) = &self.latest {
            closed.extend(before.closed.iter().cloned());
            for connection in &before.snapshot.connections {
                let id = connection.socket.id;
                if !snapshot.connections.iter().any(|now| now.socket.id == id) {
                    let connection = connection.clone();
                    closed.push(Arc::new(ClosedConnection {
                        sequence: snapshot.sequence,
                        at,
                        connection,
                    }));
                }
            }
        }
        let started = Moment { monotonic_us: 100 * SECOND_US, ..at };
        let update = Update {
            instance: 77,
            snapshot,
            closed: closed.into(),
            closed_complete_since: 1,
            events: Arc::default(),
            events_complete_since: 0,
            health: Health { started, samples: updates + 1, ..Health::default() },
            ..Update::default()
        };
        self.latest = Some(update.clone());
        update
    }
}

/// One look at a machine with one socket of each kind; of the last it was told how it was opened.
pub(crate) fn machine() -> Update {
    let mut update = Agent::new().look(
        vec![
            socket(1, "10.0.0.5:443", "192.0.2.7:51000", 1000),
            socket(2, "10.0.0.5:443", "192.0.2.7:51001", 0),
            listener(3, "0.0.0.0:443"),
            udp(4, "127.0.0.53:53"),
            socket(5, "[2001:db8::1]:22", "[2001:db8::2]:40000", 5),
            socket(6, "10.0.0.5:50000", "192.0.2.9:80", 5),
        ],
        &[(100, 1), (100, 2), (100, 3), (101, 3), (200, 4), (300, 5)],
    );
    let snapshot = Arc::make_mut(&mut update.snapshot);
    if let Some(last) = snapshot.connections.last_mut() {
        *last = opened(last.clone());
    }
    update
}

/// The connection as it was opened by process 100, of which looks know more.
pub(crate) fn opened(mut connection: Connection) -> Connection {
    let untold = Unknown::SourceCannotTell;
    let opener = Process {
        executable: Known::Unknown(untold),
        command_line: Known::Unknown(untold),
        ..Process::clone(&process(100, "p100"))
    };
    let moment = Moment { monotonic_us: 5_000_000, wall_us: 1_700_000_005_000_000 };
    connection.opened = Known::Value(
        Arc::new(Opened {
            at: moment,
            handshake_us: Known::Value(1200, Source::Ebpf),
            accept_wait_us: Known::NotApplicable,
            by: Known::Value(Arc::new(opener), Source::Ebpf),
        }),
        Source::Ebpf,
    );
    connection
}

/// That connection, closed by its peer.
pub(crate) fn closed(connection: Connection) -> Connection {
    let mut connection = opened(connection);
    connection.socket.state = State::Close;
    let moment = Moment { monotonic_us: 9_000_000, wall_us: 1_700_000_009_000_000 };
    let closed = Closed {
        at: moment,
        duration_us: Known::Value(4_000_000, Source::Ebpf),
        how: CloseReason::Error(113),
        first_closer: Known::Unknown(Unknown::Ambiguous),
        fin_received: true,
    };
    connection.closed = Known::Value(closed, Source::Ebpf);
    connection
}

/// The machine, of which these events are kept: the connections with cookies 1 and 5 open and close,
/// again and again.
pub(crate) fn eventful(serials: std::ops::RangeInclusive<u64>) -> Update {
    let mut update = machine();
    let of = |cookie: u64| {
        let mut there = update.snapshot.connections.iter();
        there.find(|connection| connection.socket.id.cookie == cookie).unwrap().clone()
    };
    let rounds = [
        (EventKind::Opened, opened(of(1))),
        (EventKind::Accepted, opened(of(5))),
        (EventKind::Closed, closed(of(1))),
        (EventKind::Failed, closed(of(5))),
    ];
    let event = |serial: u64| {
        let (kind, connection) = rounds[serial as usize % rounds.len()].clone();
        let us = serial * 1000;
        let at = Moment { monotonic_us: us, wall_us: 1_700_000_000_000_000 + us as i64 };
        Arc::new(Event { serial, at, kind, connection })
    };
    update.events_complete_since = serials.start() - 1;
    update.events = serials.map(event).collect();
    update
}

//! A machine that is sampled again and again, and the updates an agent makes of it.

use std::sync::Arc;

use conns_core::model::{
    Ability, AbilityKind, AcceptQueue, Application, BbrState, CapturedEnd, Certainty, CloseReason,
    Closed, ClosedConnection, Congestion, CongestionDetail, Connection, Cost, DroppedEvents, Event,
    EventKind, EventLog, Fallback, Family, Flow, FlowKey, Health, Known, Layer, LayerOrigin, Loss,
    LossCause, LossKind, Machine, Missing, Moment, Netns, Observation, OpenFile, Opened,
    OtherFamily, PortableFault, Process, Protocol, Queues, Record, Scalar, Socket, SocketId,
    SocketMemory, SocketSample, Source, State, Subject, Timer, TimerKind, Totals, UdpPeer,
    UdpTraffic, Unknown, Update,
};
use conns_core::track::Tracker;
use conns_fixtures::{NETNS, Tcp, endpoint, established, known, owner_table, tracker, transfer};

const SECOND_US: u64 = 1_000_000;

/// The namespaces: the agent's own, and one with a name.
pub(crate) fn namespaces() -> [Arc<Netns>; 2] {
    [
        Arc::new(Netns::new(NETNS, None, true)),
        Arc::new(Netns::new(4_026_532_999, Some("blue"), false)),
    ]
}

/// An established TCP connection with every kind of value in it; its inode is its cookie.
pub(crate) fn socket(cookie: u64, local: &str, remote: &str, bytes: u32) -> SocketSample {
    let socket = established(local, remote);
    let netns = Arc::clone(&namespaces()[usize::from(socket.family == Family::Ipv6)]);
    let tcp = Tcp {
        last_data_sent_ms: 1500,
        last_data_recv_ms: 2500,
        last_ack_recv_ms: 900,
        rtt_us: 40_000,
        bytes_acked: bytes.into(),
        bytes_sent: bytes.into(),
        length: 280,
        ..Tcp::ZERO
    };
    let timer = Timer { kind: TimerKind::Other(9), expires_ms: 1000, retransmits: 0 };
    SocketSample::from(Socket {
        id: SocketId { netns: netns.inode, cookie },
        netns,
        inode: known(cookie),
        queues: known(Queues { receive_bytes: 1, send_bytes: 2 }),
        timer: known(timer),
        memory: known(SocketMemory { drops: Some(3), ..SocketMemory::default() }),
        congestion: known(Congestion { algorithm: "cubic".into(), detail: CongestionDetail::None }),
        tos: known(0x10),
        cgroup_id: known(u64::MAX),
        shutdown: known(0),
        tcp: tcp.known(),
        ..socket
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
    let traffic =
        UdpTraffic { bytes_out: 41, bytes_in: 400, peers: Arc::new([peer]), peers_omitted: 2 };
    socket.udp = Known::Value(traffic, Source::Ebpf);
    socket
}

pub(crate) fn process(pid: u32, name: &str) -> Arc<Process> {
    Arc::new(Process {
        executable: known(format!("/usr/sbin/{name}").into()),
        command_line: known(format!("{name} -D --with \"quotes\" and päckchen").into()),
        started_wall_us: known(1_700_000_000_000_000),
        cgroup: known("/system.slice".into()),
        systemd_unit: Known::Unknown(Unknown::NotPrivileged),
        ..conns_fixtures::process(pid, name)
    })
}

/// An agent that samples these sockets once a second.
pub(crate) struct Agent {
    tracker: Tracker,
    latest: Option<Update>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self { tracker: tracker(), latest: None }
    }

    /// One more update. `owners` are pid and inode; processes are named after their pid.
    pub(crate) fn update(&mut self, sockets: Vec<SocketSample>, owners: &[(u32, u64)]) -> Update {
        let updates = self.latest.as_ref().map_or(0, |update| update.health.samples);
        let us = (100 + updates) * SECOND_US;
        let at = Moment { monotonic_us: us, wall_us: 1_700_000_000_000_000 + us as i64 };
        let owner = |(pid, inode): &(u32, u64)| {
            (Subject::Inode(*inode), process(*pid, &format!("p{pid}")), 7)
        };
        let loss =
            Loss { source: Source::Procfs, cause: LossCause::ProcessesNotPermitted, count: 3 };
        let mut snapshot = self.tracker.apply(vec![
            Observation::new(Source::SockDiag, at).with_sockets(sockets),
            Observation::new(Source::Procfs, at)
                .with_owners(owner_table(owners.iter().map(owner)))
                .with_losses(vec![loss]),
        ]);
        // No event source.
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
            health: Health { started, samples: updates + 1, ..Health::default() },
            ..Update::default()
        };
        self.latest = Some(update.clone());
        update
    }
}

/// The first update of a machine with one socket of each kind; an event opened the last.
pub(crate) fn machine() -> Update {
    let mut update = Agent::new().update(
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

/// The connection as it was opened by process 100, of which samples know more.
pub(crate) fn opened(mut connection: Connection) -> Connection {
    let unreported = Unknown::SourceDoesNotReport;
    let opener = Process {
        executable: Known::Unknown(unreported),
        command_line: Known::Unknown(unreported),
        ..Process::clone(&process(100, "p100"))
    };
    let moment = Moment { monotonic_us: 5_000_000, wall_us: 1_700_000_005_000_000 };
    connection.opened = Known::Value(
        Arc::new(Opened {
            at: moment,
            handshake_us: Known::Value(1200, Source::Ebpf),
            first_use_us: Known::NotApplicable,
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

/// An update with something of everything that can be in one.
pub(crate) fn everything() -> Update {
    let mut update = machine();
    let snapshot = Arc::make_mut(&mut update.snapshot);
    snapshot.machine = Arc::new(Machine {
        machine_id: Known::Value("0123456789abcdef0123456789abcdef".into(), Source::Procfs),
        boot_id: Known::Unknown(Unknown::SourceFailed),
        host: Known::Value("reykjavík".into(), Source::Procfs),
    });
    let since = Moment { monotonic_us: 7, wall_us: -7 };
    let value = |scalar| Known::Value(scalar, Source::Wire);
    let record = |name: &str, bytes| Record {
        values: [value(Scalar::Text(name.into())), value(Scalar::Bytes(bytes))].into(),
    };
    let tls = Layer {
        protocol: "tls".into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Seen,
        since,
        gap_bytes: 0,
        values: [
            value(Scalar::Text("example.org".into())),
            Known::Unknown(Unknown::BeganBefore),
            Known::NotApplicable,
            value(Scalar::Count(3)),
            value(Scalar::Port(443)),
            value(Scalar::BytesPerSecond(12.5)),
            value(Scalar::Micros(u64::MAX)),
            value(Scalar::Percent(0.25)),
        ]
        .into(),
    };
    let media = Layer {
        protocol: "media".into(),
        certainty: Certainty::Likely,
        origin: LayerOrigin::Reported,
        since,
        gap_bytes: 99,
        values: [
            value(Scalar::Address([192, 0, 2, 1].into())),
            value(Scalar::Endpoint(endpoint("[2001:db8::7]:8333"))),
            value(Scalar::Bool(true)),
            value(Scalar::Time(-1)),
            value(Scalar::List([record("video", 1 << 40), record("audio", 0)].into())),
        ]
        .into(),
    };
    let application = Arc::new(Application { layers: [tls, media].into() });
    let web = &mut snapshot.connections[0];
    web.application = Known::Value(Arc::clone(&application), Source::Wire);
    web.resolved_name = Some("www.example".into());
    web.socket.interface = 2;
    web.socket.name_interface(Some("eth0".into()));
    web.socket.ipv6_only = known(true);
    web.socket.congestion = known(Congestion {
        algorithm: "bbr".into(),
        detail: CongestionDetail::Bbr(BbrState {
            bandwidth_bytes_per_s: 1 << 33,
            min_rtt_us: 7,
            pacing_gain_256: 739,
            cwnd_gain_256: 512,
        }),
    });
    web.totals = Some(Totals { segments_out: 1 << 40, segments_lost: 2, drops: 3 });
    web.closed = Known::Unknown(Unknown::NotPrivileged);
    let flow = |key, local: &str, remote: &str| {
        let (local, remote) = (endpoint(local), endpoint(remote));
        Some(Arc::new(Flow { key, local, remote, bytes_out: 5, bytes_in: 6 }))
    };
    let peer = FlowKey::Peer(endpoint("192.0.2.53:53"));
    snapshot.connections[3].flow = flow(peer, "127.0.0.53:53", "192.0.2.53:53");
    let quic = FlowKey::Quic([7; 20], 8);
    snapshot.connections[4].flow = flow(quic, "[2001:db8::1]:22", "[2001:db8::2]:4");
    let captured = FlowKey::Captured(CapturedEnd::Second);
    snapshot.connections[5].flow = flow(captured, "10.0.0.5:1", "192.0.2.9:80");
    let owner = snapshot.connections[0].owners.value().unwrap()[0].process.clone();
    snapshot.losses.extend(losses());
    update.transfers = Arc::new([transfer()]);
    update.files = Arc::new([OpenFile {
        path: "/srv/recordings/ä.mp4".into(),
        owner: Known::Value(owner, Source::Procfs),
        first_seen: since,
        size_bytes: Known::Value(1 << 34, Source::Procfs),
        application: Known::Value(application, Source::Wire),
    }]);
    let missing = Some(Missing::Loss(losses().remove(0)));
    update.health = Health {
        interval_us: 333_333,
        lateness_us: 1,
        lateness_max_us: 2,
        samples_skipped: 3,
        failing: None,
        abilities: vec![
            Ability { kind: AbilityKind::KernelTables, missing: None },
            Ability { kind: AbilityKind::Owners, missing },
            Ability::tried(AbilityKind::EbpfEvents, Some("no BTF".into())),
            Ability::tried(AbilityKind::named("tea", "makes tea"), None),
        ],
        reconciliation_differences: 4,
        losses: losses(),
        lost_at: None,
        cost: Cost {
            cpu_us: 5,
            sample_cpu_us: 6,
            resident_bytes: 7,
            resident_peak_bytes: u64::MAX,
        },
        ..update.health
    };
    update
}

/// A loss of each cause.
pub(crate) fn losses() -> Vec<Loss> {
    let (table, error) = (|| "TCP over IPv4".into(), || "Operation not permitted".into());
    let events = DroppedEvents::WithoutStorage;
    [
        LossCause::DumpInterrupted { table: table(), attempts: 5 },
        LossCause::DumpOverrun { table: table(), attempts: 5 },
        LossCause::DumpMessagesRefused { table: table(), last: error() },
        LossCause::TableUnreadable {
            table: table(),
            error: error(),
            needs_modules: true,
            family: Some(OtherFamily::Unix),
        },
        LossCause::SourceUnavailable { error: error(), fallback: Fallback::Procfs },
        LossCause::NamespacesNotListed { error: error(), out_of_files: true },
        LossCause::NamespaceNotEntered {
            inode: 4_026_531_840,
            name: Some("blue".into()),
            error: error(),
            not_permitted: true,
        },
        LossCause::NamespacesBeyondBound { bound: 4096 },
        LossCause::ProcessesNotPermitted,
        LossCause::ProcessesUnreadable { last: "/proc/7/fd".into(), error: error() },
        LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: 1 << 20 },
        LossCause::StorageFull { events },
        LossCause::ChangesRingFull { passes: 3 },
        LossCause::SocketsNotMarked,
        LossCause::RecordsUnknown { are_events: true },
        LossCause::PortableStopped { failures: 9 },
        LossCause::PortableRow { fault: PortableFault::StateUnknown, first: error() },
        LossCause::HistoryFull { bound: 10 },
        LossCause::SocketsBeyondBound { bound: 12 },
        LossCause::PendingFull { bound: 11 },
        LossCause::FinalMeasuresFull { bound: 12 },
        LossCause::EventsNotPublished { capacity: 13 },
        LossCause::OtherCauses { bound: 64 },
        LossCause::PollingFallback { interval_us: 1_000_000, reason: "no BTF".into() },
        LossCause::AgentFailing { error: error() },
        LossCause::AnswerTruncated { connections: 1, descriptors: 2 },
        LossCause::AgentRestarted,
        LossCause::EventsForgotten,
        LossCause::ClosedListFull { bound: 15 },
        LossCause::PayloadDropped,
        LossCause::ApplicationsFull { bound: 16 },
        LossCause::NamesFull { bound: 17 },
        LossCause::InterfacesNotNamed { inode: 18, error: "e".into(), not_permitted: true },
        LossCause::UdpPeersEvicted { capacity: 17 },
        LossCause::ProcessesHidden { by_pid_namespace: true },
        LossCause::Reported { kind: LossKind::MapFull, template: "{count} maps".into() },
    ]
    .into_iter()
    .zip(1..)
    .map(|(cause, count)| Loss { source: Source::Ebpf, cause, count })
    .collect()
}

/// An agent with buffered events.
pub(crate) struct Eventful {
    pub(crate) update: Update,
    pub(crate) log: EventLog,
}

impl Eventful {
    pub(crate) fn add_loss(&mut self, loss: Loss) {
        self.log.losses = self.log.losses.iter().cloned().chain([loss]).collect();
    }

    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        self.log.iter().cloned().collect()
    }
}

/// The machine, of which these events are buffered: the connections with cookies 1 and 5 open and
/// close, again and again.
pub(crate) fn eventful(serials: std::ops::RangeInclusive<u64>) -> Eventful {
    let update = machine();
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
    let mut log = EventLog::after(update.instance, serials.start() - 1);
    log.append(serials.map(event));
    Eventful { update, log }
}

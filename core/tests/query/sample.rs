//! Seven connections to ask for, one letter each, and the parts to build others from.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::net::SocketAddr;
use std::sync::Arc;

use conns_core::model::Class;
use conns_core::model::{
    Connection, Direction, Endpoint, Family, Known, Moment, Netns, Observation, Owner, Process,
    Protocol, Queues, Rates, Socket, SocketId, SocketSample, Source, State, TcpInfo, Unknown,
};
use conns_core::track::{Retention, Tracker};

pub(crate) fn known<T>(value: T) -> Known<T> {
    Known::Value(value, Source::SockDiag)
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    let end: SocketAddr = text.parse().expect("an address with port");
    Endpoint { address: end.ip(), port: end.port() }
}

/// An established TCP connection of which only the ends are known.
pub(crate) fn connection(local: &str, remote: &str) -> Connection {
    let local = endpoint(local);
    let socket = Socket {
        id: SocketId { netns: 1, cookie: u64::MAX - 1 },
        source: Source::SockDiag,
        netns: Arc::new(Netns::new(4026531840, None, true)),
        protocol: Protocol::Tcp,
        family: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        state: State::Established,
        local,
        remote: Some(endpoint(remote)),
        interface: 0,
        inode: known(7),
        uid: known(0),
        queues: Known::Unknown(Unknown::SourceDoesNotReport),
        accept_queue: Known::NotApplicable,
        timer: Known::NotApplicable,
        memory: Known::Unknown(Unknown::KernelDoesNotReport),
        congestion: Known::Unknown(Unknown::KernelDoesNotReport),
        tos: Known::Unknown(Unknown::KernelDoesNotReport),
        mark: Known::Unknown(Unknown::NotPrivileged),
        cgroup_id: Known::Unknown(Unknown::KernelDoesNotReport),
        shutdown: Known::Unknown(Unknown::KernelDoesNotReport),
        upper_layer: Known::NotApplicable,
        tcp: Known::Unknown(Unknown::KernelDoesNotReport),
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
    };
    let observation = Observation::new(Source::SockDiag, Moment::default())
        .with_sockets(vec![SocketSample::from(socket)]);
    let snapshot = Tracker::new(Retention::None).apply(vec![observation]);
    let mut made = snapshot.connections.into_iter().next().expect("one connection");
    made.owners = Known::Unknown(Unknown::NotPrivileged);
    made.direction = Known::Unknown(Unknown::Ambiguous);
    judge(&mut made, Class::Unknown, 0);
    made
}

/// Gives it this verdict, whatever the evidence.
pub(crate) fn judge(made: &mut Connection, class: Class, confidence_percent: u8) {
    made.verdict.class = class;
    made.verdict.confidence_percent = confidence_percent;
}

pub(crate) fn owner(pid: u32, name: &str, user: &str) -> Owner {
    Owner {
        process: Arc::new(Process {
            pid,
            name: name.into(),
            executable: known(format!("/usr/sbin/{name}").into()),
            command_line: known(format!("{name} -g \"daemon off;\"").into()),
            uid: known(0),
            user: known(user.into()),
            // 2026-01-31T12:00:00Z
            started_wall_us: known(1_769_860_800_000_000),
            parent_pid: known(1),
            cgroup: Known::Unknown(Unknown::NotPrivileged),
            container_id: Known::NotApplicable,
            systemd_unit: known(format!("{name}.service").into()),
        }),
        descriptor: Some(3),
    }
}

/// `tcp_info` as Linux 6.1 sends it, with these measures.
pub(crate) struct Tcp {
    pub(crate) rtt_us: u32,
    pub(crate) segs: u32,
    pub(crate) retrans: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Tcp {
    pub(crate) fn known(&self) -> Known<TcpInfo> {
        let mut bytes = [0_u8; 232];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(7, &[1]);
        put(68, &self.rtt_us.to_ne_bytes());
        put(100, &self.retrans.to_ne_bytes());
        put(128, &self.received.to_ne_bytes());
        put(156, &self.segs.to_ne_bytes());
        put(200, &self.sent.to_ne_bytes());
        known(TcpInfo::new(&bytes))
    }
}

/// The seven.
pub(crate) fn sample() -> Vec<(char, Connection)> {
    let mut web = connection("10.0.0.5:443", "192.0.2.7:51000");
    web.socket.tcp =
        Tcp { rtt_us: 80_000, segs: 1000, retrans: 20, sent: 5_000_000, received: 1000 }.known();
    web.socket.queues = known(Queues { receive_bytes: 0, send_bytes: 65536 });
    web.socket.id.cookie = 17;
    web.owners = known([owner(100, "nginx", "www-data")].into());
    web.direction = known(Direction::Inbound);
    web.stats.rates = known(Rates { out_bytes_per_s: 1_250_000.0, in_bytes_per_s: 12.5 });
    judge(&mut web, Class::PathLoss, 90);

    let mut ssh = connection("[::ffff:10.0.0.5]:22", "[::ffff:10.1.2.3]:40000");
    ssh.socket.tcp = Tcp { rtt_us: 500, segs: 10, retrans: 0, sent: 100, received: 50 }.known();
    ssh.owners = known([owner(200, "sshd", "root")].into());
    ssh.direction = known(Direction::Inbound);
    judge(&mut ssh, Class::Idle, 100);

    let mut database = connection("10.0.0.5:50000", "10.2.0.9:5432");
    database.socket.tcp = Tcp { rtt_us: 0, segs: 0, retrans: 0, sent: 0, received: 0 }.known();
    database.socket.queues = known(Queues { receive_bytes: 4096, send_bytes: 0 });
    database.owners = known([owner(300, "Python3", "alice")].into());
    database.direction = known(Direction::Outbound);
    judge(&mut database, Class::SlowReaderLocal, 70);

    let mut listener = connection("[::]:443", "[::]:0");
    listener.socket.state = State::Listen;
    listener.socket.remote = None;
    listener.socket.tcp = Known::NotApplicable;
    listener.direction = Known::NotApplicable;
    listener.owners = known(
        [owner(99, "nginx", "root"), owner(100, "nginx", "www-data"), owner(101, "caddy", "caddy")]
            .into(),
    );

    let mut resolver = connection("0.0.0.0:53", "0.0.0.0:0");
    resolver.socket.protocol = Protocol::Udp;
    resolver.socket.state = State::Close;
    resolver.socket.remote = None;
    resolver.socket.tcp = Known::NotApplicable;
    resolver.direction = Known::NotApplicable;
    resolver.owners = known([owner(400, "dnsmasq", "dnsmasq")].into());

    let mut ended = connection("10.0.0.5:443", "198.51.100.2:1234");
    ended.socket.state = State::TimeWait;
    ended.socket.inode = Known::NotApplicable;
    ended.socket.tcp = Known::NotApplicable;
    ended.owners = Known::NotApplicable;

    let mut foreign = connection("[2001:db8::1]:50001", "[2001:db8::2]:443");
    foreign.socket.netns = Arc::new(Netns::new(4026532000, Some("lab-a"), false));

    vec![
        ('w', web),
        ('s', ssh),
        ('d', database),
        ('l', listener),
        ('r', resolver),
        ('e', ended),
        ('f', foreign),
    ]
}

//! Seven connections to ask for, one letter each, and the parts to build others from.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;

use conns_core::model::{
    Class, Connection, Direction, Known, Netns, Owner, Process, Protocol, Queues, Rates, Socket,
    SocketId, State, Unknown,
};
use conns_fixtures::{Tcp, established, known, process};

/// An established TCP connection of which only the ends are known.
pub(crate) fn connection(local: &str, remote: &str) -> Connection {
    let mut made = conns_fixtures::connection(Socket {
        id: SocketId { netns: 1, cookie: u64::MAX - 1 },
        queues: Known::Unknown(Unknown::SourceDoesNotReport),
        ..established(local, remote)
    });
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
    let process = Process {
        executable: known(format!("/usr/sbin/{name}").into()),
        command_line: known(format!("{name} -g \"daemon off;\"").into()),
        user: known(user.into()),
        // 2026-01-31T12:00:00Z
        started_wall_us: known(1_769_860_800_000_000),
        systemd_unit: known(format!("{name}.service").into()),
        ..process(pid, name)
    };
    Owner { process: Arc::new(process), descriptor: Some(3) }
}

/// The measures of a connection whose application writes little.
pub(crate) fn tcp(rtt_us: u32, data_segs_out: u32, sent: u64, received: u64) -> Tcp {
    let (bytes_sent, bytes_received) = (sent, received);
    let is_app_limited = true;
    Tcp { rtt_us, data_segs_out, bytes_sent, bytes_received, is_app_limited, ..Tcp::ZERO }
}

/// The seven.
pub(crate) fn sample() -> Vec<(char, Connection)> {
    let mut web = connection("10.0.0.5:443", "192.0.2.7:51000");
    web.socket.tcp = Tcp { total_retrans: 20, ..tcp(80_000, 1000, 5_000_000, 1000) }.known();
    web.socket.queues = known(Queues { receive_bytes: 0, send_bytes: 65536 });
    web.socket.id.cookie = 17;
    web.owners = known([owner(100, "nginx", "www-data")].into());
    web.direction = known(Direction::Inbound);
    web.stats.rates = known(Rates { out_bytes_per_s: 1_250_000.0, in_bytes_per_s: 12.5 });
    judge(&mut web, Class::PathLoss, 90);

    let mut ssh = connection("[::ffff:10.0.0.5]:22", "[::ffff:10.1.2.3]:40000");
    ssh.socket.tcp = tcp(500, 10, 100, 50).known();
    ssh.owners = known([owner(200, "sshd", "root")].into());
    ssh.direction = known(Direction::Inbound);
    judge(&mut ssh, Class::Idle, 100);

    let mut database = connection("10.0.0.5:50000", "10.2.0.9:5432");
    database.socket.tcp = tcp(0, 0, 0, 0).known();
    database.socket.queues = known(Queues { receive_bytes: 4096, send_bytes: 0 });
    database.owners = known([owner(300, "Python3", "alice")].into());
    database.direction = known(Direction::Outbound);
    judge(&mut database, Class::SlowReaderLocal, 70);

    let mut listener = connection("[::]:443", "[::]:0");
    listener.socket.state = State::Listen;
    // Of an interface that was removed.
    listener.socket.interface = 7;
    listener.socket.name_interface(None);
    listener.socket.ipv6_only = known(false);
    listener.socket.remote = None;
    listener.socket.tcp = Known::NotApplicable;
    listener.direction = Known::NotApplicable;
    listener.owners = known(
        [owner(99, "nginx", "root"), owner(100, "nginx", "www-data"), owner(101, "caddy", "caddy")]
            .into(),
    );

    let mut resolver = connection("0.0.0.0:53", "0.0.0.0:0");
    resolver.socket.protocol = Protocol::Udp;
    resolver.socket.interface = 1;
    resolver.socket.name_interface(Some("lo".into()));
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
    foreign.socket.interface = 2;
    foreign.socket.name_interface(Some("eth0".into()));
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

//! Against the running system: real sockets on loopback, in this process and in children, and the
//! whole list against `ss`. Needs no privilege.
#![cfg(unix)] // Children get their sockets as descriptors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests; these functions serve tests only"
)]

use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_contract::{Namespaces, Scope, SocketSource, SourceError, States};
use conns_core::model::{
    Endpoint, Family, Known, Moment, OwnerTable, Process, Protocol, Socket, SocketSample, Source,
    State, Subject,
};
use conns_portable::Portable;

const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

struct Sample {
    sockets: Vec<SocketSample>,
    owner_table: Arc<OwnerTable>,
}

fn sample(scope: &Scope) -> Sample {
    let now = Moment { monotonic_us: 1, wall_us: 2 };
    let observation = Portable::new().observe(scope, now).unwrap();
    assert_eq!((observation.source, observation.at), (Source::Portable, now));
    let sockets = observation.sockets.expect("sockets");
    let owner_table = observation.owners.expect("owners");
    let ids: BTreeSet<_> = sockets.iter().map(|socket| socket.id).collect();
    assert_eq!(ids.len(), sockets.len(), "an identity occurs twice");
    Sample { sockets, owner_table }
}

/// Samples until `condition` is met.
fn eventually(condition: impl Fn(&Sample) -> bool) -> Sample {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = sample(&Scope::everything());
        if condition(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen within 10 s");
    }
}

impl Sample {
    fn state(&self, local: SocketAddr, remote: Option<SocketAddr>) -> Option<State> {
        let ends = (end(local), remote.map(end));
        let found = self.sockets.iter().find(|socket| (socket.local, socket.remote) == ends);
        found.map(|socket| socket.state)
    }

    /// The only socket with these endpoints; fails if there are none or two.
    fn one(&self, protocol: Protocol, local: SocketAddr, remote: Option<SocketAddr>) -> &Socket {
        let (local, remote) = (end(local), remote.map(end));
        let mut found = self.sockets.iter().filter(|socket| {
            (socket.protocol, socket.local, socket.remote) == (protocol, local, remote)
        });
        let first = found.next().unwrap_or_else(|| panic!("{local} {remote:?} is missing"));
        assert!(found.next().is_none(), "{local} {remote:?} is there twice");
        first
    }

    fn owners(&self, socket: &Socket) -> Vec<&Process> {
        let entries = self.owner_table.entries.iter();
        entries
            .filter(|owner_entry| owner_entry.subject == Subject::Socket(socket.id))
            .map(|owner_entry| &*self.owner_table.processes[owner_entry.process as usize])
            .collect()
    }

    /// Checks that this process is the only owner, with correct details.
    fn assert_is_mine(&self, socket: &Socket) {
        let [owner] = self.owners(socket)[..] else {
            panic!("{:?} has owners {:?}", socket.local, self.owners(socket))
        };
        let executable = std::env::current_exe().unwrap();
        // Linux keeps 15 bytes of the name (TASK_COMM_LEN).
        let name = executable.file_name().unwrap().to_string_lossy();
        assert_eq!(owner.pid, std::process::id());
        assert!(!owner.name.is_empty() && name.starts_with(&*owner.name), "{}", owner.name);
        assert_eq!(owner.executable.value().map(|path| &**path), executable.to_str());
        assert!(owner.command_line.value().unwrap().contains(&*name));
        assert_eq!(owner.parent_pid.get(), Some(std::os::unix::process::parent_id()));
        let me = std::fs::metadata("/proc/self").unwrap();
        assert_eq!(owner.uid.get(), Some(me.uid()));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let age_us = i64::try_from(now.as_micros()).unwrap() - owner.started_wall_us.get().unwrap();
        assert!((-2_000_000..600_000_000).contains(&age_us), "started {age_us} us ago");
    }
}

fn end(address: SocketAddr) -> Endpoint {
    Endpoint { address: address.ip(), port: address.port() }
}

fn family(address: SocketAddr) -> Family {
    if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
}

/// A child with `socket` as its standard input, killed when dropped.
struct Owner(Child);

impl Owner {
    fn of(socket: OwnedFd) -> Self {
        let child = Command::new("sleep").arg("600").stdin(Stdio::from(socket)).spawn();
        Self(child.expect("`sleep` of coreutils is needed"))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn own_tcp_sockets_appear_once_with_state_endpoints_and_owner() {
    for address in LOOPBACKS {
        let listener = TcpListener::bind(address).unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let (server, from) = listener.accept().unwrap();
        let seen = sample(&Scope::everything());
        for (local, remote, state) in [
            (at, None, State::Listen),
            (from, Some(at), State::Established),
            (at, Some(from), State::Established),
        ] {
            let socket = seen.one(Protocol::Tcp, local, remote);
            assert_eq!((socket.state, socket.family), (state, family(at)));
            seen.assert_is_mine(socket);
        }
        drop((client, server));
    }
}

#[test]
fn half_closed_and_past_connections_keep_their_states() {
    for address in LOOPBACKS {
        let listener = TcpListener::bind(address).unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let (server, from) = listener.accept().unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // The answer to a FIN may wait for the delayed acknowledgement timer.
        let in_states = |ours, theirs| {
            eventually(|seen| {
                let theirs = theirs == seen.state(at, Some(from));
                theirs && seen.state(from, Some(at)) == Some(ours)
            })
        };
        in_states(State::FinWait2, Some(State::CloseWait));
        drop((client, server));
        let seen = in_states(State::TimeWait, None);
        let past = seen.one(Protocol::Tcp, from, Some(at));
        assert_eq!(past.inode, Known::NotApplicable);
        assert!(seen.owners(past).is_empty());
    }
}

#[test]
fn own_udp_sockets_appear_once_without_a_peer() {
    for address in LOOPBACKS {
        let plain = UdpSocket::bind(address).unwrap();
        let connected = UdpSocket::bind(address).unwrap();
        connected.connect(plain.local_addr().unwrap()).unwrap();
        let seen = sample(&Scope::everything());
        for at in [plain.local_addr().unwrap(), connected.local_addr().unwrap()] {
            let socket = seen.one(Protocol::Udp, at, None);
            assert_eq!((socket.state, socket.family), (State::Close, family(at)));
            seen.assert_is_mine(socket);
        }
    }
}

#[test]
fn an_ipv4_peer_of_an_ipv6_socket_is_shown_mapped() {
    let listener = TcpListener::bind("[::ffff:127.0.0.1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    let seen = sample(&Scope::everything());
    let (local, remote) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
    assert!(local.is_ipv6());
    assert_eq!(seen.one(Protocol::Tcp, local, Some(remote)).family, Family::Ipv6);
    let client_at = client.local_addr().unwrap();
    let other = seen.one(Protocol::Tcp, client_at, Some(client.peer_addr().unwrap()));
    assert_eq!(other.family, Family::Ipv4);
}

#[test]
fn sockets_of_a_child_have_its_pid_and_name() {
    for address in LOOPBACKS {
        let listener = TcpListener::bind(address).unwrap();
        let at = listener.local_addr().unwrap();
        let _client = TcpStream::connect(at).unwrap();
        let (server, from) = listener.accept().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        let udp_at = udp.local_addr().unwrap();
        let children =
            [Owner::of(listener.into()), Owner::of(server.into()), Owner::of(udp.into())];
        let seen = sample(&Scope::everything());
        let found = [
            seen.one(Protocol::Tcp, at, None),
            seen.one(Protocol::Tcp, at, Some(from)),
            seen.one(Protocol::Udp, udp_at, None),
        ];
        for (socket, child) in found.into_iter().zip(&children) {
            let [owner] = seen.owners(socket)[..] else { panic!("not one owner") };
            assert_eq!((owner.pid, &*owner.name), (child.0.id(), "sleep"));
            assert_eq!(owner.parent_pid.get(), Some(std::process::id()));
            assert_eq!(owner.command_line.value().map(|line| &**line), Some("sleep 600"));
        }
        seen.assert_is_mine(seen.one(Protocol::Tcp, from, Some(at)));
    }
}

#[test]
fn a_socket_of_two_processes_is_one_socket_with_two_owners() {
    let listener = TcpListener::bind(LOOPBACKS[0]).unwrap();
    let at = listener.local_addr().unwrap();
    let again = listener.try_clone().unwrap();
    let child = Owner::of(listener.try_clone().unwrap().into());
    let seen = sample(&Scope::everything());
    let owners = seen.owners(seen.one(Protocol::Tcp, at, None));
    let pids: BTreeSet<u32> = owners.iter().map(|owner| owner.pid).collect();
    assert_eq!(pids, BTreeSet::from([std::process::id(), child.0.id()]));
    assert_eq!(owners.len(), 2, "a process is one owner, with any number of descriptors");
    drop(again);
}

#[test]
fn listeners_that_share_a_port_are_one_row_with_all_owners() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
    let share = |at: SocketAddr| {
        // The other tests' children must not inherit it.
        let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
        let shared = socket_with(family, SocketType::STREAM, flags, None).unwrap();
        sockopt::set_socket_reuseport(&shared, true).unwrap();
        bind(&shared, &at).unwrap();
        listen(&shared, 8).unwrap();
        TcpListener::from(shared)
    };
    let mine = share(LOOPBACKS[0].parse().unwrap());
    let at = mine.local_addr().unwrap();
    let child = Owner::of(share(at).into());
    let seen = sample(&Scope::everything());
    let owners = seen.owners(seen.one(Protocol::Tcp, at, None));
    let pids: BTreeSet<u32> = owners.iter().map(|owner| owner.pid).collect();
    assert_eq!(pids, BTreeSet::from([std::process::id(), child.0.id()]));
}

#[test]
fn a_tuple_has_the_same_identity_in_every_sample() {
    let listener = TcpListener::bind(LOOPBACKS[0]).unwrap();
    let at = listener.local_addr().unwrap();
    let ids = [0, 1].map(|_| sample(&Scope::everything()).one(Protocol::Tcp, at, None).id);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].netns, 0);
}

#[test]
fn only_sockets_in_scope_are_returned() {
    let tcp = LOOPBACKS.map(|address| TcpListener::bind(address).unwrap());
    let udp = LOOPBACKS.map(|address| UdpSocket::bind(address).unwrap());
    let count = |change: fn(&mut Scope), belongs: fn(&Socket) -> bool| {
        let mut scope = Scope::everything();
        change(&mut scope);
        let sockets = sample(&scope).sockets;
        assert!(sockets.iter().all(|socket| belongs(socket)));
        sockets.len()
    };
    assert!(count(|scope| scope.udp = false, |socket| socket.protocol == Protocol::Tcp) >= 2);
    assert!(count(|scope| scope.tcp = false, |socket| socket.protocol == Protocol::Udp) >= 2);
    assert!(count(|scope| scope.ipv6 = false, |socket| socket.family == Family::Ipv4) >= 2);
    assert!(count(|scope| scope.ipv4 = false, |socket| socket.family == Family::Ipv6) >= 2);
    let listening = |scope: &mut Scope| scope.states = States::of(&[State::Listen]);
    assert!(count(listening, |socket| socket.state == State::Listen) >= 2);
    let own = |scope: &mut Scope| scope.namespaces = Namespaces::Own;
    assert!(count(own, |socket| socket.netns.is_own) >= 4);
    assert_eq!(count(|scope| (scope.tcp, scope.udp) = (false, false), |_| false), 0);
    drop((tcp, udp));
}

#[test]
fn a_named_namespace_is_refused_with_the_reason() {
    let scope =
        Scope { namespaces: Namespaces::These(vec!["lab-a".into()]), ..Scope::everything() };
    let refused = Portable::new().observe(&scope, Moment::default()).unwrap_err();
    assert!(matches!(refused, SourceError::NoSuchNamespace { .. }));
    let text = refused.to_string();
    assert!(text.contains("lab-a") && text.contains("only reads the one it runs in"), "{text}");
}

/// State and endpoints of every socket that `ss` lists.
fn ss(options: &str) -> BTreeSet<(State, Endpoint, Option<Endpoint>)> {
    let ran = Command::new("ss").arg(options).output();
    let ran = ran.expect("`ss` of the package iproute2 is needed for this test");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [state, _, _, local, remote, ..] = words[..] else { panic!("{line}") };
            let state = State::from_name(state).unwrap();
            (state, ss_end(local).unwrap(), ss_end(remote))
        })
        .collect()
}

/// `127.0.0.1:80`, `127.0.0.53%lo:53`, `[::1]:80`, `[fe80::1]%eth0:546`, `*:80`; none if the port
/// is `*`.
fn ss_end(text: &str) -> Option<Endpoint> {
    let (address, port) = text.rsplit_once(':').unwrap();
    let address = address.split('%').next().unwrap().trim_matches(['[', ']']);
    let address = if address == "*" { "::" } else { address };
    Some(Endpoint { address: address.parse().unwrap(), port: port.parse().ok()? })
}

#[test]
fn every_socket_that_ss_lists_before_and_after_is_listed() {
    let listeners = LOOPBACKS.map(|address| TcpListener::bind(address).unwrap());
    let clients: Vec<TcpStream> = (0..200)
        .map(|n| TcpStream::connect(listeners[n % 2].local_addr().unwrap()).unwrap())
        .collect();
    let udp: Vec<UdpSocket> =
        (0..100).map(|n| UdpSocket::bind(LOOPBACKS[n % 2]).unwrap()).collect();
    // Other tests open and close sockets meanwhile; those that stay must be listed.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (tcp_before, udp_before) = (ss("-tanH"), ss("-uanH"));
        let seen = sample(&Scope::everything());
        let (tcp_after, udp_after) = (ss("-tanH"), ss("-uanH"));
        let listed = |protocol| {
            let of_it = seen.sockets.iter().filter(move |socket| socket.protocol == protocol);
            of_it.map(|socket| (socket.state, socket.local, socket.remote)).collect::<BTreeSet<_>>()
        };
        let tcp = listed(Protocol::Tcp);
        let missing: Vec<_> =
            tcp_before.intersection(&tcp_after).filter(|row| !tcp.contains(*row)).collect();
        assert!(missing.is_empty(), "ss shows, we do not: {missing:?}");
        // The source reports no UDP peers, so only local endpoints can be compared.
        let locals = |rows: &BTreeSet<(State, Endpoint, Option<Endpoint>)>| {
            rows.iter().map(|row| row.1).collect::<BTreeSet<_>>()
        };
        let udp = locals(&listed(Protocol::Udp));
        let stayed = &locals(&udp_before) & &locals(&udp_after);
        assert!(stayed.is_subset(&udp), "ss shows, we do not: {:?}", &stayed - &udp);
        assert!(tcp_before.intersection(&tcp_after).count() >= 402, "too few sockets");
        assert!(stayed.len() >= 100, "too few sockets");
        // Nothing is invented either. A row may only have existed between the two, so this is repeated.
        let invented_tcp = &tcp - &(&tcp_before | &tcp_after);
        let invented_udp = &udp - &(&locals(&udp_before) | &locals(&udp_after));
        if invented_tcp.is_empty() && invented_udp.is_empty() {
            break;
        }
        let late = Instant::now() > deadline;
        assert!(!late, "for 60 s we show, ss does not: {invented_tcp:?} {invented_udp:?}");
    }
    drop((clients, udp));
}

//! Sockets of every kind and state, which do not change while they are compared.
//!
//! Three pairs of namespaces: one whose path carries, one whose answers are swallowed, so that handshakes stay half
//! open, and one that goes black once its connections are open, so that they stay half closed. And one with loopback alone.

use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use conns_lab::process::Peer;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair, sockopt,
};
use rustix::process::Uid;
use rustix::thread::set_thread_uid;
use socket2::{Domain, Socket, Type};

use crate::fixture::peer;

/// A user id without an account.
const UNKNOWN_UID: u32 = 54_321;

/// The sockets, open until dropped.
pub(crate) struct FixtureSockets {
    pub(crate) carrying: Path,
    pub(crate) half_open: Path,
    pub(crate) black: Path,
    pub(crate) alone: Namespace,
    stirred: (TcpStream, TcpStream),
    _owned: Vec<OwnedFd>,
    _peers: Vec<Peer>,
}

impl FixtureSockets {
    /// Opens them all. Nothing moves afterwards but timers.
    pub(crate) fn open() -> Result<Self> {
        let path = || {
            Path::build(
                Shape::delay(Duration::from_millis(1)),
                Shape::delay(Duration::from_millis(1)),
            )
        };
        let (carrying, half_open, black) = (path()?, path()?, path()?);
        let alone = Namespace::create("alone")?;
        let mut owned = Vec::new();
        let mut peers = Vec::new();
        let stirred = pair(&carrying, "10.77.0.2:0")?;
        connections(&carrying, &mut owned).context("making connections")?;
        owned_by_processes(&carrying, &mut peers).context("starting processes")?;
        handshakes(&half_open, &mut owned, &mut peers).context("making half-open handshakes")?;
        half_done(&black, &mut owned).context("half closing")?;
        options(&alone, &mut owned).context("setting options")?;
        datagrams(&alone, &mut owned).context("making UDP sockets")?;
        in_flight(&alone, &mut owned).context("sending a socket")?;
        Ok(Self { carrying, half_open, black, alone, stirred, _owned: owned, _peers: peers })
    }

    /// Moves bytes on a connection that stood still.
    pub(crate) fn stir(&self) -> Result<()> {
        exchange(&self.stirred.0, &self.stirred.1)
    }

    /// The namespaces whose sockets keep still.
    pub(crate) fn namespaces(&self) -> [&Namespace; 7] {
        let Self { carrying, half_open, black, alone, .. } = self;
        [carrying.a(), carrying.b(), half_open.a(), half_open.b(), black.a(), black.b(), alone]
    }
}

/// A connection between the ends of a path.
fn pair(path: &Path, at: &str) -> Result<(TcpStream, TcpStream)> {
    let listener = path.b().inside(|| TcpListener::bind(at))??;
    let mut to = listener.local_addr()?;
    if to.ip().is_unspecified() {
        to.set_ip(Ipv4Addr::new(10, 77, 0, 2).into());
    }
    let client = path.a().inside(|| TcpStream::connect(to))??;
    let (server, _) = listener.accept()?;
    Ok((client, server))
}

/// Open, with bytes both ways or stuck; half closed; closed.
fn connections(path: &Path, owned: &mut Vec<OwnedFd>) -> Result<()> {
    for at in ["10.77.0.2:0", "[fd77::2]:0", "[::]:0"] {
        let (client, server) = pair(path, at)?;
        exchange(&client, &server)?;
        owned.extend([client.into(), server.into()]);
        // FIN-WAIT-2 and CLOSE-WAIT.
        let (client, server) = pair(path, at)?;
        exchange(&client, &server)?;
        client.shutdown(Shutdown::Write)?;
        fin_of(&server)?;
        owned.extend([client.into(), server.into()]);
        // TIME-WAIT: the client's, then the server's.
        for is_client in [true, false] {
            let (client, server) = pair(path, at)?;
            let (first, last) = if is_client { (client, server) } else { (server, client) };
            drop(first);
            fin_of(&last)?;
        }
    }
    for algorithm in ["bbr", "reno"] {
        let (client, server) = pair(path, "10.77.0.2:0")?;
        sockopt::set_tcp_congestion(&client, algorithm)?;
        exchange(&client, &server)?;
        owned.extend([client.into(), server.into()]);
    }
    // The reader does not read: data waits at both ends, and the window is closed.
    let (client, server) = pair(path, "10.77.0.2:0")?;
    client.set_nonblocking(true)?;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        let _ = (&client).write(&[7; 65_536]);
        std::thread::sleep(Duration::from_millis(5));
    }
    owned.extend([client.into(), server.into()]);
    // Listeners: one with two that wait, one for IPv6 alone, one for both families and one at a device.
    let listener = path.b().inside(|| TcpListener::bind("10.77.0.2:8001"))??;
    for _ in 0..2 {
        let client = path.a().inside(|| TcpStream::connect("10.77.0.2:8001"))??;
        owned.push(client.into());
    }
    owned.push(listener.into());
    path.b().inside(|| {
        let six = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        six.set_only_v6(true)?;
        six.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8002)).into())?;
        six.listen(7)?;
        owned.push(six.into());
        let both = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        both.set_only_v6(false)?;
        both.bind_device(Some(b"lo"))?;
        both.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8005)).into())?;
        both.listen(7)?;
        owned.push(both.into());
        // Bound, and neither connected nor listening.
        for at in ["10.77.0.2:8003", "[fd77::2]:8004"] {
            let at: SocketAddr = at.parse()?;
            let bound = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
            bound.bind(&at.into())?;
            owned.push(bound.into());
        }
        Ok(())
    })?
}

/// A few bytes each way, and the acknowledgement of the last.
fn exchange(client: &TcpStream, server: &TcpStream) -> Result<()> {
    for (mut from, mut to) in [(client, server), (server, client)] {
        from.write_all(&[7; 3000])?;
        std::io::Read::read_exact(&mut to, &mut [0; 3000])?;
    }
    Ok(())
}

fn fin_of(mut stream: &TcpStream) -> Result<()> {
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).context("waiting for FIN")?;
    Ok(())
}

/// Owned by other processes, by several, by children of a process that closed it; and MPTCP.
fn owned_by_processes(path: &Path, peers: &mut Vec<Peer>) -> Result<()> {
    let (a, b) = (path.a(), path.b());
    for (place, run) in [
        (b, "listen --at 10.77.0.2:8010 --do ignore"),
        (b, "listen --at [fd77::2]:8010 --do ignore"),
        (a, "connect --to 10.77.0.2:8010 --count 3 --do ignore"),
        (a, "share --to 10.77.0.2:8010 --inherit 2"),
        (a, "share --to [fd77::2]:8010 --inherit 1 --pass 1 --let-go"),
        (b, "listen --at 10.77.0.2:8011 --mptcp --do ignore"),
        (a, "connect --to 10.77.0.2:8011 --mptcp --do ignore"),
    ] {
        peers.push(peer(place, run)?);
    }
    Ok(())
}

/// SYN-RECV at B, whose SYN-ACK is lost, and SYN-SENT at A.
fn handshakes(path: &Path, owned: &mut Vec<OwnedFd>, peers: &mut Vec<Peer>) -> Result<()> {
    for at in ["10.77.0.2:8020", "[fd77::2]:8020"] {
        let listener = path.b().inside(|| TcpListener::bind(at))??;
        owned.push(listener.into());
    }
    path.swallow_b_to_a(true);
    for to in ["10.77.0.2:8020", "[fd77::2]:8020"] {
        peers.push(peer(path.a(), &format!("knock --to {to} --count 3"))?);
    }
    Ok(())
}

/// FIN-WAIT-1 with and without an owner, LAST-ACK, and CLOSING.
fn half_done(path: &Path, owned: &mut Vec<OwnedFd>) -> Result<()> {
    let (half, orphan, last, closing) = (
        pair(path, "10.77.0.2:0")?,
        pair(path, "[fd77::2]:0")?,
        pair(path, "10.77.0.2:0")?,
        pair(path, "10.77.0.2:0")?,
    );
    last.0.shutdown(Shutdown::Write)?;
    fin_of(&last.1)?;
    path.swallow_a_to_b(true);
    half.0.shutdown(Shutdown::Write)?;
    drop(orphan.0);
    // The server's FIN arrives, and its acknowledgement is lost.
    drop(last.1);
    closing.0.shutdown(Shutdown::Write)?;
    closing.1.shutdown(Shutdown::Write)?;
    fin_of(&closing.0)?;
    owned.extend([half.0.into(), half.1.into(), orphan.1.into(), last.0.into()]);
    owned.extend([closing.0.into(), closing.1.into()]);
    Ok(())
}

/// Sockets with options set.
fn options(namespace: &Namespace, owned: &mut Vec<OwnedFd>) -> Result<()> {
    namespace.inside(|| {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind_device(Some(b"lo"))?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 8030)).into())?;
        listener.listen(3)?;
        let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        client.set_mark(77)?;
        client.set_tos_v4(0x10)?;
        client.set_keepalive(true)?;
        client.set_recv_buffer_size(50_000)?;
        client.set_send_buffer_size(60_000)?;
        client.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, 8030)).into())?;
        let (server, _) = listener.accept()?;
        owned.extend([listener.into(), client.into(), server.into()]);
        // Changes the user of this thread alone, which ends.
        set_thread_uid(Uid::from_raw(UNKNOWN_UID))?;
        let listener = TcpListener::bind("127.0.0.1:8031")?;
        let client = TcpStream::connect("127.0.0.1:8031")?;
        let (server, _) = listener.accept()?;
        owned.extend([listener.into(), client.into(), server.into()]);
        Ok(())
    })?
}

/// Unconnected and connected; some with unread datagrams.
fn datagrams(namespace: &Namespace, owned: &mut Vec<OwnedFd>) -> Result<()> {
    namespace.inside(|| {
        for (at, to) in [("127.0.0.1:8040", "127.0.0.1:8041"), ("[::1]:8040", "[::1]:8041")] {
            let open = UdpSocket::bind(to)?;
            let connected = UdpSocket::bind(at)?;
            connected.connect(to)?;
            connected.send(&[7; 500])?;
            connected.send(&[7; 30])?;
            owned.extend([open.into(), connected.into()]);
        }
        let any = UdpSocket::bind("[::]:8042")?;
        owned.push(any.into());
        Ok(())
    })?
}

/// Sent over a Unix socket and not received: no descriptor of any process refers to it.
fn in_flight(namespace: &Namespace, owned: &mut Vec<OwnedFd>) -> Result<()> {
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:8050"))??;
    let client = namespace.inside(|| TcpStream::connect("127.0.0.1:8050"))??;
    let (server, _) = listener.accept()?;
    let (mine, its) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [server.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(anyhow!("no room for a descriptor"));
    }
    sendmsg(&mine, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    drop(server);
    owned.extend([listener.into(), client.into(), mine, its]);
    Ok(())
}

//! Opened connections: how long the handshake took, how long they waited to be accepted, their family and namespace.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde_json::json;

use crate::fixture::{
    Ends, Pair, TIMEOUT, both, by_us, follower, lacks, only, read_fin, shows, story, time,
};

/// The path's own delay is the floor; above it is only what this machine adds, which the call itself shows.
pub(crate) fn latency() -> Result<()> {
    const RTT: Duration = Duration::from_millis(80);
    const CONNECTS: usize = 9;
    let path = Path::build(Shape::delay(RTT / 2), Shape::delay(RTT / 2))?;
    let mut follower = follower()?;
    let listener = path.b().inside(|| TcpListener::bind("10.77.0.2:0"))??;
    let server = listener.local_addr()?;
    let mut late = Vec::new();
    for _ in 0..CONNECTS {
        let (client, took) = path.a().inside(|| {
            let begun = Instant::now();
            (TcpStream::connect(server), begun.elapsed())
        })?;
        let client = client?;
        let local = client.local_addr()?;
        follower.catch_up()?;
        let reported = follower.of(path.a(), local, server);
        let opened = only(&reported, "opened").with_context(|| follower.describe())?;
        let handshake = time(opened, "handshake_us")?;
        ensure!(
            handshake >= RTT && handshake <= took,
            "a handshake of {handshake:?} is reported; the path takes {RTT:?}, the call took {took:?}"
        );
        // Between the end of the handshake and that of the call one thread wakes up, which a busy machine delays.
        late.push(took - handshake);
        shows(opened, &by_us()?)?;
        lacks(opened, &["first_use_us", "ended", "closed_by"])?;
    }
    late.sort_unstable();
    ensure!(
        late[CONNECTS / 2] < Duration::from_millis(50),
        "calls outlast the handshakes that are reported by {late:?}"
    );
    Ok(())
}

/// From the end of the handshake until the process uses what it accepted, here at once.
pub(crate) fn first_use() -> Result<()> {
    const WAIT: Duration = Duration::from_millis(300);
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let to = listener.local_addr()?;
    let before = Instant::now();
    let mut client = namespace.inside(|| TcpStream::connect(to))??;
    let after = Instant::now();
    client.write_all(b"x")?;
    std::thread::sleep(WAIT);
    let (mut server, _) = listener.accept()?;
    let least = after.elapsed();
    server.read_exact(&mut [0])?;
    let most = before.elapsed();
    let ends = Ends { client: client.local_addr()?, server: to };
    follower.catch_up()?;
    let reported = follower.of(&namespace, ends.server, ends.client);
    story(&reported, &["opened", "accepted"])?;
    shows(&reported[0], &json!({"first_use_us": null}))?;
    let waited = time(&reported[1], "first_use_us")?;
    ensure!(
        waited >= least && waited <= most,
        "{waited:?} to the first use is reported, where it was {least:?} to {most:?}"
    );
    lacks(&reported[1], &["handshake_us"])
}

/// IPv6; and a client over IPv4 at a listener of IPv6, which sees it under a mapped address.
pub(crate) fn families() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;

    let pair = Pair::between(&namespace, &namespace, "[::1]:0")?;
    let ends = pair.ends()?;
    close(pair)?;
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    for event in client.iter().chain(&server) {
        shows(
            event,
            &json!({"family": "IPv6", "netns": namespace.name(), "netns_inode": namespace.inode()?}),
        )?;
    }

    let listener = namespace.inside(|| TcpListener::bind("[::]:0"))??;
    let port = listener.local_addr()?.port();
    let client = namespace.inside(|| TcpStream::connect(("127.0.0.1", port)))??;
    let (server, _) = listener.accept()?;
    let pair = Pair { client, server };
    let Ends { client, server } = pair.ends()?;
    let (mapped_server, mapped_client) = (pair.server.local_addr()?, pair.server.peer_addr()?);
    ensure!(mapped_server.is_ipv6(), "the listener of IPv6 is at {mapped_server}");
    close(pair)?;
    let reported = follower.until_over(&namespace, client, server)?;
    story(&reported, &["opened", "closed"])?;
    reported.iter().try_for_each(|event| shows(event, &json!({"family": "IPv4"})))?;
    let reported = follower.until_over(&namespace, mapped_server, mapped_client)?;
    story(&reported, &["opened", "accepted", "closed"])?;
    let expected = json!({"family": "IPv6", "remote_addr": "::ffff:127.0.0.1"});
    reported.iter().try_for_each(|event| shows(event, &expected))
}

fn close(pair: Pair) -> Result<()> {
    let Pair { client, mut server } = pair;
    drop(client);
    read_fin(&mut server)
}

/// One socket, connected, disconnected (connect to AF_UNSPEC) and connected again: two connections, and nothing of the
/// first is reported of the second.
pub(crate) fn twice() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let to = listener.local_addr()?;
    let socket = namespace.inside(|| {
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
    })??;
    let stream = TcpStream::from(socket);
    let mut cookies = Vec::new();
    for bytes in [100, 3] {
        rustix::net::connect(&stream, &to)?;
        let local = stream.local_addr()?;
        (&stream).write_all(&vec![7; bytes])?;
        let (mut server, _) = listener.accept()?;
        server.set_read_timeout(Some(TIMEOUT))?;
        server.read_exact(&mut vec![0; bytes])?;
        rustix::net::connect_unspec(&stream).context("disconnecting")?;
        // Disconnecting aborts the connection.
        ensure!(server.read(&mut [0]).is_err(), "the server's end reads on");
        let reported = follower.until_over(&namespace, local, to)?;
        story(&reported, &["opened", "closed"])?;
        let expected =
            json!({"ended": "rst-out", "closed_by": "local", "bytes_out": bytes, "bytes_in": 0});
        shows(&reported[1], &expected)?;
        shows(&reported[1], &by_us()?)?;
        cookies.push(reported[1]["cookie"].as_u64().context("no cookie")?);
    }
    ensure!(cookies[0] == cookies[1], "one socket has the cookies {cookies:?}");
    Ok(())
}

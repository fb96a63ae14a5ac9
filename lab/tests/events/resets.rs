//! Ends by RST or by silence, seen from both sides.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use rustix::net::sockopt;
use serde_json::{Value, json};

use crate::fixture::{Ends, Pair, TIMEOUT, both, by_us, follower, read_fin, shows, story, time};

fn ended(how: &str, closed_by: &str, sent: usize, received: usize) -> Value {
    json!({"ended": how, "closed_by": closed_by, "bytes_out": sent, "bytes_in": received})
}

/// `close` with SO_LINGER of 0 sends RST: from the server, then from the client.
pub(crate) fn linger() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    for is_client in [false, true] {
        let mut pair = Pair::inside(&namespace)?;
        let ends = pair.ends()?;
        pair.exchange(100, 200)?;
        let Pair { client, server } = pair;
        let (one, mut other) = if is_client { (client, server) } else { (server, client) };
        sockopt::set_socket_linger(&one, Some(Duration::ZERO))?;
        drop(one);
        let error = other.read(&mut [0]).err().context("the reset one reads on")?;
        ensure!(error.kind() == std::io::ErrorKind::ConnectionReset, "it reads {error}");
        drop(other);
        let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
        story(&server, &["opened", "accepted", "closed"])?;
        let (of_client, of_server) = if is_client {
            (["rst-out", "local"], ["rst-in", "remote"])
        } else {
            (["rst-in", "remote"], ["rst-out", "local"])
        };
        shows(&client[1], &ended(of_client[0], of_client[1], 100, 200))?;
        shows(&server[2], &ended(of_server[0], of_server[1], 200, 100))?;
        for event in [&client[1], &server[2]] {
            shows(event, &by_us()?)?;
        }
    }
    Ok(())
}

/// The server closes what it has not read.
pub(crate) fn unread() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let mut pair = Pair::inside(&namespace)?;
    let ends = pair.ends()?;
    pair.exchange(10, 20)?;
    pair.client.write_all(&[7; 300])?;
    let mut there = [0; 300];
    while pair.server.peek(&mut there)? < 300 {}
    drop(pair.server);
    ensure!(pair.client.read(&mut [0]).is_err(), "the reset one reads on");
    drop(pair.client);
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    shows(&client[1], &ended("rst-in", "remote", 310, 20))?;
    shows(&server[2], &ended("rst-out", "local", 20, 310))
}

/// The server has closed by FIN, and what the client then sends is answered with RST: the server closed first, and
/// for the client a reset ended it.
pub(crate) fn late_data() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let mut pair = Pair::inside(&namespace)?;
    let ends = pair.ends()?;
    pair.exchange(10, 20)?;
    drop(pair.server);
    read_fin(&mut pair.client)?;
    pair.client.write_all(&[7; 30])?;
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    shows(&client[1], &json!({"ended": "rst-in", "closed_by": "remote", "bytes_in": 20}))?;
    shows(&server[2], &json!({"closed_by": "local", "bytes_out": 20, "bytes_in": 10}))
}

/// It waits in the accept queue until the listener is closed: no process ever had it, and none is named.
pub(crate) fn never_accepted() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let server = listener.local_addr()?;
    let mut client = namespace.inside(|| std::net::TcpStream::connect(server))??;
    client.set_read_timeout(Some(TIMEOUT))?;
    client.write_all(&[7; 50])?;
    let ends = Ends { client: client.local_addr()?, server };
    follower.catch_up()?;
    story(&follower.of(&namespace, ends.server, ends.client), &["opened"])?;
    drop(listener);
    ensure!(client.read(&mut [0]).is_err(), "the reset one reads on");
    drop(client);
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    story(&server, &["opened", "closed"])?;
    shows(&client[1], &ended("rst-in", "remote", 50, 0))?;
    shows(&server[1], &ended("rst-out", "local", 0, 50))?;
    let no_process = json!({"pid": null, "process": null, "opener_pid": null, "opener": null});
    server.iter().try_for_each(|event| shows(event, &no_process))?;
    shows(&server[1], &json!({"first_use_us": null, "direction": "inbound"}))
}

/// Nothing comes back for longer than the socket will wait (TCP_USER_TIMEOUT).
pub(crate) fn user_timeout() -> Result<()> {
    let way = Shape::delay(Duration::from_millis(1));
    let path = Path::build(way, way)?;
    let mut follower = follower()?;
    let mut pair = Pair::between(path.a(), path.b(), "10.77.0.2:0")?;
    let ends = pair.ends()?;
    pair.exchange(10, 20)?;
    sockopt::set_tcp_user_timeout(&pair.client, 700)?;
    path.swallow_a_to_b(true);
    pair.client.write_all(&[7; 30])?;
    let error = pair.client.read(&mut [0]).err().context("the dead connection reads on")?;
    ensure!(error.kind() == std::io::ErrorKind::TimedOut, "it reads {error}");
    let reported = follower.until_over(path.a(), ends.client, ends.server)?;
    story(&reported, &["opened", "closed"])?;
    shows(&reported[1], &json!({"ended": "timed-out", "closed_by": "neither", "bytes_in": 20}))?;
    shows(&reported[1], &by_us()?)?;
    let lived = time(&reported[1], "duration_us")?;
    ensure!(lived >= Duration::from_millis(700), "it is reported to have lived {lived:?}");
    Ok(())
}

//! Connections closed by FIN: which side was first, and how many bytes there were.

use std::net::Shutdown;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use serde_json::{Value, json};

use crate::fixture::{Pair, both, by, by_us, carry, follower, peer, read_fin, shows, story};

/// What `closed` shows of a connection closed by FIN.
fn fin(closed_by: &str, sent: usize, received: usize) -> Value {
    json!({"ended": "fin", "closed_by": closed_by, "bytes_out": sent, "bytes_in": received})
}

const CLIENT: [&str; 2] = ["opened", "closed"];
const SERVER: [&str; 3] = ["opened", "accepted", "closed"];

fn first(is_client: bool) -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let mut pair = Pair::inside(&namespace)?;
    let ends = pair.ends()?;
    pair.exchange(123, 45_678)?;
    let Pair { client, server } = pair;
    let (one, mut other) = if is_client { (client, server) } else { (server, client) };
    drop(one);
    read_fin(&mut other)?;
    drop(other);
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    story(&client, &CLIENT)?;
    story(&server, &SERVER)?;
    let (of_client, of_server) = if is_client { ("local", "remote") } else { ("remote", "local") };
    shows(&client[1], &fin(of_client, 123, 45_678))?;
    shows(&server[2], &fin(of_server, 45_678, 123))?;
    for event in client.iter().chain(&server[1..]) {
        shows(event, &by_us()?)?;
    }
    for event in &client {
        shows(event, &json!({"direction": "outbound"}))?;
    }
    for event in &server {
        shows(event, &json!({"direction": "inbound"}))?;
    }
    // No process had accepted it yet.
    shows(&server[0], &json!({"pid": null, "process": null, "opener_pid": null, "opener": null}))
}

pub(crate) fn client_first() -> Result<()> {
    first(true)
}

pub(crate) fn server_first() -> Result<()> {
    first(false)
}

/// After its FIN the client reads on; a FIN is not a byte, whichever side counts.
pub(crate) fn half_closed() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let mut pair = Pair::inside(&namespace)?;
    let ends = pair.ends()?;
    pair.exchange(10, 20)?;
    pair.client.shutdown(Shutdown::Write)?;
    read_fin(&mut pair.server)?;
    follower.catch_up()?;
    story(&follower.of(&namespace, ends.client, ends.server), &["opened"])?;
    carry(&mut pair.server, &mut pair.client, 70_000)?;
    pair.server.shutdown(Shutdown::Write)?;
    read_fin(&mut pair.client)?;
    drop(pair);
    let (client, server) = both(&mut follower, (&namespace, &namespace), ends)?;
    story(&server, &SERVER)?;
    shows(&client[1], &fin("local", 10, 70_020))?;
    shows(&server[2], &fin("remote", 70_020, 10))
}

/// Each FIN is on its way for 40 ms when the other side sends its own.
pub(crate) fn both_at_once() -> Result<()> {
    let way = Shape::delay(Duration::from_millis(40));
    let path = Path::build(way, way)?;
    let mut follower = follower()?;
    // A machine that stands still between the two for as long as a FIN takes spoils an attempt, not the test.
    for _ in 0..5 {
        let mut pair = Pair::between(path.a(), path.b(), "10.77.0.2:0")?;
        let ends = pair.ends()?;
        pair.exchange(11, 22)?;
        // Acknowledgements are on their way too; what is not acknowledged would be sent before FIN.
        let begun = std::time::Instant::now();
        drop(pair.client);
        drop(pair.server);
        if begun.elapsed() > Duration::from_millis(20) {
            continue;
        }
        let (client, server) = both(&mut follower, (path.a(), path.b()), ends)?;
        shows(&client[1], &fin("both", 11, 22))?;
        return shows(&server[2], &fin("both", 22, 11));
    }
    anyhow::bail!("this machine cannot close two sockets within 20 ms, five times in a row")
}

/// A process that is killed closes nothing: the kernel does, and its owner is known all the same.
pub(crate) fn killed() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7201 --do sink")?;
    let mut client = peer(&namespace, "connect --to 127.0.0.1:7201 --count 3 --do hello:500")?;
    let locals = client.ready()["locals"].as_array().context("no local addresses")?.clone();
    // Waits for all bytes before the kill; else the kernel would send them afterwards.
    follower.catch_up()?;
    conns_lab::process::wait_for("500 bytes each", crate::fixture::TIMEOUT, || {
        let rows = conns_lab::oracle::ss(&namespace, "ti")?;
        let arrived = rows
            .iter()
            .filter(|row| row.local.port() == 7201 && row.number("bytes_received") == Some(500.0));
        Ok((arrived.count() == 3).then_some(()))
    })?;
    client.kill()?;
    for local in locals {
        let local = local.as_str().context("no text")?.parse()?;
        let remote = "127.0.0.1:7201".parse()?;
        let reported = follower.until_over(&namespace, local, remote)?;
        story(&reported, &CLIENT)?;
        shows(&reported[1], &fin("local", 500, 0))?;
        shows(&reported[1], &by(client.pid(), "conns-lab")?)?;
    }
    ensure!(server.pid() != client.pid(), "two processes have the pid {}", server.pid());
    Ok(())
}

//! What these tests stand on: a follower, pairs of connected sockets, and the comparison of an event with what was done.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::conns::Conns;
use conns_lab::follow::Follower;
use conns_lab::netns::Namespace;
use conns_lab::process::{Peer, is_installed};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use serde_json::{Value, json};

/// How long a socket may wait for what is on its way.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// What a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// `/dev/net/tun`, for paths with a delay.
    Tun,
    /// An interpreter that can fork.
    Python,
    /// unshare(1).
    Unshare,
    /// The ability to report who uses an accepted connection first.
    Accepts,
}

/// Why there are no events here; `None` if there are.
pub(crate) fn no_events() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, for network namespaces and eBPF".to_owned());
    }
    // If `conns abilities` fails, the test is not ignored and fails.
    let missing = conns().and_then(|conns| conns.missing("ebpf-events"));
    missing.ok().flatten().map(|why| format!("no events by eBPF here: {why}"))
}

/// What this machine lacks.
pub(crate) fn missing(needs: &[Requirement]) -> Option<String> {
    needs.iter().find_map(|need| match need {
        Requirement::Tun if !FilePath::new("/dev/net/tun").exists() => {
            Some("there is no /dev/net/tun; load the module tun".to_owned())
        }
        Requirement::Python if !is_installed("python3") => Some("there is no python3".to_owned()),
        Requirement::Unshare if !is_installed("unshare") => {
            Some("there is no unshare; install util-linux".to_owned())
        }
        // If `conns abilities` fails, the test is not ignored and fails.
        Requirement::Accepts => conns()
            .and_then(|conns| conns.missing("ebpf-accepts"))
            .ok()
            .flatten()
            .map(|why| format!("no accepts by eBPF here: {why}")),
        _ => None,
    })
}

/// The binary under test.
pub(crate) fn conns() -> Result<Conns> {
    Conns::find(None)
}

/// The binary that plays the peers.
pub(crate) fn lab() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_conns-lab"))
}

/// Follows events.
pub(crate) fn follower() -> Result<Follower> {
    Follower::start(conns()?.path())
}

/// Starts a peer.
pub(crate) fn peer(namespace: &Namespace, arguments: &str) -> Result<Peer> {
    Peer::start(&lab(), namespace, arguments)
}

/// The name of this process, as the kernel knows it.
pub(crate) fn own_name() -> Result<String> {
    Ok(std::fs::read_to_string("/proc/self/comm")?.trim_end().to_owned())
}

/// What an event shows whose process is this one.
pub(crate) fn by_us() -> Result<Value> {
    by(std::process::id(), &own_name()?)
}

/// What an event shows of this process.
pub(crate) fn by(pid: u32, name: &str) -> Result<Value> {
    Ok(json!({"pid": pid, "process": name, "opener_pid": pid, "opener": name}))
}

/// A connection of which this process has both ends.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

/// The addresses of a connection, kept after its sockets are closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
}

impl Pair {
    /// Connects from one namespace to the other and accepts.
    pub(crate) fn between(client: &Namespace, server: &Namespace, at: &str) -> Result<Self> {
        let listener = server.inside(|| TcpListener::bind(at))?.context("listening")?;
        let to = listener.local_addr()?;
        let client = client.inside(|| TcpStream::connect(to))?.context("connecting")?;
        let (server, _) = listener.accept().context("accepting")?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(TIMEOUT))?;
        }
        Ok(Self { client, server })
    }

    /// On the loopback of a namespace.
    pub(crate) fn inside(namespace: &Namespace) -> Result<Self> {
        Self::between(namespace, namespace, "127.0.0.1:0")
    }

    pub(crate) fn ends(&self) -> Result<Ends> {
        // As each end sees it.
        Ok(Ends { client: self.client.local_addr()?, server: self.client.peer_addr()? })
    }

    /// Moves bytes each way, one after the other.
    pub(crate) fn exchange(&mut self, asked: usize, answered: usize) -> Result<()> {
        carry(&mut self.client, &mut self.server, asked).context("from client to server")?;
        carry(&mut self.server, &mut self.client, answered).context("from server to client")
    }
}

/// Writes `bytes` at one end and reads them at the other.
pub(crate) fn carry(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) -> Result<()> {
    from.write_all(&vec![7; bytes])?;
    to.read_exact(&mut vec![0; bytes])?;
    Ok(())
}

/// Reads until the other side's FIN; nothing may come before it.
pub(crate) fn read_fin(stream: &mut TcpStream) -> Result<()> {
    let read = stream.read(&mut [0]).context("waiting for FIN")?;
    ensure!(read == 0, "there came data where FIN was expected");
    Ok(())
}

/// What came of a connect.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) outcome: rustix::io::Result<()>,
    pub(crate) took: Duration,
}

/// Connects from one address to another in a namespace and closes the socket again.
pub(crate) fn attempt(namespace: &Namespace, from: SocketAddr, to: SocketAddr) -> Result<Attempt> {
    namespace.inside(|| {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &from)?;
        let begun = std::time::Instant::now();
        let outcome = rustix::net::connect(&socket, &to);
        Ok(Attempt { outcome, took: begun.elapsed() })
    })?
}

/// The one that fits; any other number of events of this kind is an error.
pub(crate) fn only<'a>(reported: &'a [Value], kind: &str) -> Result<&'a Value> {
    let mut fitting = reported.iter().filter(|event| event["event"] == kind);
    let event = fitting.next().with_context(|| format!("no event `{kind}` among {reported:?}"))?;
    ensure!(fitting.next().is_none(), "`{kind}` is reported twice: {reported:?}");
    Ok(event)
}

/// Fails unless the kinds of events are these, in this order.
pub(crate) fn story(reported: &[Value], expected: &[&str]) -> Result<()> {
    let kinds: Vec<_> =
        reported.iter().map(|event| event["event"].as_str().unwrap_or("?")).collect();
    ensure!(kinds == expected, "{kinds:?} is reported instead of {expected:?}: {reported:#?}");
    Ok(())
}

/// Fails unless the event has these values.
pub(crate) fn shows(event: &Value, expected: &Value) -> Result<()> {
    for (key, expected) in expected.as_object().context("the expectation is no object")? {
        let reported = event.get(key).with_context(|| format!("no `{key}` in {event}"))?;
        ensure!(reported == expected, "`{key}` is {reported} instead of {expected} in {event}");
    }
    Ok(())
}

/// Fails unless these keys do not apply.
pub(crate) fn lacks(event: &Value, keys: &[&str]) -> Result<()> {
    for key in keys {
        ensure!(event.get(key).is_none(), "`{key}` is reported in {event}");
    }
    Ok(())
}

/// A time of an event.
pub(crate) fn time(event: &Value, key: &str) -> Result<Duration> {
    let us = event[key].as_u64().with_context(|| format!("no time `{key}` in {event}"))?;
    Ok(Duration::from_micros(us))
}

/// All events of both sides of a closed connection.
pub(crate) fn both(
    follower: &mut Follower,
    places: (&Namespace, &Namespace),
    ends: Ends,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let client = follower.until_over(places.0, ends.client, ends.server)?;
    let server = follower.until_over(places.1, ends.server, ends.client)?;
    story(&client, &["opened", "closed"])?;
    Ok((client, server))
}

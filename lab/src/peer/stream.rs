//! The roles `listen`, `connect` and `knock`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::stdio::{COMMANDS, emit, park};
use super::{Connect, Knobs, Knock, Listen, socket};

pub(super) fn listen(role: &Listen) -> Result<()> {
    COMMANDS.listen();
    let socket = socket::tcp(&role.at, &role.knobs)?;
    rustix::net::bind(&socket, &role.at).with_context(|| format!("binding to {}", role.at))?;
    rustix::net::listen(&socket, role.backlog)
        .with_context(|| format!("listening on {}", role.at))?;
    let listener = TcpListener::from(socket);
    emit(&json!({"event": "ready", "local": listener.local_addr()?}));
    if role.no_accept {
        park();
    }
    for _ in 0..role.accept.unwrap_or(usize::MAX) {
        let (stream, remote) = listener.accept().context("accepting a connection")?;
        if role.accept.is_some() {
            emit(&json!({"event": "accepted", "remote": remote}));
        }
        let work = role.work;
        std::thread::spawn(move || work.run(stream));
    }
    drop(listener);
    emit(&json!({"event": "listener-closed"}));
    park()
}

pub(super) fn connect(role: &Connect) -> Result<()> {
    COMMANDS.listen();
    if role.visit_first {
        let mut visit = socket::connected(&role.to, None, &role.knobs)?;
        visit.write_all(&[7])?;
        visit.shutdown(Shutdown::Write)?;
        visit.read_to_end(&mut Vec::new()).context("waiting for the end of the first visit")?;
    }
    let streams = (0..role.count)
        .map(|_| socket::connected(&role.to, role.from_port, &role.knobs))
        .collect::<Result<Vec<TcpStream>>>()?;
    let locals =
        streams.iter().map(TcpStream::local_addr).collect::<std::io::Result<Vec<SocketAddr>>>()?;
    emit(&json!({"event": "ready", "locals": locals}));
    for stream in streams {
        let work = role.work;
        std::thread::spawn(move || work.run(stream));
    }
    park()
}

pub(super) fn knock(role: &Knock) -> Result<()> {
    COMMANDS.listen();
    let mut kept: Vec<OwnedFd> = Vec::new();
    let pause = Duration::from_millis(role.every_ms);
    let mut is_ready = false;
    for _ in 0..role.count {
        let socket = socket::tcp(&role.to, &Knobs::default())?;
        rustix::io::ioctl_fionbio(&socket, true).context("making a socket non-blocking")?;
        // EINPROGRESS is the expected answer; what becomes of the handshake is what the scenario is about.
        let _ = rustix::net::connect(&socket, &role.to);
        kept.push(socket);
        if !pause.is_zero() {
            if !is_ready {
                is_ready = true;
                emit(&json!({"event": "ready"}));
            }
            std::thread::sleep(pause);
        }
    }
    if !is_ready {
        emit(&json!({"event": "ready"}));
    }
    park()
}

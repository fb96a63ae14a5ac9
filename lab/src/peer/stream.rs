//! The roles `listen`, `connect` and `knock`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::talk::{WORDS, say, stay};
use super::{Connect, Knobs, Knock, Listen, socket};

pub(super) fn listen(role: &Listen) -> Result<()> {
    WORDS.listen();
    let socket = socket::tcp(&role.at, &role.knobs)?;
    rustix::net::bind(&socket, &role.at).with_context(|| format!("binding to {}", role.at))?;
    rustix::net::listen(&socket, role.backlog)
        .with_context(|| format!("listening on {}", role.at))?;
    let listener = TcpListener::from(socket);
    say(&json!({"event": "ready", "local": listener.local_addr()?}));
    if role.no_accept {
        stay();
    }
    for _ in 0..role.accept.unwrap_or(usize::MAX) {
        let (stream, remote) = listener.accept().context("accepting a connection")?;
        if role.accept.is_some() {
            say(&json!({"event": "accepted", "remote": remote}));
        }
        let work = role.work;
        std::thread::spawn(move || work.run(stream));
    }
    drop(listener);
    say(&json!({"event": "listener-closed"}));
    stay()
}

pub(super) fn connect(role: &Connect) -> Result<()> {
    WORDS.listen();
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
    say(&json!({"event": "ready", "locals": locals}));
    for stream in streams {
        let work = role.work;
        std::thread::spawn(move || work.run(stream));
    }
    stay()
}

pub(super) fn knock(role: &Knock) -> Result<()> {
    WORDS.listen();
    let mut kept: Vec<OwnedFd> = Vec::new();
    let pause = Duration::from_millis(role.every_ms);
    let mut said = false;
    for _ in 0..role.count {
        let socket = socket::tcp(&role.to, &Knobs::default())?;
        rustix::io::ioctl_fionbio(&socket, true).context("making a socket non-blocking")?;
        // EINPROGRESS is the expected answer; what becomes of the handshake is what the scenario is about.
        let _ = rustix::net::connect(&socket, &role.to);
        kept.push(socket);
        if !pause.is_zero() {
            if !said {
                said = true;
                say(&json!({"event": "ready"}));
            }
            std::thread::sleep(pause);
        }
    }
    if !said {
        say(&json!({"event": "ready"}));
    }
    stay()
}

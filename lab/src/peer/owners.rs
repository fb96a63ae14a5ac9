//! The role `share`: one socket with several owners.

use std::io::{BufRead, BufReader, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde_json::json;

use super::stdio::{COMMANDS, emit, park};
use super::{Knobs, socket};

/// Arguments of `share`.
#[derive(Args, Clone, Debug)]
pub struct Share {
    /// Where to connect.
    #[arg(long)]
    to: SocketAddr,
    /// Children that inherit the descriptor.
    #[arg(long, default_value_t = 0)]
    inherit: usize,
    /// Children that receive the descriptor by SCM_RIGHTS.
    #[arg(long, default_value_t = 0)]
    pass: usize,
    /// Closes the own descriptor afterwards, so that only the children own the socket.
    #[arg(long)]
    let_go: bool,
}

impl Share {
    pub(super) fn run(&self) -> Result<()> {
        COMMANDS.listen();
        let stream = socket::connected(&self.to, None, &Knobs::default())?;
        let local = stream.local_addr()?;
        let mut inputs: Vec<ChildStdin> = Vec::new();
        let mut ends: Vec<OwnedFd> = Vec::new();
        let mut owners = Vec::new();
        for _ in 0..self.pass {
            let (mine, its) =
                socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                    .context("making a pair of Unix sockets")?;
            let child = child("take", Stdio::from(its))?;
            give(&mine, &stream)?;
            owners.push(wait_ready(child)?);
            ends.push(mine);
        }
        // Inheritance comes last: from here on every child gets the descriptor.
        fcntl_setfd(&stream, FdFlags::empty()).context("letting children inherit the socket")?;
        for _ in 0..self.inherit {
            let mut child = child("keep", Stdio::piped())?;
            inputs.extend(child.stdin.take());
            owners.push(wait_ready(child)?);
        }
        if self.let_go {
            drop(stream);
        } else {
            owners.push(std::process::id());
            std::mem::forget(stream);
        }
        emit(&json!({"event": "ready", "local": local, "owners": owners}));
        park()
    }
}

fn child(role: &str, input: Stdio) -> Result<Child> {
    let me = std::env::current_exe().context("finding the own executable")?;
    Command::new(me)
        .args(["peer", role])
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting a child to {role} the socket"))
}

fn wait_ready(mut child: Child) -> Result<u32> {
    let output = child.stdout.take().context("a child has no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("waiting for a child")?;
    if !line.contains("ready") {
        bail!("a child that is to own the socket wrote {line:?} instead of ready");
    }
    Ok(child.id())
}

fn give(through: &OwnedFd, what: &impl AsFd) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [what.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(through, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())
        .context("passing the socket")?;
    Ok(())
}

pub(super) fn keep() -> Result<()> {
    COMMANDS.listen();
    emit(&json!({"event": "ready"}));
    park()
}

pub(super) fn take() -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        std::io::stdin(),
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .context("receiving the socket on standard input")?;
    let kept: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds.collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    if kept.len() != 1 {
        bail!("got {} descriptors instead of one", kept.len());
    }
    COMMANDS.listen();
    emit(&json!({"event": "ready"}));
    park()
}

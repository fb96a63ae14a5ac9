//! `conns link serve`: receives files, and sends what is queued.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use conns_link::{ReceiverSettings, Server, ServerSettings};
use signal_hook::consts::SIGHUP;
use tokio::signal::unix::{SignalKind, signal};

use super::places;
use super::socket::{ControlSocket, serve_agent};
use super::{no_answer, runtime, supervise};
use crate::failure::{Failure, log};
use crate::flags::link::ServeFlags;

pub(super) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    if flags.supervise {
        return supervise::run(as_part_of_agent()?);
    }
    let agent = if flags.until_stdin_ends { Some(as_part_of_agent()?) } else { None };
    let identity = places::identity(flags.key.key.as_deref())?;
    let key = identity.public();
    let settings = ServerSettings {
        state_folder: places::store_folder(key),
        identity,
        receiver: Some(ReceiverSettings {
            listen: flags.listen,
            folder: flags.folder.clone(),
            allow: flags.allow.clone(),
            relay: flags.relay.clone(),
        }),
        sends: true,
        outgoing_limit: flags.outgoing_limit,
        incoming_limit: flags.incoming_limit,
    };
    runtime()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).map_err(no_answer)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(no_answer)?;
        let server = Server::start(settings).map_err(no_answer)?;
        let path = places::socket_path(key);
        let socket = ControlSocket::bind(&path)
            .map_err(|error| no_answer(format!("cannot listen at {}: {error}", path.display())))?;
        let address = server.receiver_address().unwrap_or(flags.listen);
        if flags.allow.is_empty() && !address.ip().is_loopback() {
            log("any sender may write to the folder; --allow ck1… names those that may");
        }
        crate::terminal::write(
            format!("receiving at {key}@{address} into {}\n", flags.folder.display()).as_bytes(),
        )?;
        let agent_ended = async {
            match agent {
                Some(stream) => {
                    serve_agent(tokio::net::UnixStream::from_std(stream)?, server.clone()).await;
                    Ok(())
                }
                None => std::future::pending::<io::Result<()>>().await,
            }
        };
        tokio::select! {
            () = socket.serve(server.clone()) => {}
            ended = agent_ended => ended.map_err(no_answer)?,
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        server.stop().await;
        Ok(())
    })
}

/// Drops all privileges, and returns the socket of the agent, which is standard input.
fn as_part_of_agent() -> Result<UnixStream, Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(no_answer)?;
    if rustix::net::getpeername(&input).is_err() {
        let message = "`--until-stdin-ends` and `--supervise` are for `conns serve`, which starts the server of `[link]`; omit them";
        return Err(Failure::Usage(message.to_owned()));
    }
    // It was started as /proc/self/exe; `ps` and `conns` show this name.
    rustix::thread::set_name(c"conns").map_err(no_answer)?;
    // A reload of the agent is not the end of this process.
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false))).map_err(no_answer)?;
    conns_privileges::drop_all().map_err(no_answer)?;
    let stream = UnixStream::from(input);
    stream.set_nonblocking(true).map_err(no_answer)?;
    Ok(stream)
}

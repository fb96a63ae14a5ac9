//! `conns link serve`: receives files, and sends what is queued.

use conns_link::{ReceiverSettings, Server, ServerSettings};
use tokio::signal::unix::{SignalKind, signal};

use super::places;
use super::socket::ControlSocket;
use super::{no_answer, runtime};
use crate::failure::{Failure, log};
use crate::flags::link::ServeFlags;

pub(super) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    let identity = places::identity(flags.key.key.as_deref())?;
    let key = identity.public();
    let settings = ServerSettings {
        state_folder: places::state_folder(key),
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
        tokio::select! {
            () = socket.serve(server.clone()) => {}
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        server.stop().await;
        Ok(())
    })
}

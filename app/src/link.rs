//! `conns link`: transfers between hosts.

mod client;
mod connections;
pub(crate) mod observe;
pub(crate) mod places;
mod progress;
mod queue;
mod relay;
mod send;
mod serve;
mod socket;
mod stored;
pub(crate) mod supervise;

use std::sync::{Arc, Mutex, PoisonError};

use conns_dialects::jetstream::Forward;
use conns_link::Identity;
pub(crate) use socket::MAX_FORWARDED_EXTRA_BYTES;

use client::Client;

use crate::failure::Failure;
use crate::flags::link::{KeygenFlags, LinkCommand, LinkFlags};

/// Runs the command.
pub(crate) fn run(flags: &LinkFlags) -> Result<(), Failure> {
    match &flags.command {
        LinkCommand::Keygen(keygen) => make_key(keygen),
        LinkCommand::Serve(serve) => serve::run(serve),
        LinkCommand::Send(send) => send::run(send),
        LinkCommand::Queue(queue) => queue::run(queue),
        LinkCommand::Pause(change) => queue::change(change, "send.suspendTransfer"),
        LinkCommand::Resume(change) => queue::change(change, "send.resumeTransfer"),
        LinkCommand::Cancel(change) => queue::change(change, "send.cancelTransfer"),
        LinkCommand::Connections(connections) => connections::run(connections),
        LinkCommand::Set(set) => connections::set(set),
        LinkCommand::Relay(relay) => relay::run(relay),
    }
}

fn make_key(flags: &KeygenFlags) -> Result<(), Failure> {
    let identity = Identity::generate().map_err(no_answer)?;
    identity.write(&flags.out).map_err(no_answer)?;
    crate::terminal::write(format!("{}\n", identity.public()).as_bytes())
}

/// The runtime of a server: tasks wait for network, threads of their own for files.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(no_answer)
}

fn no_answer(error: impl std::fmt::Display) -> Failure {
    Failure::NoAnswer(error.to_string())
}

/// The running link server, if there is exactly one.
pub(crate) fn forward() -> Option<Arc<dyn Forward>> {
    match <[Client; 1]>::try_from(Client::all(None).ok()?) {
        Ok([client]) => Some(Arc::new(ToServer(Mutex::new(client)))),
        Err(_) => None,
    }
}

/// Forwards calls of the dialect to a server.
struct ToServer(Mutex<Client>);

impl Forward for ToServer {
    fn call(&self, request: &str) -> Result<String, String> {
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = client.exchange(request).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }
}

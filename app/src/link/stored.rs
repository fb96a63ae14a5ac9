//! The queue of a link server that does not run: it is read and changed, and nothing is sent.

use std::path::Path;

use conns_link::{Server, ServerSettings};

use super::client::Client;
use super::socket::ControlSocket;
use super::{no_answer, places, runtime};
use crate::failure::Failure;

/// Calls `apply` for each running server that the flags mean; if none runs, for the stored queue of the key.
pub(super) fn for_each_server(
    key: Option<&Path>,
    mut apply: impl FnMut(&mut Client) -> Result<(), Failure> + Send,
) -> Result<(), Failure> {
    let mut clients = Client::all(key)?;
    if !clients.is_empty() {
        return clients.iter_mut().try_for_each(apply);
    }
    let public_key = places::public_key(key)?;
    let stored = public_key.filter(|key| places::store_folder(*key).is_dir());
    let Some(public_key) = stored else {
        return Err(no_answer("no link server runs here; start one with `conns link serve`"));
    };
    let settings = ServerSettings {
        state_folder: places::store_folder(public_key),
        identity: places::identity(key)?,
        receiver: None,
        sends: false,
        outgoing_limit: None,
        incoming_limit: None,
    };
    let path = places::socket_path(public_key);
    let runtime = runtime()?;
    let (server, socket) = runtime.block_on(async {
        let server = Server::start(settings).map_err(no_answer)?;
        let socket = ControlSocket::bind(&path)
            .map_err(|error| no_answer(format!("cannot listen at {}: {error}", path.display())))?;
        Ok::<_, Failure>((server, socket))
    })?;
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let applied = Client::connect(&path).and_then(|client| {
                apply(&mut client.ok_or_else(|| no_answer("the queue cannot be read"))?)
            });
            // The receiver waits below.
            let _ = ended.send(applied);
        });
        runtime.block_on(async {
            tokio::select! {
                () = socket.serve(server.clone()) => Err(no_answer("the queue cannot be read")),
                applied = has_ended => applied.unwrap_or_else(|error| Err(no_answer(error))),
            }
        })
    })
}

//! The unix socket of a link server: the JetStream dialect in lines.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_core::model::Update;
use conns_dialects::jetstream::{Backend, Options, Service};
use conns_dialects::{LineDialect, ResponseCache};
use conns_link::Server;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::places::make_folder;
use crate::dialects::host_name;

/// A socket that is removed at the end.
pub(super) struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A file that is left over is replaced by the next server.
        let _ = fs::remove_file(&self.path);
    }
}

impl ControlSocket {
    /// Listens at `path`, which only its owner may connect to. The caller has the store of this key open, so that a
    /// file at `path` is left over from a process that was killed.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Serves clients until the future is dropped.
    pub(super) async fn serve(&self, server: Server) {
        let lines = dialect(&server);
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (lines, server) = (Arc::clone(&lines), server.clone());
                    tokio::spawn(async move {
                        // A client that has disconnected reads no answer.
                        let _ = answer_all(stream, lines, server).await;
                    });
                }
                // Out of descriptors: a client may end meanwhile.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }
}

/// Serves the agent on `stream` until it ends.
pub(super) async fn serve_agent(stream: UnixStream, server: Server) {
    // Its end is the agent's.
    let _ = answer_all(stream, dialect(&server), server).await;
}

fn dialect(server: &Server) -> Arc<dyn LineDialect> {
    let options = Options {
        host_name: host_name(),
        backend: Backend::Control(Arc::new(server.clone())),
        ..Options::default()
    };
    Arc::new(Service::new(options).lines())
}

/// An agent writes a request of a client anew, which takes at most these bytes more: the full name of its method, and
/// another id.
pub(crate) const MAX_FORWARDED_EXTRA_BYTES: usize = 256;

async fn answer_all(
    stream: UnixStream,
    lines: Arc<dyn LineDialect>,
    server: Server,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let limit = (lines.longest_line() + MAX_FORWARDED_EXTRA_BYTES) as u64 + 1;
        (&mut read).take(limit).read_until(b'\n', &mut line).await?;
        let Some(text) = line.strip_suffix(b"\n").map(<[u8]>::to_vec) else {
            if line.len() as u64 == limit {
                for chunk in lines.line_too_long().chunks {
                    write.write_all(&chunk).await?;
                }
            }
            return Ok(());
        };
        let (lines, server) = (Arc::clone(&lines), server.clone());
        let answered = tokio::task::spawn_blocking(move || {
            let update = Update { transfers: server.connections().into(), ..Update::default() };
            lines.answer(&text, &ResponseCache::new(Arc::new(update)))
        });
        let outcome = answered.await.map_err(io::Error::other)?;
        for chunk in outcome.chunks {
            write.write_all(&chunk).await?;
        }
        if outcome.close {
            return Ok(());
        }
    }
}

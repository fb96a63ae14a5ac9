//! Idle connections, so that lists are long. Both ends are in this process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};

/// The port one end of each has.
const PORT: u16 = 9000;

/// The connections, open until dropped.
pub(super) struct IdleLoad {
    _owned: Vec<(TcpStream, TcpStream)>,
}

impl IdleLoad {
    /// Opens `count` connections; each is two sockets in the list.
    pub(super) fn open(count: usize) -> Result<Self> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let listener = TcpListener::bind(at).with_context(|| format!("listening on {at}"))?;
        let owned = (0..count)
            .map(|number| {
                let client = TcpStream::connect(at)?;
                let (server, _) = listener.accept()?;
                anyhow::Ok((client, server))
                    .with_context(|| format!("cannot open connection {number} of {count}"))
            })
            .collect::<Result<_>>()?;
        Ok(Self { _owned: owned })
    }
}

/// The filter that matches them.
pub(super) fn filter() -> String {
    format!("local_port == {PORT} or remote_port == {PORT}")
}

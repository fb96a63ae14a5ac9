//! Connections, and what they carry before they are silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::recorded::{Message, first_connection};

/// Between two connections: five thousand that carry something within half a second fill the ring of payload of an agent that
/// shares its processor, and what is not recognised cannot be measured.
const PAUSE: Duration = Duration::from_millis(1);
/// Bytes that each end sends of no protocol.
const UNKNOWN_BYTES: usize = 40;

/// What the connections of a turn carry.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    /// As shown in the result.
    pub(super) name: &'static str,
    /// What the agent recognises; `None` if it must not.
    pub(super) protocol: Option<&'static str>,
    messages: Vec<Message>,
}

/// Connections; dropping them resets them, so that no port is in use afterwards.
pub(super) struct Open {
    _pairs: Vec<(TcpStream, TcpStream)>,
    _listener: TcpListener,
}

impl Carried {
    /// All kinds.
    pub(super) fn all(corpus: &Path) -> anyhow::Result<Vec<Self>> {
        let recorded = |name, protocol: &'static str| -> anyhow::Result<Self> {
            let messages = first_connection(&corpus.join(protocol).join("session.pcap"))?;
            Ok(Self { name, protocol: Some(protocol), messages })
        };
        let unknown = [true, false].map(|is_of_client| Message {
            is_of_client,
            // The high bit is set: no text, and no length of a binary protocol.
            bytes: (0..UNKNOWN_BYTES).map(|at| at as u8 | 0x80).collect(),
        });
        // A client that has begun a request, and does not go on: nothing can be decided yet.
        let begun = Message { is_of_client: true, bytes: b"GET /".to_vec() };
        Ok(vec![
            recorded("TLS after its handshake", "tls")?,
            recorded("HTTP after its answer", "http")?,
            recorded("Levin after its handshake", "levin")?,
            Self { name: "of no protocol", protocol: None, messages: unknown.to_vec() },
            Self { name: "five bytes of a request", protocol: None, messages: vec![begun] },
        ])
    }

    /// Opens connections over loopback, in the calling thread's namespace, and plays the messages on each.
    pub(super) fn open(&self, connections: u32) -> anyhow::Result<Open> {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
            .context("cannot raise the limit of open files")?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        let to = listener.local_addr().context("the listener has no address")?;
        let mut pairs = Vec::new();
        for _ in 0..connections {
            let mut client = TcpStream::connect(to).context("cannot connect over loopback")?;
            let (mut server, _) = listener.accept().context("cannot accept")?;
            for end in [&client, &server] {
                end.set_nodelay(true).context("cannot set TCP_NODELAY")?;
            }
            for Message { is_of_client, bytes } in &self.messages {
                let (from, to) = match is_of_client {
                    true => (&mut client, &mut server),
                    false => (&mut server, &mut client),
                };
                from.write_all(bytes).context("cannot send")?;
                to.read_exact(&mut vec![0; bytes.len()]).context("cannot receive")?;
            }
            pairs.push((client, server));
            sleep(PAUSE);
        }
        Ok(Open { _pairs: pairs, _listener: listener })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for (client, _) in &self._pairs {
            // An error is that of a connection that ended already.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

//! Connections opened, accepted and closed one after the other, both ends in one thread: the whole cost of each is in that
//! thread's time, and nothing waits for a wake-up.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::turn::{Meter, Turn};

/// Connections between two readings of the clock.
const BATCH: u32 = 32;

/// Connections that fit into `time`; on each the client sends `request`, and the server sends as much back.
pub(super) fn turn(time: Duration, request: &[u8]) -> anyhow::Result<Turn> {
    let mut buffer = vec![0; request.len()];
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    let to = listener.local_addr().context("the listener has no address")?;
    let mut done = 0_u32;
    let meter = Meter::start()?;
    while meter.elapsed() < time {
        for _ in 0..BATCH {
            let mut client = TcpStream::connect(to).context("cannot connect over loopback")?;
            let (mut server, _) = listener.accept().context("cannot accept")?;
            if !request.is_empty() {
                client.write_all(request).context("cannot send a request")?;
                server.read_exact(&mut buffer).context("cannot read a request")?;
                server.write_all(&buffer).context("cannot answer")?;
                client.read_exact(&mut buffer).context("cannot read an answer")?;
            }
            client.shutdown(Shutdown::Write).context("cannot close a client's side")?;
            let read = server.read(&mut [0]).context("cannot read a client's end")?;
            ensure!(read == 0, "a byte arrived that was not sent");
            drop(server);
            // The server's FIN has arrived too: the client closes without TIME-WAIT.
            let read = client.read(&mut [0]).context("cannot read a server's end")?;
            ensure!(read == 0, "a byte arrived that was not sent");
        }
        done += BATCH;
    }
    meter.stop(f64::from(done))
}

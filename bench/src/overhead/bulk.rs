//! One stream over loopback: one thread writes, another reads.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::turn::{Meter, Turn};

/// Bytes of one call, on both sides.
const CHUNK: usize = 128 * 1024;

/// Megabytes read within `time`.
pub(super) fn turn(time: Duration) -> anyhow::Result<Turn> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    let to = listener.local_addr().context("the listener has no address")?;
    let mut client = TcpStream::connect(to).context("cannot connect over loopback")?;
    let (mut server, _) = listener.accept().context("cannot accept")?;
    // Threads start in the network namespace of their maker; these sockets are there already.
    let writing = std::thread::spawn(move || -> anyhow::Result<Duration> {
        let chunk = vec![7; CHUNK];
        let meter = Meter::start()?;
        while meter.elapsed() < time {
            client.write_all(&chunk).context("cannot write")?;
        }
        Ok(meter.stop(1.0)?.cpu)
    });
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0_u64;
    let meter = Meter::start()?;
    loop {
        match server.read(&mut chunk).context("cannot read")? {
            0 => break,
            read => bytes += read as u64,
        }
    }
    let mut turn = meter.stop(bytes as f64 / 1e6)?;
    turn.cpu += writing.join().map_err(|_| anyhow!("the thread that writes panicked"))??;
    Ok(turn)
}

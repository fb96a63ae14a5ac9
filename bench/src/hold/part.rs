//! One process of the ring: accepts from the previous one, connects to the next one, and holds both ends.
//!
//! Each process listens on an address of its own and connects from addresses of its own, so neither the
//! ephemeral port range nor one listener's queue limits the size.

use std::io::{BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Context, ensure};
use clap::Args;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::{Crowd, LISTENERS_PER_PROCESS};

/// Said when the listeners stand.
pub(crate) const LISTENING: &str = "listening";
/// The order to connect, given when all parts listen.
pub(crate) const CONNECT: &str = "connect";
/// Said when all connections of this part stand and have carried bytes.
pub(crate) const HOLDING: &str = "holding";

const FIRST_PORT: u16 = 7001;
/// Well below the 28 232 ports of the default ephemeral range.
const CONNECTIONS_PER_SOURCE: u32 = 10_000;
const QUESTION: &[u8; 5] = b"hello";
const ANSWER: &[u8; 7] = b"welcome";

/// Which process of which crowd this is.
#[derive(Args, Debug)]
pub(crate) struct Part {
    #[arg(long)]
    netns: String,
    #[arg(long)]
    number: u32,
    #[command(flatten)]
    crowd: Crowd,
}

/// Holds this part's sockets until stdin closes.
pub(crate) fn hold_part(part: &Part) -> anyhow::Result<()> {
    // The closed stdin ends a part when its parent ends; this also ends one that is busy connecting.
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to be ended with the parent process")?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files to its hard limit")?;
    crate::inside::enter(&part.netns)?;

    let processes = part.crowd.processes;
    let previous = (part.number + processes - 1) % processes;
    let next = (part.number + 1) % processes;
    let listeners = listen(part.number)?;
    say(LISTENING)?;

    let mut order = String::new();
    std::io::stdin().lock().read_line(&mut order).context("cannot read the order to connect")?;
    ensure!(
        order.trim_end() == CONNECT,
        "cannot go on: expected the order {CONNECT:?}, got {order:?}"
    );

    let expected = part.crowd.opened_by(previous);
    let accepting = std::thread::spawn(move || accept(listeners, expected));
    let opened = open(part.number, next, part.crowd.opened_by(part.number))?;
    let accepted = accepting
        .join()
        .map_err(|_| anyhow::anyhow!("the accepting thread panicked: see above"))??;
    say(HOLDING)?;

    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("cannot wait on stdin for the end of the holding")?;
    drop((opened, accepted));
    Ok(())
}

fn say(word: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")
        .and_then(|()| out.flush())
        .context("cannot report to the parent process")
}

/// 127.`second`.x.y, with the part's number in x and y.
fn address(second: u32, number: u32) -> Ipv4Addr {
    Ipv4Addr::from((127 << 24) | (second << 16) | ((number / 250) << 8) | (number % 250 + 1))
}

fn port(connection: u32) -> u16 {
    FIRST_PORT + (connection % LISTENERS_PER_PROCESS) as u16
}

fn listen(number: u32) -> anyhow::Result<Vec<TcpListener>> {
    (0..LISTENERS_PER_PROCESS)
        .map(|connection| {
            let at = SocketAddrV4::new(address(1, number), port(connection));
            TcpListener::bind(at)
                .with_context(|| format!("cannot listen on {at} in the holder's namespace"))
        })
        .collect()
}

/// Accepts and answers; the other side is synchronous, so connection n always arrives at listener n mod 4.
fn accept(
    listeners: Vec<TcpListener>,
    expected: u32,
) -> anyhow::Result<(Vec<TcpListener>, Vec<TcpStream>)> {
    let mut accepted = Vec::with_capacity(expected as usize);
    for (listener, connection) in listeners.iter().cycle().zip(0..expected) {
        let (mut stream, _) = listener
            .accept()
            .with_context(|| format!("cannot accept connection {connection} of {expected}"))?;
        let mut question = *QUESTION;
        stream.read_exact(&mut question).and_then(|()| stream.write_all(ANSWER)).with_context(
            || format!("cannot exchange bytes on accepted connection {connection} of {expected}"),
        )?;
        accepted.push(stream);
    }
    Ok((listeners, accepted))
}

fn open(number: u32, next: u32, wanted: u32) -> anyhow::Result<Vec<TcpStream>> {
    let mut opened = Vec::with_capacity(wanted as usize);
    for connection in 0..wanted {
        let from = SocketAddrV4::new(address(2 + connection / CONNECTIONS_PER_SOURCE, number), 0);
        let to = SocketAddrV4::new(address(1, next), port(connection));
        let attempt = || -> std::io::Result<TcpStream> {
            let socket =
                socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            bind(&socket, &from)?;
            connect(&socket, &to)?;
            let mut stream = TcpStream::from(socket);
            stream.write_all(QUESTION)?;
            stream.read_exact(&mut ANSWER.clone())?;
            Ok(stream)
        };
        opened.push(attempt().with_context(|| {
            format!("cannot open connection {connection} of {wanted} from {from} to {to}")
        })?);
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn parts_never_share_an_address() {
        let addresses: HashSet<Ipv4Addr> =
            (1..4).flat_map(|second| (0..600).map(move |number| address(second, number))).collect();
        assert_eq!(addresses.len(), 3 * 600);
        assert!(addresses.iter().all(Ipv4Addr::is_loopback));
        assert!(addresses.iter().all(|address| !matches!(address.octets()[3], 0 | 255)));
    }
}

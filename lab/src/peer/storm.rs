//! The roles `storm-client` and `storm-server`: one process each of a storm's two sides.
//!
//! A few threads, and one write each way. A thread's own name differs from its process's, because an owner is named by
//! its process.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use serde_json::json;

use super::stdio::{COMMANDS, emit, park};
use crate::storm::{End, Number, PROCESSES, Side, write_ends};

/// Arguments of both roles.
#[derive(Args, Clone, Debug)]
struct Common {
    /// Which of its side's processes this is.
    #[arg(long)]
    number: u64,
    /// Where to write the records.
    #[arg(long)]
    record: PathBuf,
}

/// Arguments of `storm-client`.
#[derive(Args, Clone, Debug)]
pub struct Client {
    #[command(flatten)]
    common: Common,
    /// Connections a second of the whole storm.
    #[arg(long)]
    rate: u64,
    /// Connections of the whole storm.
    #[arg(long)]
    count: u64,
}

/// Arguments of `storm-server`.
#[derive(Args, Clone, Debug)]
pub struct Server {
    #[command(flatten)]
    common: Common,
}

const THREAD_NAME: &str = "storm-thread";
/// Threads of a client: one waits for answers while the other asks.
const THREADS: u64 = 2;
/// Connections a thread has open at once. One at a time would need two context switches each, which cost more than the
/// connection.
const BATCH: usize = 16;
/// net.core.somaxconn of a fresh namespace.
const BACKLOG: i32 = 4096;

impl Client {
    pub(super) fn run(self) -> Result<()> {
        COMMANDS.listen();
        name_process("client", self.common.number)?;
        emit(&json!({"event": "ready"}));
        COMMANDS.wait("go");
        let started = Instant::now();
        let threads = (0..THREADS)
            .map(|thread| {
                let client = self.clone();
                spawn(move || client.connect_in_time(thread, started))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut ends = Vec::new();
        let mut latest = Duration::ZERO;
        for thread in threads {
            let (done, late) = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
            ends.extend(done);
            latest = latest.max(late);
        }
        let took = started.elapsed();
        write_ends(&self.common.record, &ends)?;
        emit(&json!({
            "event": "done",
            "connections": ends.len(),
            "took_us": took.as_micros() as u64,
            "latest_us": latest.as_micros() as u64,
        }));
        park()
    }

    /// The connections of one thread, each started when it is due, or late; and the largest lateness.
    fn connect_in_time(&self, thread: u64, started: Instant) -> Result<(Vec<End>, Duration)> {
        let all = PROCESSES * THREADS;
        let first = self.common.number + PROCESSES * thread;
        let mut numbers = (first..self.count).step_by(usize::try_from(all)?).map(Number);
        let mut ends = Vec::with_capacity(numbers.size_hint().0);
        let mut latest = Duration::ZERO;
        loop {
            let batch: Vec<Number> = numbers.by_ref().take(BATCH).collect();
            let Some(last) = batch.last() else { return Ok((ends, latest)) };
            let due = started + Duration::from_secs_f64(last.0 as f64 / self.rate as f64);
            let now = Instant::now();
            match due.checked_duration_since(now) {
                Some(early) => sleep(early),
                None => latest = latest.max(now - due),
            }
            let span = format!("connections {} to {}", batch[0].0, last.0);
            connect(&batch, &mut ends).context(span)?;
        }
    }
}

/// Opens a batch and asks on each connection, then takes the answers, then waits for those whose server closes first.
fn connect(batch: &[Number], ends: &mut Vec<End>) -> IoResult<()> {
    let mut open = Vec::with_capacity(batch.len());
    for number in batch {
        let to = number.to();
        let socket = tcp(&to)?;
        rustix::net::bind(&socket, &number.from())?;
        rustix::net::connect(&socket, &to)?;
        let mut stream = TcpStream::from(socket);
        let local = stream.local_addr()?;
        let mut asked = [7; Number::MAX_BYTES];
        asked[..Number::BYTES].copy_from_slice(&number.0.to_be_bytes());
        stream.write_all(&asked[..number.asked()])?;
        open.push((number, stream, local));
    }
    let mut waiting = Vec::with_capacity(batch.len());
    for (number, mut stream, local) in open {
        let mut answer = [0; Number::MAX_BYTES];
        stream.read_exact(&mut answer[..number.answered()])?;
        ends.push(End {
            number: number.0,
            side: Side::Client,
            local,
            remote: number.to(),
            sent: number.asked() as u64,
            received: number.answered() as u64,
            closed_first: number.client_closes_first(),
        });
        if !number.client_closes_first() {
            waiting.push(stream);
        }
    }
    waiting.iter_mut().try_for_each(end_of)
}

/// Waits for the other side's FIN, before which nothing more may come.
fn end_of(stream: &mut TcpStream) -> IoResult<()> {
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(Error::new(ErrorKind::InvalidData, "more bytes arrived than scheduled")),
    }
}

/// What the thread of a server did so far.
#[derive(Debug, Default)]
struct Served {
    accepted: AtomicU64,
    ends: Mutex<Vec<End>>,
    is_broken: AtomicBool,
}

impl Server {
    pub(super) fn run(&self) -> Result<()> {
        COMMANDS.listen();
        let number = self.common.number;
        name_process("server", number)?;
        let port = Number::port_of(number);
        let listeners = [
            listener((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into())?,
            listener((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into())?,
        ];
        let served: &'static Served = Box::leak(Box::default());
        spawn(move || {
            if let Err(error) = served.serve(&listeners) {
                eprintln!("lab storm-server: {error}");
                served.is_broken.store(true, SeqCst);
            }
        })?;
        emit(&json!({"event": "ready"}));
        // Sent when the clients are done: then all are accepted, and the last are about to close.
        COMMANDS.wait("report");
        let ends = loop {
            if served.is_broken.load(SeqCst) {
                bail!("a connection broke on the server's side: see above");
            }
            let ends = served.ends.lock().map_err(|_| anyhow!("the thread panicked"))?;
            if ends.len() as u64 == served.accepted.load(SeqCst) {
                break ends;
            }
            drop(ends);
            sleep(Duration::from_millis(1));
        };
        write_ends(&self.common.record, &ends)?;
        emit(&json!({"event": "done", "connections": ends.len()}));
        park()
    }
}

impl Served {
    /// Serves all connections that are ready, and blocks only while there is neither a new one nor the end of the oldest.
    fn serve(&self, listeners: &[TcpListener]) -> Result<()> {
        let mut waiting: VecDeque<(TcpStream, End)> = VecDeque::new();
        loop {
            for listener in listeners {
                while let Some((stream, remote)) = unless_blocking(listener.accept())? {
                    self.accepted.fetch_add(1, SeqCst);
                    let (stream, end) = answer(stream, remote)?;
                    if end.closed_first {
                        drop(stream);
                        self.over(end)?;
                    } else {
                        stream.set_nonblocking(true)?;
                        waiting.push_back((stream, end));
                    }
                }
            }
            while let Some((stream, end)) = waiting.front_mut()
                && unless_blocking(end_of(stream))?.is_some()
            {
                let end = *end;
                waiting.pop_front();
                self.over(end)?;
            }
            let oldest = waiting.front().map(|(stream, _)| stream.as_fd());
            let mut polled: Vec<PollFd<'_>> = listeners
                .iter()
                .map(AsFd::as_fd)
                .chain(oldest)
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            poll(&mut polled, None).context("waiting for connections")?;
        }
    }

    fn over(&self, end: End) -> Result<()> {
        self.ends.lock().map_err(|_| anyhow!("another thread panicked"))?.push(end);
        Ok(())
    }
}

/// Reads the request and answers.
fn answer(mut stream: TcpStream, remote: SocketAddr) -> IoResult<(TcpStream, End)> {
    let local = stream.local_addr()?;
    let mut asked = [0; Number::MAX_BYTES + 1];
    let mut received = 0;
    let number = loop {
        let bytes = stream.read(&mut asked[received..])?;
        if bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        received += bytes;
        if let Some(head) = asked[..received].first_chunk() {
            let number = Number(u64::from_be_bytes(*head));
            if received == number.asked() {
                break number;
            }
        }
    };
    stream.write_all(&asked[..number.answered()])?;
    let end = End {
        number: number.0,
        side: Side::Server,
        local,
        remote,
        sent: number.answered() as u64,
        received: received as u64,
        closed_first: !number.client_closes_first(),
    };
    Ok((stream, end))
}

fn unless_blocking<T>(result: IoResult<T>) -> IoResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// A TCP socket that does not pace: the host's own algorithm may, by a timer for each segment.
fn tcp(like: &SocketAddr) -> IoResult<OwnedFd> {
    let family = if like.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_tcp_congestion(&socket, "reno")?;
    Ok(socket)
}

fn listener(at: SocketAddr) -> Result<TcpListener> {
    let socket = tcp(&at).context("making a listener")?;
    sockopt::set_socket_reuseaddr(&socket, true).context("setting SO_REUSEADDR")?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true).context("setting IPV6_V6ONLY")?;
    }
    rustix::net::bind(&socket, &at).with_context(|| format!("binding to {at}"))?;
    rustix::net::listen(&socket, BACKLOG).with_context(|| format!("listening on {at}"))?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).context("making a listener non-blocking")?;
    Ok(listener)
}

/// The name of the main thread is that of the process.
fn name_process(side: &str, number: u64) -> Result<()> {
    let name = CString::new(crate::storm::process_name(side, number))?;
    rustix::thread::set_name(&name).context("naming the process")
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Builder::new().name(THREAD_NAME.to_owned()).spawn(work).context("starting a thread")
}

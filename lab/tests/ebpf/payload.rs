//! The payload that the programs hand over, put together again, against what was sent: by a protocol that hashes all it gets.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use conns_contract::{Payload, PayloadSource, Side, Want};
use conns_core::decode::{Decoder, Limits, Opening, Probe, ProtocolSpec, StreamProtocol, Streams};
use conns_core::model::{
    ConnectionId, Endpoint, FlowKey, Known, LossCause, Moment, Scalar, Source,
};
use conns_ebpf::{Features, Tap};
use conns_lab::netns::Namespace;

/// The test protocol: everything is of it, and a side that begins with `SKIP n\n` skips n bytes after that line.
static HASHED: ProtocolSpec = ProtocolSpec {
    name: "hashed",
    meaning: "a test",
    fields: &[],
    stream: Some(StreamProtocol {
        probe: |_| Probe::Certain,
        decoder: |_: &Opening<'_>| Box::new(Hashed::default()),
        max_memory: 1 << 20,
    }),
    datagram: None,
    ports: &[],
};

#[derive(Debug, Default)]
struct Hashed {
    sides: [Seen; 2],
    reads: Option<u64>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    hash: Fnv,
    bytes: u64,
    gap: u64,
    ended: bool,
    skip: u64,
}

/// 64-bit FNV-1a, which does not depend on how the bytes are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Received)
}

impl Decoder for Hashed {
    fn data(&mut self, side: Side, bytes: &[u8], _: Moment) {
        let seen = &mut self.sides[index(side)];
        if seen.bytes == 0
            && let Some(rest) = bytes.strip_prefix(b"SKIP ")
        {
            seen.skip = std::str::from_utf8(rest).unwrap_or_default().trim().parse().unwrap_or(0);
        }
        seen.bytes += bytes.len() as u64;
        seen.hash.add(bytes);
    }

    fn skipped(&mut self, side: Side, bytes: u64, _: Moment) {
        self.sides[index(side)].skip -= bytes;
    }

    fn gap(&mut self, side: Side, bytes: u64, _: Moment) {
        self.sides[index(side)].gap += bytes;
    }

    fn end(&mut self, side: Side, _: Moment) {
        self.sides[index(side)].ended = true;
    }

    fn moved_by_process(&mut self, side: Side, bytes_total: u64, _: Moment) {
        if side == Side::Received {
            self.reads = Some(bytes_total);
        }
    }

    fn want(&self, side: Side) -> Want {
        match self.sides[index(side)].skip {
            0 => Want::Whole,
            bytes => Want::Skip(bytes),
        }
    }

    fn values(&self, _: Side, _: Moment) -> Box<[Known<Scalar>]> {
        let known = |number: u64| Known::Value(Scalar::Count(number), Source::Wire);
        let of =
            |seen: &Seen| [seen.bytes, seen.hash.0, seen.gap, u64::from(seen.ended)].map(known);
        let [sent, received] = [of(&self.sides[0]), of(&self.sides[1])];
        let reads = known(self.reads.unwrap_or(u64::MAX));
        sent.into_iter().chain(received).chain([reads]).collect()
    }

    fn memory(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

/// What was seen of one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    /// Of the side sent, and the side received: bytes, hash, bytes missed, whether it ended.
    sides: [[u64; 4]; 2],
    reads: u64,
}

/// The source, and the sockets of one namespace.
struct Collector {
    tap: Tap,
    streams: Streams<ConnectionId>,
    netns: u64,
    by_ends: HashMap<(Endpoint, Endpoint), ConnectionId>,
    start: Instant,
    lost_bytes: u64,
    datagrams: HashMap<(ConnectionId, Side), Vec<Vec<u8>>>,
}

/// How long anything may take.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Collector {
    fn of(namespace: &Namespace, protocols: Vec<&'static ProtocolSpec>) -> Result<Self> {
        let opened = conns_ebpf::open(Features { tap: true, ..Features::NONE });
        let tap = opened.tap.with_context(|| format!("no tap: {:?}", opened.abilities))?;
        Ok(Self {
            tap,
            streams: Streams::new(protocols, Limits::default()),
            netns: namespace.inode()?,
            by_ends: HashMap::new(),
            start: Instant::now(),
            lost_bytes: 0,
            datagrams: HashMap::new(),
        })
    }

    /// Reads what is there, and steers.
    fn drain(&mut self) {
        loop {
            let elapsed = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
            let now = Moment { monotonic_us: elapsed, wall_us: 0 };
            let Self { tap, streams, netns, by_ends, datagrams, .. } = self;
            let batch = tap.drain(now, &mut |id, at, payload| {
                if id.socket.netns != *netns {
                    return;
                }
                match payload {
                    Payload::Opened { ends, .. } => {
                        streams.open(id, ends);
                        if let (Some(local), Some(remote)) = (ends.local, ends.remote) {
                            by_ends.insert((local, remote), id);
                        }
                    }
                    Payload::Segment { side, segment, before } => {
                        streams.segment_after(id, side, before, segment, at);
                    }
                    Payload::Datagram { side, bytes, cut } => {
                        streams.datagram(id, side, bytes, cut, at);
                        datagrams.entry((id, side)).or_default().push(bytes.to_vec());
                    }
                    Payload::Moved { side, bytes_total } => {
                        streams.moved_by_process(id, side, bytes_total, at);
                    }
                }
            });
            let steering = self.streams.take_steering();
            self.tap.steer(&steering);
            let dropped =
                batch.losses.iter().filter(|loss| loss.cause == LossCause::PayloadDropped);
            self.lost_bytes += dropped.map(|loss| loss.count).sum::<u64>();
            if !batch.has_more {
                return;
            }
        }
    }

    fn report(&self, local: SocketAddr, remote: SocketAddr) -> Option<Report> {
        let ends = |address: SocketAddr| Endpoint {
            address: address.ip().to_canonical(),
            port: address.port(),
        };
        let id = self.by_ends.get(&(ends(local), ends(remote)))?;
        let application = self.streams.application(*id, Side::Sent, Moment::default())?;
        let values = &application.layers.first()?.values;
        let number = |at: usize| match values.get(at) {
            Some(Known::Value(Scalar::Count(number), _)) => *number,
            _ => 0,
        };
        let side = |from: usize| [0, 1, 2, 3].map(|at| number(from + at));
        Some(Report { sides: [side(0), side(4)], reads: number(8) })
    }

    /// Drains until `is_done`, which is handed the reports of both sockets.
    fn until(
        &mut self,
        what: &str,
        pair: &Pair,
        is_done: impl Fn(&Report, &Report) -> bool,
    ) -> Result<[Report; 2]> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.drain();
            let client = self.report(pair.client, pair.server);
            let server = self.report(pair.server, pair.client);
            match (client, server) {
                (Some(client), Some(server)) if is_done(&client, &server) => {
                    return Ok([client, server]);
                }
                other if Instant::now() > deadline => {
                    bail!("{what}: not within {TIMEOUT:?}, seen is {other:?}")
                }
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// The ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Pair {
    client: SocketAddr,
    server: SocketAddr,
}

fn connect(from: &Namespace, to: &Namespace, host: IpAddr) -> Result<(TcpStream, TcpStream, Pair)> {
    let listener = to.inside(|| TcpListener::bind((host, 0)))??;
    let at = listener.local_addr()?;
    let client = from.inside(|| TcpStream::connect(at))??;
    let (server, client_address) = listener.accept()?;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
    }
    let pair = Pair { client: client_address, server: at };
    Ok((client, server, pair))
}

/// Bytes that repeat only after a long time.
fn pattern(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut all: Vec<u8> =
        std::iter::repeat_with(|| word().to_ne_bytes()).take(bytes / 8 + 1).flatten().collect();
    all.truncate(bytes);
    all
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = Fnv::default();
    hash.add(bytes);
    hash.0
}

/// Reads until the end in a thread; returns them.
fn read_all(mut stream: TcpStream) -> Receiver<Result<Vec<u8>>> {
    let (done, result) = channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all).map(|_| all);
        let _ = done.send(read.context("reading"));
    });
    result
}

/// Sends `first`, waits until it is recognised, then the rest in these chunks, each once the one before was drained, then a
/// FIN. Both sockets have the same bytes, without a gap.
fn transfer(
    collector: &mut Collector,
    mut client: TcpStream,
    server: TcpStream,
    pair: Pair,
    chunks: &[&[u8]],
) -> Result<[Report; 2]> {
    let received = read_all(server);
    let (mut sent, mut all) = (0, Vec::new());
    for (number, chunk) in chunks.iter().enumerate() {
        client.write_all(chunk).context("sending")?;
        sent += chunk.len() as u64;
        all.extend_from_slice(chunk);
        if number + 1 == chunks.len() {
            client.shutdown(std::net::Shutdown::Write)?;
        }
        // One that was not recognised yet is not wanted beyond its first bytes.
        if number == 0 || sent % (256 << 10) < chunk.len() as u64 || number + 1 == chunks.len() {
            collector.until("what was sent", &pair, |client, server| {
                client.sides[0][0] + client.sides[0][2] >= sent
                    && server.sides[1][0] + server.sides[1][2] >= sent
            })?;
        }
    }
    let [client, server] = collector.until("the end", &pair, |client, server| {
        client.sides[0][3] == 1 && server.sides[1][3] == 1
    })?;
    let received = received.recv_timeout(TIMEOUT)??;
    ensure!(received == all, "the process received {} bytes of {sent}", received.len());
    let expected = [sent, hash(&all), 0, 1];
    let lost = collector.lost_bytes;
    for (end, seen) in [("sender", client.sides[0]), ("receiver", server.sides[1])] {
        ensure!(
            seen == expected,
            "the {end} moved {expected:?}, seen {seen:?}, dropped {lost} bytes"
        );
    }
    Ok([client, server])
}

/// Many small writes, and what the process reads.
pub(crate) fn small_writes() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let (client, server, pair) = connect(&home, &home, "127.0.0.1".parse()?)?;
    client.set_nodelay(true)?;
    let all = pattern(50_000);
    let mut chunks: Vec<&[u8]> = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at((chunks.len() % 97 + 1).min(rest.len()));
        chunks.push(chunk);
        rest = behind;
    }
    transfer(&mut collector, client, server, pair, &chunks)?;
    let [_, server] =
        collector.until("the reads", &pair, |_, server| server.reads == all.len() as u64)?;
    ensure!(server.reads == all.len() as u64, "{server:?}");
    Ok(())
}

/// Segments of 64 KiB, over IPv4 and IPv6.
pub(crate) fn large_segments() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let all = pattern(16 << 20);
    for host in ["127.0.0.1", "::1"] {
        let (client, server, pair) = connect(&home, &home, host.parse()?)?;
        let (first, rest) = all.split_at(8);
        let chunks: Vec<&[u8]> = [first].into_iter().chain(rest.chunks(256 << 10)).collect();
        transfer(&mut collector, client, server, pair, &chunks)
            .with_context(|| format!("over {host}"))?;
    }
    Ok(())
}

/// Segments of up to 512 KiB, which IPv6 has over loopback if the interface takes them (BIG TCP).
pub(crate) fn big_tcp() -> Result<()> {
    let home = Namespace::create("home")?;
    home.ip(&["link", "set", "lo", "gso_max_size", "524280"])?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let all = pattern(32 << 20);
    let (client, server, pair) = connect(&home, &home, "::1".parse()?)?;
    let (first, rest) = all.split_at(8);
    let chunks: Vec<&[u8]> = [first].into_iter().chain(rest.chunks(1 << 20)).collect();
    transfer(&mut collector, client, server, pair, &chunks)?;
    Ok(())
}

/// Lost, reordered and retransmitted segments, between two namespaces.
pub(crate) fn lossy_path() -> Result<()> {
    use conns_lab::path::{A4, A6, B4, B6, Path, Shape};
    let lossy = |seed| Shape { loss: 0.03, seed, ..Shape::delay(Duration::from_millis(3)) };
    let path = Path::build(lossy(7), lossy(11))?;
    for (host, from) in [(B4, A4), (B6, A6)] {
        // Each end has its own collector: its sockets are in its namespace.
        let mut sender = Collector::of(path.a(), vec![&HASHED])?;
        let mut receiver = Collector::of(path.b(), vec![&HASHED])?;
        let (mut client, server, pair) = connect(path.a(), path.b(), host)?;
        ensure!(pair.client.ip() == from, "{pair:?}");
        // All of it may wait behind the first lost segment, within MAX_PENDING_BYTES.
        let all = pattern(3 << 20);
        let received = read_all(server);
        let (first, rest) = all.split_at(100);
        client.write_all(first)?;
        let deadline = Instant::now() + TIMEOUT;
        let mut wait = |is_done: &dyn Fn(&Report, &Report) -> bool| loop {
            sender.drain();
            receiver.drain();
            let sent = sender.report(pair.client, pair.server);
            let arrived = receiver.report(pair.server, pair.client);
            match (sent, arrived) {
                (Some(sent), Some(arrived)) if is_done(&sent, &arrived) => {
                    return Ok([sent, arrived]);
                }
                other if Instant::now() > deadline => bail!("not within {TIMEOUT:?}: {other:?}"),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        wait(&|sent, arrived| sent.sides[0][0] == 100 && arrived.sides[1][0] == 100)?;
        let writer = {
            let rest = rest.to_vec();
            std::thread::spawn(move || {
                client.write_all(&rest)?;
                client.shutdown(std::net::Shutdown::Write)?;
                Ok::<_, std::io::Error>(client)
            })
        };
        let [sent, arrived] =
            wait(&|sent, arrived| sent.sides[0][3] == 1 && arrived.sides[1][3] == 1)?;
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        ensure!(received.recv_timeout(TIMEOUT)?? == all, "the process received something else");
        let expected = [all.len() as u64, hash(&all), 0, 1];
        ensure!(sent.sides[0] == expected, "sent {expected:?}, seen {:?}", sent.sides[0]);
        ensure!(arrived.sides[1] == expected, "sent {expected:?}, seen {:?}", arrived.sides[1]);
    }
    ensure!(path.a_to_b().data_packets_missing > 0, "nothing was lost");
    Ok(())
}

/// Runs a Python program in the namespace to its end; what it prints.
fn python(namespace: &Namespace, program: &str) -> Result<String> {
    let mut command = std::process::Command::new("python3");
    command.args(["-c", program]).stdout(std::process::Stdio::piped());
    let output = namespace.spawn(&mut command)?.wait_with_output()?;
    ensure!(output.status.success(), "python3 ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The ends that a program printed: `CLIENT_PORT SERVER_PORT`.
fn printed(host: &str, text: &str) -> Result<Pair> {
    let ports: Vec<u16> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let &[client, server] = ports.as_slice() else { bail!("it printed {text:?}") };
    let at = |port| Ok::<_, anyhow::Error>(SocketAddr::new(host.parse()?, port));
    Ok(Pair { client: at(client)?, server: at(server)? })
}

/// What both ends of a connection saw of a program that sends `request` and `answer`.
fn exchange(
    collector: &mut Collector,
    home: &Namespace,
    host: &str,
    program: &str,
    request: &[u8],
    answer: &[u8],
) -> Result<[Report; 2]> {
    let pair = printed(host, &python(home, program)?)?;
    let (request, answer) =
        ([request.len() as u64, hash(request), 0], [answer.len() as u64, hash(answer), 0]);
    let of = |side: &[u64; 4]| [side[0], side[1], side[2]];
    let seen = collector.until("the exchange", &pair, |client, server| {
        client.sides[1][0] == answer[0] && server.sides[0][0] == answer[0]
    })?;
    for (end, report, expected) in
        [("client", &seen[0], [request, answer]), ("server", &seen[1], [answer, request])]
    {
        let sides = [of(&report.sides[0]), of(&report.sides[1])];
        ensure!(sides == expected, "the {end} sent and received {expected:?}, seen is {sides:?}");
    }
    Ok(seen)
}

/// Data with the SYN, which the listener receives before there is a socket of the connection.
pub(crate) fn fast_open() -> Result<()> {
    let home = Namespace::create("home")?;
    // Client and server, without a cookie, on all listeners.
    home.set("net/ipv4/tcp_fastopen", "1543")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let program = r#"
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
client.sendto(b"early request", socket.MSG_FASTOPEN, listener.getsockname())
server, _ = listener.accept()
# TCP_INFO: tcpi_options has TCPI_OPT_SYN_DATA.
assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & 32, "the SYN had no data"
assert server.recv(100) == b"early request"
server.sendall(b"answer")
assert client.recv(100) == b"answer"
print(client.getsockname()[1], listener.getsockname()[1])
"#;
    exchange(&mut collector, &home, "127.0.0.1", program, b"early request", b"answer")?;
    Ok(())
}

/// Segments that repeat a byte, or have none, and an end together with data. The kernel's own probes have no byte; those
/// of other systems repeat the last one, of any value (RFC 9293 section 3.8.4).
pub(crate) fn probes_and_ends() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let program = r#"
import socket, struct
TCP = socket.IPPROTO_TCP
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, RECEIVE, SEND = 19, 20, 21, 1, 2

def segments_in(one):
    return struct.unpack_from("=I", one.getsockopt(TCP, socket.TCP_INFO, 144), 140)[0]

def next_numbers(one):
    one.setsockopt(TCP, TCP_REPAIR, 1)
    numbers = []
    for queue in SEND, RECEIVE:
        one.setsockopt(TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(one.getsockopt(TCP, TCP_QUEUE_SEQ) & 0xffffffff)
    # Leaving this mode sends a probe without payload.
    one.setsockopt(TCP, TCP_REPAIR, 0)
    return numbers

def send_raw(source, destination, sequence, acknowledgement, flags, payload):
    def header(checksum):
        return struct.pack("!HHIIBBHHH", source, destination, sequence & 0xffffffff, acknowledgement, 0x50, flags, 512, checksum, 0)
    data = header(0) + payload
    ends = socket.inet_aton("127.0.0.1") * 2 + struct.pack("!HH", TCP, len(data))
    words = ends + data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, TCP) as raw:
        raw.sendto(header(~total & 0xffff) + payload, ("127.0.0.1", 0))

def arrives(send):
    before = segments_in(server)
    send()
    while segments_in(server) == before:
        pass
    return segments_in(server) - before

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
ports = client.getsockname()[1], listener.getsockname()[1]
client.sendall(b"request")
assert server.recv(100) == b"request"
arrives(lambda: next_numbers(client))
sequence, acknowledgement = next_numbers(client)
for byte in b"t", b"\0":
    arrives(lambda: send_raw(*ports, sequence - 1, acknowledgement, 16, byte))
client.sendall(b" more")
assert server.recv(100) == b" more"
client.send(b"!", socket.MSG_OOB)
assert server.recv(1, socket.MSG_OOB) == b"!"
client.setsockopt(TCP, socket.TCP_CORK, 1)
client.sendall(b" last")
assert arrives(lambda: client.shutdown(socket.SHUT_WR)) == 1, "data and FIN were two segments"
received = b""
while part := server.recv(100):
    received += part
assert received == b" last", received
server.sendall(b"answer")
assert client.recv(100) == b"answer"
print(*ports)
"#;
    let seen =
        exchange(&mut collector, &home, "127.0.0.1", program, b"request more! last", b"answer")?;
    ensure!(seen[0].sides[0][3] == 1 && seen[1].sides[1][3] == 1, "no end of the client: {seen:?}");
    Ok(())
}

/// IPv6 with destination options in each packet, and an urgent byte, which is a byte of the stream.
pub(crate) fn extension_headers() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let program = r#"
import socket
listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
client = socket.socket(socket.AF_INET6)
client.connect(listener.getsockname())
server, _ = listener.accept()
for one in client, server:
    # A header of 16 bytes: next header, length, an unknown option to be skipped, PadN.
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 1, 30, 10] + [0] * 10 + [1, 0]))
client.sendall(b"options")
client.send(b"!", socket.MSG_OOB)
client.sendall(b"behind")
client.shutdown(socket.SHUT_WR)
while server.recv(100):
    pass
server.sendall(b"answer")
assert client.recv(100) == b"answer"
print(client.getsockname()[1], listener.getsockname()[1])
"#;
    exchange(&mut collector, &home, "::1", program, b"options!behind", b"answer")?;
    Ok(())
}

/// A connection whose protocol is unknown: of each side the first 4 KiB are copied, and nothing else.
pub(crate) fn unwanted() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![])?;
    let (mut client, server, pair) = connect(&home, &home, "127.0.0.1".parse()?)?;
    let received = read_all(server);
    let before = collector.tap.copied_bytes();
    let all = pattern(32 << 20);
    client.write_all(&all)?;
    drop(client);
    ensure!(received.recv_timeout(TIMEOUT)??.len() == all.len());
    collector.drain();
    let copied = collector.tap.copied_bytes() - before;
    // Other connections of the machine have first bytes too.
    ensure!((8192..8 << 20).contains(&copied), "{copied} bytes were copied");
    ensure!(collector.by_ends.len() == 2, "{:?} for {pair:?}", collector.by_ends);
    Ok(())
}

/// A range that a decoder skips is not copied; what follows is.
pub(crate) fn skipped() -> Result<()> {
    const SKIPPED: usize = 64 << 20;
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let (mut client, server, pair) = connect(&home, &home, "127.0.0.1".parse()?)?;
    let received = read_all(server);
    let first = format!("SKIP {SKIPPED}\n");
    client.write_all(first.as_bytes())?;
    let length = first.len() as u64;
    collector.until("the first line", &pair, |client, server| {
        client.sides[0][0] == length && server.sides[1][0] == length
    })?;
    let before = collector.tap.copied_bytes();
    client.write_all(&pattern(SKIPPED))?;
    client.write_all(b"behind")?;
    client.shutdown(std::net::Shutdown::Write)?;
    let seen = collector.until("the end", &pair, |client, server| {
        client.sides[0][3] == 1 && server.sides[1][3] == 1
    })?;
    ensure!(received.recv_timeout(TIMEOUT)??.len() == first.len() + SKIPPED + 6);
    let expected = [length + 6, hash(format!("{first}behind").as_bytes()), 0, 1];
    ensure!(seen[0].sides[0] == expected && seen[1].sides[1] == expected, "{seen:?}");
    let copied = collector.tap.copied_bytes() - before;
    ensure!(copied < 8 << 20, "{copied} bytes were copied of {SKIPPED} that are skipped");
    Ok(())
}

/// While the ring is not drained, payload is dropped: the layer knows how many bytes it missed, and they are counted.
pub(crate) fn pressure() -> Result<()> {
    const BYTES: usize = 32 << 20;
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    let (mut client, server, pair) = connect(&home, &home, "127.0.0.1".parse()?)?;
    let received = read_all(server);
    client.write_all(b"begin")?;
    collector.until("the begin", &pair, |client, server| {
        client.sides[0][0] == 5 && server.sides[1][0] == 5
    })?;
    client.write_all(&pattern(BYTES))?;
    collector.until("what was not dropped", &pair, |client, _| client.sides[0][0] > 5)?;
    client.write_all(b"end")?;
    let all = 5 + BYTES as u64 + 3;
    let seen = collector.until("all of it, or how much was missed", &pair, |client, server| {
        [client.sides[0], server.sides[1]].iter().all(|side| side[0] + side[2] == all)
    })?;
    drop(client);
    ensure!(received.recv_timeout(TIMEOUT)??.len() as u64 == all);
    let missed = seen[0].sides[0][2] + seen[1].sides[1][2];
    ensure!(missed > 0, "a ring of 4 MiB held {BYTES} bytes twice");
    ensure!(
        collector.lost_bytes >= missed,
        "{missed} bytes are missing, {} are counted",
        collector.lost_bytes
    );
    Ok(())
}

/// Datagrams of a connected socket, and of an unconnected one by its peers; of an unwanted flow only the first bytes.
pub(crate) fn datagrams() -> Result<()> {
    let home = Namespace::create("home")?;
    let mut collector = Collector::of(&home, vec![])?;
    for host in ["127.0.0.1", "::1"] {
        let host: IpAddr = host.parse()?;
        let bind = || home.inside(|| UdpSocket::bind((host, 0)));
        let (client, server) = (bind()??, bind()??);
        let (here, there) = (client.local_addr()?, server.local_addr()?);
        client.connect(there)?;
        let mut buffer = [0; 2000];
        let all = pattern(80_000);
        for datagram in all.chunks(1000) {
            client.send(datagram)?;
            let (length, from) = server.recv_from(&mut buffer)?;
            server.send_to(&buffer[..length / 2], from)?;
            client.recv(&mut buffer)?;
        }
        collector.drain();
        let ends = |address: SocketAddr| Endpoint { address: address.ip(), port: address.port() };
        let questions: Vec<&[u8]> = all.chunks(1000).take(66).collect();
        let answers: Vec<&[u8]> = all.chunks(1000).map(|datagram| &datagram[..500]).collect();
        for (here, there, sent, received, flow) in [
            (here, there, &questions, &answers, None),
            (there, here, &answers, &questions, Some(FlowKey::Peer(ends(here)))),
        ] {
            let id = collector.by_ends.get(&(ends(here), ends(there)));
            let id = *id.with_context(|| format!("no socket of {here} to {there}"))?;
            ensure!(id.flow == flow, "{id:?}");
            for (side, expected) in [(Side::Sent, sent), (Side::Received, received)] {
                let seen = collector.datagrams.remove(&(id, side)).unwrap_or_default();
                let (count, of) = (seen.len(), expected.len());
                ensure!(
                    seen == *expected,
                    "{count} of {of} datagrams {side:?} of {here} over {host}"
                );
            }
        }
    }
    Ok(())
}

/// A connection that moved payload before the programs were attached.
pub(crate) fn late_start() -> Result<()> {
    let home = Namespace::create("home")?;
    let (mut client, mut server, pair) = connect(&home, &home, "127.0.0.1".parse()?)?;
    let mut buffer = vec![0; 10_000];
    for _ in 0..3 {
        client.write_all(&buffer)?;
        server.read_exact(&mut buffer)?;
        server.write_all(&buffer)?;
        client.read_exact(&mut buffer)?;
    }
    let mut collector = Collector::of(&home, vec![&HASHED])?;
    client.write_all(b"later")?;
    server.read_exact(&mut buffer[..5])?;
    collector.until("what came later", &pair, |client, server| {
        client.sides[0][0] == 5 && server.sides[1][0] == 5
    })?;
    // Steered by now: reads are seen, those before included.
    client.write_all(b"again")?;
    server.read_exact(&mut buffer[..5])?;
    let [client, server] =
        collector.until("the read", &pair, |_, server| server.reads == 30_010)?;
    let expected = [10, hash(b"lateragain"), 0, 0];
    ensure!(client.sides[0] == expected && server.sides[1] == expected, "{client:?} {server:?}");
    Ok(())
}

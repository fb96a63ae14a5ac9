//! What only an agent with programs in the kernel knows: the peers of UDP sockets, and owner changes without a scan of
//! `/proc`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns, peer};
use crate::loaded::number;

/// Longer than the sample interval of a second, and than the interval at which descriptors are scanned again: a thousand
/// times the CPU time of a scan.
const NEXT_SCAN: Duration = Duration::from_secs(30);

fn start(home: &Namespace) -> Result<Agent> {
    Agent::start(conns()?.path(), Some(home), &["--listen", "http=127.0.0.1:0"])
}

/// The only row of this local port in `home`, if there is one. The agent sees the whole machine, where other tests use the
/// same ports in their own namespaces.
fn row(agent: &Agent, home: &Namespace, port: u16) -> Result<Option<Value>> {
    let filter = format!("netns_inode=={}%20and%20local_port=={port}", home.inode()?);
    let path = format!("/api/v1/connections?view=all&fields=all&filter={filter}");
    let answer = agent.get(Some(home), &path)?;
    ensure!(answer.status == 200, "the list answers {}", answer.status);
    let mut list: Value = serde_json::from_slice(&answer.body)?;
    let rows = list["connections"].as_array_mut().context("no connections in the list")?;
    ensure!(rows.len() < 2, "there are several: {rows:?}");
    Ok(rows.pop())
}

/// Of each peer: bytes out and in, datagrams out and in.
type Truth = Vec<(SocketAddr, [u64; 4])>;

/// How the socket that is asked receives and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    /// recvfrom(2): the call returns the sender.
    RecvFrom,
    /// recv(2): the call does not return the sender.
    Recv,
    /// It samples at each datagram before it takes it.
    Peek,
    /// It is connected to the only peer there is.
    Connected,
}

/// Peers of a socket, each with another number and size of datagrams, which are answered.
fn talk(
    namespace: &Namespace,
    at: &str,
    host: &str,
    calls: Calls,
) -> Result<(UdpSocket, Vec<UdpSocket>, Truth)> {
    let socket = namespace.inside(|| UdpSocket::bind(at))?.context("binding")?;
    let to = SocketAddr::new(host.parse()?, socket.local_addr()?.port());
    let (mut truth, mut clients) = (Vec::new(), Vec::new());
    for peer in 1..=if calls == Calls::Connected { 1 } else { 3_u64 } {
        let client = namespace
            .inside(|| UdpSocket::bind(SocketAddr::new(to.ip(), 0)))?
            .context("binding")?;
        let here = client.local_addr()?;
        for stream in [&socket, &client] {
            stream.set_read_timeout(Some(TIMEOUT))?;
        }
        if calls == Calls::Connected {
            socket.connect(here)?;
        }
        let (asked, answered) = (vec![7; 100 * peer as usize], vec![7; 10 * peer as usize]);
        let mut buffer = [0; 2000];
        for _ in 0..peer {
            client.send_to(&asked, to)?;
            let (bytes, from) = match calls {
                Calls::RecvFrom => socket.recv_from(&mut buffer)?,
                Calls::Recv | Calls::Connected => (socket.recv(&mut buffer)?, here),
                Calls::Peek => {
                    socket.peek_from(&mut buffer)?;
                    socket.recv_from(&mut buffer)?
                }
            };
            ensure!(bytes == asked.len() && from.port() == here.port(), "{bytes} from {from}");
            if calls == Calls::Connected {
                socket.send(&answered)?;
            } else {
                let is_six = socket.local_addr()?.is_ipv6();
                let mapped = match here {
                    SocketAddr::V4(four) if is_six => {
                        SocketAddr::new(four.ip().to_ipv6_mapped().into(), four.port())
                    }
                    same => same,
                };
                socket.send_to(&answered, mapped)?;
            }
            client.recv_from(&mut buffer)?;
        }
        truth.push((here, [peer * 10 * peer, peer * 100 * peer, peer, peer]));
        clients.push(client);
    }
    truth.sort_unstable();
    Ok((socket, clients, truth))
}

/// The peers of a row of the list.
fn peers_of(row: &Value) -> Result<Truth> {
    let mut peers = Vec::new();
    for peer in row["peers"].as_array().into_iter().flatten() {
        let number = |key: &str| peer[key].as_u64().with_context(|| format!("no {key} in {peer}"));
        let host = peer["remote_addr"].as_str().context("a peer without an address")?.parse()?;
        let keys = ["bytes_out", "bytes_in", "datagrams_out", "datagrams_in"];
        let [a, b, c, d] = keys.map(number);
        peers.push((
            SocketAddr::new(host, u16::try_from(number("remote_port")?)?),
            [a?, b?, c?, d?],
        ));
    }
    peers.sort_unstable();
    Ok(peers)
}

/// The peers of a socket, with bytes and datagrams each way to the one, whichever calls it makes.
pub(crate) fn udp_peers() -> Result<()> {
    let home = Namespace::create("home")?;
    let agent = start(&home)?;
    for (at, host, calls) in [
        ("127.0.0.1:9100", "127.0.0.1", Calls::RecvFrom),
        ("[::1]:9101", "::1", Calls::RecvFrom),
        // One socket for both families: its peers of IPv4 have addresses of IPv4.
        ("[::]:9102", "127.0.0.1", Calls::RecvFrom),
        ("127.0.0.1:9103", "127.0.0.1", Calls::Recv),
        ("127.0.0.1:9104", "127.0.0.1", Calls::Peek),
        ("127.0.0.1:9105", "127.0.0.1", Calls::Connected),
        ("[::1]:9106", "::1", Calls::Connected),
    ] {
        let (socket, _clients, truth) = talk(&home, at, host, calls)?;
        let port = socket.local_addr()?.port();
        let reported = wait_for(&format!("the peers of {at} by {calls:?}"), NEXT_SCAN, || {
            let Some(row) = row(&agent, &home, port)? else { return Ok(None) };
            Ok((peers_of(&row)? == truth).then_some(row))
        })
        .with_context(|| {
            format!("reported is {:?}, where it was {truth:?}", row(&agent, &home, port))
        })?;
        let sum = |index: usize| truth.iter().map(|(_, numbers)| numbers[index]).sum::<u64>();
        for (key, sum) in [("bytes_out", sum(0)), ("bytes_in", sum(1))] {
            ensure!(reported[key] == sum, "{key} is {}, the peers make {sum}", reported[key]);
        }
    }
    Ok(())
}

/// Connects and obeys commands: forks, execs, passes the socket, closes it.
const OWNER_SCRIPT: &str = r#"
import array, os, signal, socket, sys
stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
stream.set_inheritable(True)
mine, its = socket.socketpair()
taker = os.fork()
if taker == 0:
    stream.close()
    socket.recv_fds(its, 1, 1)
    signal.pause()
child = 0
print(os.getpid(), taker, flush=True)
for word in sys.stdin:
    word = word.strip()
    if word == "fork":
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGUSR1, lambda *_: os.execvp("sleep", ["sleep", "1000"]))
            while True:
                signal.pause()
    elif word == "exec":
        os.kill(child, signal.SIGUSR1)
    elif word == "pass":
        socket.send_fds(mine, [b"x"], [stream.fileno()])
    elif word == "close":
        stream.close()
    elif word == "kill":
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(child, flush=True)
os.kill(taker, signal.SIGKILL)
if child:
    os.kill(child, signal.SIGKILL)
"#;

/// The script at work; its end of input ends it and its children.
struct Owner {
    child: Child,
    words: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Owner {
    fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let mut command = Command::new("python3");
        command
            .args(["-c", OWNER_SCRIPT, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let words = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, words, output })
    }

    fn numbers(&mut self) -> Result<Vec<u64>> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("reading the script's output")?;
        let numbers = line.split_whitespace().map(str::parse);
        numbers
            .collect::<std::result::Result<_, _>>()
            .with_context(|| format!("the script wrote {line:?}"))
    }

    fn send(&mut self, word: &str) -> Result<Vec<u64>> {
        let words = self.words.as_mut().context("its input is closed")?;
        writeln!(words, "{word}").with_context(|| format!("sending `{word}`"))?;
        self.numbers()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.words.take());
        let _ = self.child.wait();
    }
}

/// While no owner of a socket forks, executes or exits, nothing is counted as a change: the agent's own threads count for nothing. What is
/// counted is the whole machine's, so this test runs alone.
pub(crate) fn at_rest() -> Result<()> {
    let home = Namespace::create("home")?;
    // Owned by another process: this one starts bpftool, which would count as a change.
    let _listener = peer(&home, "listen --at 127.0.0.1:9006 --do ignore")?;
    let agent = start(&home)?;
    // Other processes may change owners now and then.
    let of_rest = Duration::from_millis(2500);
    wait_for("two samples in a row in which nothing is counted", Duration::from_secs(60), || {
        let before = number(agent.pid(), "changes")?;
        std::thread::sleep(of_rest);
        Ok((number(agent.pid(), "changes")? == before).then_some(()))
    })
}

/// Each change is known: that a process forks, executes or exits by the count of changes, that a descriptor is passed on or
/// closed by the next scan.
pub(crate) fn owner_changes() -> Result<()> {
    let home = Namespace::create("home")?;
    let agent = start(&home)?;
    let listener = home.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let mut owner = Owner::start(&home, listener.local_addr()?.port())?;
    let (_server, local) = listener.accept()?;
    let pids = owner.numbers()?;
    let &[parent, taker] = pids.as_slice() else { anyhow::bail!("the script wrote {pids:?}") };
    let owned = |what: &str, expected: &[(u64, &str)]| -> Result<()> {
        let reported = || -> Result<Vec<(u64, String)>> {
            let row = row(&agent, &home, local.port())?.unwrap_or_default();
            let owners = row["owners"].as_array().into_iter().flatten();
            let mut owners: Vec<_> = owners
                .filter_map(|one| Some((one["pid"].as_u64()?, one["process"].as_str()?.to_owned())))
                .collect();
            owners.sort_unstable();
            Ok(owners)
        };
        let mut expected: Vec<_> =
            expected.iter().map(|(pid, name)| (*pid, (*name).to_owned())).collect();
        expected.sort_unstable();
        wait_for(what, NEXT_SCAN, || Ok((reported()? == expected).then_some(())))
            .with_context(|| format!("{:?} is reported, where it is {expected:?}", reported()))
    };
    owned("the owner", &[(parent, "python3")])?;
    let child = owner.send("fork")?[0];
    owned("the owners after fork", &[(parent, "python3"), (child, "python3")])?;
    owner.send("exec")?;
    owned("the owners after exec", &[(parent, "python3"), (child, "sleep")])?;
    owner.send("pass")?;
    let all = [(parent, "python3"), (child, "sleep"), (taker, "python3")];
    owned("the owners after it was passed", &all)?;
    owner.send("close")?;
    owned("the owners after close", &all[1..])?;
    owner.send("kill")?;
    owned("the owner that is left", &all[2..])?;
    Ok(())
}

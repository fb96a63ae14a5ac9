//! Processes that opened and accepted, also where a process has forked or lives in a namespace of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, by, by_us, follower, only, peer, shows, story};

/// Two processes, of which each is named at its end.
pub(crate) fn both_sides() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7211 --do answer:10:10")?;
    let client = peer(&namespace, "connect --to 127.0.0.1:7211 --do ask:10:10:5")?;
    let to: SocketAddr = "127.0.0.1:7211".parse()?;
    let local = client.ready()["locals"][0].as_str().context("no local address")?.parse()?;
    wait_for("the server to accept", TIMEOUT, || {
        Ok((follower.of(&namespace, to, local).len() == 2).then_some(()))
    })?;
    shows(only(&follower.of(&namespace, local, to), "opened")?, &by(client.pid(), "conns-lab")?)?;
    let accepted = follower.of(&namespace, to, local);
    shows(only(&accepted, "accepted")?, &by(server.pid(), "conns-lab")?)?;
    let (client_pid, server_pid) = (client.pid(), server.pid());
    drop(client);
    let ended = follower.until_over(&namespace, local, to)?;
    shows(only(&ended, "closed")?, &by(client_pid, "conns-lab")?)?;
    drop(server);
    let ended = follower.until_over(&namespace, to, local)?;
    shows(only(&ended, "closed")?, &by(server_pid, "conns-lab")?)
}

/// A script of another language, which can fork; its standard output is a number a line.
struct Script {
    child: Child,
    numbers: BufReader<std::process::ChildStdout>,
}

impl Script {
    fn start(namespace: &Namespace, command: &[&str], text: &str) -> Result<Self> {
        let (program, arguments) = command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).arg(text).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let numbers = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, numbers })
    }

    fn number(&mut self) -> Result<u32> {
        let mut line = String::new();
        self.numbers.read_line(&mut line).context("reading the script's output")?;
        line.trim().parse().with_context(|| format!("the script wrote {line:?}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Listens, prints its port and the child's pid, and lets the child answer.
const FORKED: &str = r#"
import os, socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
child = os.fork()
if child == 0:
    open("/proc/self/comm", "w").write("accepting-child")
    stream, _ = listener.accept()
    stream.send(stream.recv(100))
    stream.recv(100)
    stream.close()
    os._exit(0)
print(listener.getsockname()[1], flush=True)
print(child, flush=True)
os.waitpid(child, 0)
"#;

/// Accepts itself, and has a child answer on what it accepted.
const HANDED_DOWN: &str = r#"
import os, socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
print(listener.getsockname()[1], flush=True)
stream, _ = listener.accept()
child = os.fork()
if child == 0:
    open("/proc/self/comm", "w").write("accepting-child")
    stream.send(stream.recv(100))
    stream.recv(100)
    stream.close()
    os._exit(0)
print(child, flush=True)
stream.close()
os.waitpid(child, 0)
"#;

fn answered_by_child(text: &str) -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let mut script = Script::start(&namespace, &["python3", "-c"], text)?;
    let to: SocketAddr = ([127, 0, 0, 1], u16::try_from(script.number()?)?).into();
    let mut client = namespace.inside(|| TcpStream::connect(to))??;
    client.set_read_timeout(Some(TIMEOUT))?;
    let local = client.local_addr()?;
    client.write_all(b"hello")?;
    client.read_exact(&mut [0; 5])?;
    let child = script.number()?;
    drop(client);
    let reported = follower.until_over(&namespace, to, local)?;
    story(&reported, &["opened", "accepted", "closed"])?;
    shows(&reported[1], &by(child, "accepting-child")?)?;
    shows(&reported[2], &by(child, "accepting-child")?)?;
    let reported = follower.until_over(&namespace, local, to)?;
    shows(only(&reported, "closed")?, &by_us()?)
}

/// The listener is inherited, as by the workers of a web server.
pub(crate) fn forked_child() -> Result<()> {
    answered_by_child(FORKED)
}

/// The connection is inherited, as from inetd: it is the child's, though the parent called accept. The kernel reports
/// the first use of a connection, not of accept itself.
pub(crate) fn handed_down() -> Result<()> {
    answered_by_child(HANDED_DOWN)
}

/// Prints its pid in its own pid namespace, connects, and waits to be killed.
const CONTAINED: &str = r#"
import os, socket, time
print(os.getpid(), flush=True)
listener = socket.socket()
listener.bind(("127.0.0.1", 7212))
listener.listen(5)
client = socket.create_connection(("127.0.0.1", 7212))
server, _ = listener.accept()
client.send(b"x")
server.recv(1)
print(client.getsockname()[1], flush=True)
time.sleep(1000)
"#;

/// The pid that is reported is the one this test knows the process by, not the one it has in its own namespace.
pub(crate) fn pid_namespace() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let command = ["unshare", "--pid", "--fork", "--kill-child", "python3", "-c"];
    let mut script = Script::start(&namespace, &command, CONTAINED)?;
    ensure!(script.number()? == 1, "the script is not the first of its pid namespace");
    let local: SocketAddr = ([127, 0, 0, 1], u16::try_from(script.number()?)?).into();
    let to: SocketAddr = "127.0.0.1:7212".parse()?;
    let pid = only_child_of(script.child.id())?;
    follower.catch_up()?;
    shows(only(&follower.of(&namespace, local, to), "opened")?, &by(pid, "python3")?)?;
    shows(only(&follower.of(&namespace, to, local), "accepted")?, &by(pid, "python3")?)?;
    drop(script);
    let reported: Vec<Value> = follower.until_over(&namespace, local, to)?;
    shows(only(&reported, "closed")?, &by(pid, "python3")?)
}

/// The process whose parent this is.
fn only_child_of(parent: u32) -> Result<u32> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ended meanwhile is not it.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if behind_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            return Ok(pid);
        }
    }
    bail!("the process {parent} has no child")
}

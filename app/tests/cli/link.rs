//! `conns link`: paths of any bytes on the command line, and the link server of an agent.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::Case;
use crate::program::{SOON, conns, finish, first_line};
use crate::sandbox::is_root;

pub(crate) const TESTS: &[Case] = &[
    Case("link_send_takes_paths_of_any_bytes", &[], any_bytes),
    Case("link_server_of_an_agent_is_started_again", &[], started_again),
];

/// The account of an agent that root starts: a number without a name.
const ACCOUNT: u32 = 61_002;

/// A folder with the state of each server; removed at the end.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("conns-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("in"))?;
        Ok(Self(path))
    }

    /// `conns` with keys, stores and sockets of its own.
    fn conns<S: AsRef<OsStr>>(&self, of: &str, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = conns(words);
        command.env("XDG_STATE_HOME", self.0.join(of)).env("XDG_RUNTIME_DIR", self.0.join(of));
        command.env_remove("STATE_DIRECTORY").env_remove("RUNTIME_DIRECTORY");
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is killed at the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn any_bytes() -> Result<()> {
    let site = Site::new("bytes")?;
    let mut receiver = site.conns("receiver", ["link", "serve", "--listen", "127.0.0.1:0"]);
    receiver.arg("--folder").arg(site.0.join("in")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut receiver = Running(receiver.spawn()?);
    let line = first_line(&mut receiver.0)?;
    let address = line.strip_prefix("receiving at ").and_then(|rest| rest.split(' ').next());
    let address = address.with_context(|| line.clone())?;
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let file = site.0.join(name(b"file \xff"));
    let folder = site.0.join(name(b"folder \xfe\xe9"));
    fs::write(&file, "of a file")?;
    fs::create_dir(&folder)?;
    fs::write(folder.join("below"), "below a folder")?;
    let words = |to: &'static [u8]| -> Vec<OsString> {
        let to = [&b"--to="[..], to].concat();
        let mut words: Vec<OsString> =
            ["link", "send", "--quiet", "--json"].map(OsString::from).into();
        words.push(OsStr::from_bytes(&to).to_owned());
        words.extend([file.clone().into(), folder.clone().into(), address.into()]);
        words
    };
    let sent = finish(&mut site.conns("sender", words(b"at \xfd/")))?;
    let record = sent.code(0)?.json()?;
    ensure!(record["status"] == "complete" && record["totalFiles"] == 2, "{record}");
    ensure!(record["destinationPath"] == "at \u{fffd}", "{record}");
    ensure!(record["destinationPathHex"] == "617420fd", "{record}");
    let target = site.0.join("in").join(name(b"at \xfd"));
    ensure!(fs::read(target.join(name(b"file \xff")))? == b"of a file");
    ensure!(fs::read(target.join(name(b"folder \xfe\xe9/below")))? == b"below a folder");
    let again = finish(&mut site.conns("sender", words(b"at \xfd")))?;
    ensure!(again.code(1)?.err.contains("exists (overwrite is `never`)"), "{}", again.err);
    let missing = site.0.join(name(b"none \xff"));
    let mut command = site.conns("sender", ["link", "send"]);
    let ran = finish(command.arg(&missing).arg(address))?;
    ensure!(ran.code(1)?.err.contains("No such file or directory"), "{}", ran.err);
    Ok(())
}

/// An agent and the lines of its standard error.
struct Agent {
    running: Running,
    lines: Receiver<String>,
}

impl Agent {
    fn line(&self, is_it: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).context("a line is not written")?;
            if is_it(&line) {
                return Ok(line);
            }
        }
    }

    /// The processes below this one.
    fn descendants(&self) -> Result<Vec<u32>> {
        let mut found = vec![self.running.0.id()];
        let mut at = 0;
        while let Some(pid) = found.get(at).copied() {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            for child in children.unwrap_or_default().split_whitespace() {
                found.push(child.parse()?);
            }
            at += 1;
        }
        Ok(found)
    }

    fn link_server(&self) -> Result<Option<u32>> {
        let is_it = |pid: &u32| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains("--until-stdin-ends")
        };
        Ok(self.descendants()?.into_iter().find(is_it))
    }
}

/// The body of a GET.
fn get(address: SocketAddr, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    serde_json::from_str(body).with_context(|| answer.clone())
}

/// Asks for the health until it is as expected.
fn health(address: SocketAddr, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = Instant::now() + SOON;
    loop {
        let health = get(address, "/api/v1/health")?;
        let losses = health["losses"]["agent"].as_array().context("no losses")?;
        let loss = losses.iter().find(|loss| loss["kind"] == "service-ended");
        let loss = loss.cloned().unwrap_or_default();
        if is_it(&loss) {
            return Ok(health);
        }
        if Instant::now() > until {
            bail!("{loss}, and not as expected");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn started_again() -> Result<()> {
    let site = Site::new("hosted")?;
    let mut command = site.conns("agent", ["serve", "--listen", "http=127.0.0.1:0"]);
    command.args(["--interval", "0.5s", "--link-listen", "127.0.0.1:0", "--link-folder"]);
    command.arg(site.0.join("in"));
    if is_root() {
        command.args(["--user", &ACCOUNT.to_string()]);
        std::os::unix::fs::chown(site.0.join("in"), Some(ACCOUNT), None)?;
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stderr = child.stderr.take().context("no standard error")?;
    let (send, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let agent = Agent { running: Running(child), lines };
    let line = agent.line(|line| line.starts_with("conns: http on http://"))?;
    let address =
        line.trim_start_matches("conns: http on http://").trim_end_matches('/').parse()?;
    agent.line(|line| line == "conns: ready")?;
    health(address, Value::is_null)?;

    let first = agent.link_server()?.context("no link server")?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(first)?).context("no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    let line = agent.line(|line| line.contains("the link server of `[link]` ended"))?;
    ensure!(line.contains("signal: 9") && line.contains("started again in 1 s"), "{line}");
    agent.line(|line| line.contains("the link server of `[link]` runs again"))?;
    let second = agent.link_server()?.context("no link server after the start")?;
    ensure!(second != first, "the same process");
    let is_again = |loss: &Value| {
        let message = loss["message"].as_str().unwrap_or_default();
        loss["count"] == 1 && message.contains("signal: 9") && message.contains("runs again")
    };
    health(address, is_again)?;

    // The agent's end is that of both processes, also when it is killed.
    let others = agent.descendants()?;
    drop(agent);
    let until = Instant::now() + SOON;
    let is_alive = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while others.iter().any(is_alive) {
        ensure!(Instant::now() < until, "a process of {others:?} has not ended");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

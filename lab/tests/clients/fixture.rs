//! What the tests stand on: an agent, connections whose figures are known, and clients run to their end.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::{Agent, HttpAnswer};
use conns_lab::netns::Namespace;
use conns_lab::process::beside_me;
use serde_json::Value;

use crate::requirements::clients;

/// How long a condition may take to come true; generous, because the machine may be busy.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may run, as `timeout` takes it.
const CLIENT_SECONDS: &str = "120";

/// The binary under test: `$CONNS`, else the one beside this program.
pub(crate) fn conns() -> Result<PathBuf> {
    let place = std::env::var_os("CONNS").map(PathBuf::from).or_else(|| beside_me("conns"));
    place
        .filter(|place| place.is_file())
        .context("no conns binary beside this program; run `cargo build -p conns` or set CONNS")
}

/// An agent inside the namespace that listens where `arguments` name.
pub(crate) fn agent(namespace: &Namespace, arguments: &[&str]) -> Result<Agent> {
    Agent::start(&conns()?, Some(namespace), arguments)
}

/// Runs a program inside the namespace, bounded in time, and returns its standard output.
pub(crate) fn client(namespace: &Namespace, program: &str, args: &[&str]) -> Result<String> {
    namespace.output("timeout", &[&[CLIENT_SECONDS, program], args].concat())
}

/// Runs a line of shell inside the namespace.
pub(crate) fn shell(namespace: &Namespace, line: &str) -> Result<String> {
    client(namespace, "sh", &["-c", line])
}

/// Where a script of `lab/clients` is.
pub(crate) fn script(name: &str) -> Result<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    Ok(place.to_str().context("a path that is no UTF-8")?.to_owned())
}

/// A program of the libraries' environment.
pub(crate) fn installed(name: &str) -> Result<String> {
    Ok(clients().join("bin").join(name).to_str().context("a path that is no UTF-8")?.to_owned())
}

/// Runs a script of `lab/clients`, and returns what it printed.
pub(crate) fn python(namespace: &Namespace, name: &str, args: &[&str]) -> Result<Value> {
    let script = script(name)?;
    let stdout = client(namespace, &installed("python")?, &[&[script.as_str()], args].concat())?;
    serde_json::from_str(&stdout).with_context(|| format!("{name} printed no JSON: {stdout}"))
}

/// POSTs to a port of this machine.
pub(crate) fn post(namespace: &Namespace, port: u16, path: &str, body: &str) -> Result<HttpAnswer> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = namespace
        .inside(|| TcpStream::connect(address))?
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    HttpAnswer::read(&mut stream)
}

/// The number of the agent's newest snapshot.
pub(crate) fn sequence(agent: &Agent, namespace: &Namespace) -> Result<u64> {
    let answer = agent.get(Some(namespace), "/api/v1/connections?limit=1")?;
    let page: Value = serde_json::from_slice(&answer.body)?;
    page["snapshot"]["sequence"].as_u64().with_context(|| format!("no sequence in {page}"))
}

/// Connections of this process to a port of this machine, inside the namespace.
#[derive(Debug)]
pub(crate) struct Talks {
    listener: TcpListener,
    pub(crate) port: u16,
    pub(crate) talks: Vec<Talk>,
}

/// One connection, and what it has carried.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Both ends, which keep it open.
    _ends: [TcpStream; 2],
    /// The dialler's port.
    pub(crate) far: u16,
    /// Payload from dialler to acceptor, read there.
    pub(crate) up: u64,
    /// Payload the other way.
    pub(crate) down: u64,
}

impl Talks {
    /// Opens `count` of them, the n-th of which carries n kB and n bytes back.
    pub(crate) fn open(namespace: &Namespace, port: u16, count: u16) -> Result<Self> {
        let listener = namespace
            .inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))?
            .with_context(|| format!("listening on {port}"))?;
        let mut talks = Self { listener, port, talks: Vec::new() };
        for number in 1..=count {
            talks.add(namespace, 1000 * usize::from(number), usize::from(number))?;
        }
        Ok(talks)
    }

    /// Opens one more that carries `up` and `down` bytes.
    pub(crate) fn add(&mut self, namespace: &Namespace, up: usize, down: usize) -> Result<&Talk> {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut dialler = namespace.inside(|| TcpStream::connect(to))??;
        let (mut acceptor, far) = self.listener.accept()?;
        dialler.write_all(&vec![b'u'; up])?;
        acceptor.read_exact(&mut vec![0; up])?;
        acceptor.write_all(&vec![b'd'; down])?;
        dialler.read_exact(&mut vec![0; down])?;
        let (up, down) = (u64::try_from(up)?, u64::try_from(down)?);
        self.talks.push(Talk { _ends: [dialler, acceptor], far: far.port(), up, down });
        self.talks.last().context("one was added")
    }

    /// The diallers' ports, sorted.
    pub(crate) fn far_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.talks.iter().map(|talk| talk.far).collect();
        ports.sort_unstable();
        ports
    }
}

/// A folder of a test's own, removed with it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn create(label: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clients-{}-{number}-{label}", std::process::id());
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        Ok(Self(place))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `--flag=PLACE`, or whatever stands before the place.
    pub(crate) fn after(&self, before: &str) -> String {
        format!("{before}{}", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fails unless both are the same, and shows both.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, expected: T) -> Result<()> {
    ensure!(ours == expected, "{what}: {ours:?} instead of {expected:?}");
    Ok(())
}

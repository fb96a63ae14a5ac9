//! The sandbox of a test: as root a network namespace, removed when dropped; else the loopback of this
//! machine, of which only the ports of the test are listed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};

use anyhow::{Context, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::program::{Ran, collect, conns, finish, short, wait_for};

const NAMED: &str = "/run/netns";
static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// Whether the tests may make network namespaces.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An isolated place for sockets.
#[derive(Debug)]
pub(crate) struct Sandbox {
    namespace: Option<Namespace>,
    /// Ports of the test's sockets, by protocol; they replace the namespace if there is none.
    ports: Mutex<Vec<(&'static str, u16)>>,
}

/// A named network namespace, alive until dropped.
#[derive(Debug)]
struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    fn create() -> Result<Self> {
        SWEPT.call_once(sweep_leftovers);
        // The pid in the name lets the next run remove leftovers of a killed one.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conns-cli-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let handle = File::open(Path::new(NAMED).join(&name)).inspect_err(|_| remove(&name))?;
        let namespace = Self { name, handle };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("running ip")?;
    if !output.status.success() {
        bail!("ip {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Best effort: what stays is swept by the next run.
fn remove(name: &str) {
    let _ = ip(&["netns", "del", name]);
}

fn sweep_leftovers() {
    for entry in fs::read_dir(NAMED).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let maker = name.strip_prefix("conns-cli-").and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

impl Sandbox {
    pub(crate) fn new() -> Result<Self> {
        let namespace = is_root().then(Namespace::create).transpose()?;
        Ok(Self { namespace, ports: Mutex::default() })
    }

    /// The namespace's name under /run/netns.
    pub(crate) fn name(&self) -> Result<&str> {
        self.namespace.as_ref().map(|n| &*n.name).context("there is a namespace only as root")
    }

    /// The namespace's inode.
    pub(crate) fn inode(&self) -> Result<u64> {
        match &self.namespace {
            Some(namespace) => Ok(namespace.handle.metadata()?.ino()),
            None => Ok(fs::metadata("/proc/self/ns/net")?.ino()),
        }
    }

    /// Does `work` on a thread in the namespace, so that no other thread is moved.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let Some(namespace) = &self.namespace else { return work() };
        let handle = namespace.handle.as_fd();
        std::thread::scope(|scope| {
            let entered = scope.spawn(move || {
                move_into_link_name_space(handle, Some(LinkNameSpaceType::Network))?;
                work()
            });
            entered.join().map_err(|_| anyhow!("the work in the namespace panicked"))?
        })
    }

    /// Starts a command in the namespace.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child> {
        let shown = short(command);
        self.inside(|| command.spawn().with_context(|| format!("starting {shown}")))
    }

    /// Runs a command in the namespace to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Result<Ran> {
        self.inside(|| finish(command))
    }

    /// Arguments that narrow anything to this sandbox's namespace; none where there is none.
    pub(crate) fn netns(&self) -> Result<Vec<String>> {
        match &self.namespace {
            Some(_) => Ok(vec!["--netns".to_owned(), self.inode()?.to_string()]),
            None => Ok(Vec::new()),
        }
    }

    /// Whether a port is one of the test's sockets'.
    pub(crate) fn owns(&self, port: &serde_json::Value) -> bool {
        self.ports.lock().is_ok_and(|ports| ports.iter().any(|(_, own)| port == *own))
    }

    /// Arguments that narrow a list to this sandbox and, if it is not empty, a filter.
    pub(crate) fn narrowed(&self, filter: &str) -> Result<Vec<String>> {
        let filter = filter.to_owned();
        if self.namespace.is_some() {
            let mut words = self.netns()?;
            words.extend((!filter.is_empty()).then_some(filter));
            return Ok(words);
        }
        let ports = self.ports.lock().map_err(|_| anyhow!("a test panicked"))?;
        let mine: Vec<_> = ports
            .iter()
            .map(|(proto, port)| format!("(proto == {proto} and port == {port})"))
            .collect();
        let mine = if mine.is_empty() { "pid == 0".to_owned() } else { mine.join(" or ") };
        Ok(vec![if filter.is_empty() { mine } else { format!("({filter}) and ({mine})") }])
    }

    /// `conns` with these arguments, narrowed to this sandbox.
    pub(crate) fn conns(&self, words: &[&str], filter: &str) -> Result<Command> {
        let mut command = conns(words);
        command.args(self.narrowed(filter)?);
        Ok(command)
    }

    /// Runs that to its end.
    pub(crate) fn run(&self, words: &[&str], filter: &str) -> Result<Ran> {
        self.finish(&mut self.conns(words, filter)?)
    }

    /// The records of such a run, which must be a good one.
    pub(crate) fn records(&self, words: &[&str], filter: &str) -> Result<Vec<Value>> {
        let ran = self.run(&[words, &["-o", "json"]].concat(), filter)?;
        let mut json = ran.good()?.json()?;
        match json["connections"].take() {
            Value::Array(records) => Ok(records),
            other => bail!("{}: `connections` is {other}", ran.shown),
        }
    }

    /// Runs a child that was spawned here to its end.
    pub(crate) fn collect(&self, child: Child, words: &str) -> Result<Ran> {
        collect(child, words.to_owned())
    }

    /// Adds a port to those that are the test's own.
    pub(crate) fn own(&self, proto: &'static str, port: u16) -> Result<()> {
        self.ports.lock().map_err(|_| anyhow!("a test panicked"))?.push((proto, port));
        Ok(())
    }

    pub(crate) fn listen(&self, at: &str) -> Result<TcpListener> {
        let at = if at.contains("]:") || at.matches(':').count() == 1 {
            at.to_owned()
        } else {
            format!("{at}:0")
        };
        let listener =
            self.inside(|| TcpListener::bind(&at).with_context(|| format!("listening on {at}")))?;
        self.own("tcp", listener.local_addr()?.port())?;
        Ok(listener)
    }

    /// A connection to `to`, which `listener` accepts: the client's end and the server's.
    pub(crate) fn connect(
        &self,
        to: SocketAddr,
        listener: &TcpListener,
    ) -> Result<(TcpStream, TcpStream)> {
        let client =
            self.inside(|| TcpStream::connect(to).with_context(|| format!("connecting to {to}")))?;
        Ok((client, listener.accept()?.0))
    }

    pub(crate) fn udp(&self, at: &str) -> Result<UdpSocket> {
        let socket =
            self.inside(|| UdpSocket::bind(at).with_context(|| format!("binding {at}")))?;
        self.own("udp", socket.local_addr()?.port())?;
        Ok(socket)
    }

    /// Waits until the kernel has no bytes of the test's TCP sockets on their way.
    pub(crate) fn settle(&self) -> Result<()> {
        let mine: Vec<u16> = self
            .ports
            .lock()
            .map_err(|_| anyhow!("a test panicked"))?
            .iter()
            .map(|(_, port)| *port)
            .collect();
        wait_for("all bytes to be acknowledged", || {
            let tables = self.inside(|| {
                let read = |file| fs::read_to_string(file).context(file);
                Ok(read("/proc/thread-self/net/tcp")?
                    + &fs::read_to_string("/proc/thread-self/net/tcp6").unwrap_or_default())
            })?;
            let port =
                |end: &str| end.rsplit(':').next().and_then(|p| u16::from_str_radix(p, 16).ok());
            let busy = tables.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [_, local, remote, "01", queues, ..] = &*words else { return false };
                let is_mine =
                    [port(local), port(remote)].into_iter().flatten().any(|p| mine.contains(&p));
                is_mine && !queues.starts_with("00000000:")
            });
            Ok((!busy).then_some(()))
        })
    }
}

//! One side of a transfer: a namespace, a scratch folder in which its programs are at home, and their control group.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;

use super::group::Group;

const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// Above that of usual programs, below that of the path's threads.
const PRIORITY: &str = "-10";
/// Of a line of a program's log; the rest explains no more.
const MAX_MESSAGE: usize = 160;

/// A socket that a server opens when it is ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Port {
    Tcp(u16),
    Udp(u16),
}

/// One side.
#[derive(Debug)]
pub(super) struct Host<'a> {
    namespace: &'a Namespace,
    /// Its address on the path, or of loopback.
    pub(super) address: IpAddr,
    /// Its scratch folder.
    pub(super) folder: PathBuf,
    /// All its processes.
    pub(super) group: Group,
    servers: RefCell<Vec<Child>>,
}

impl<'a> Host<'a> {
    /// A host with an empty scratch folder.
    pub(super) fn new(
        namespace: &'a Namespace,
        address: IpAddr,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the scratch folder {}", folder.display()))?;
        let group = Group::create()?;
        Ok(Self { namespace, address, folder, group, servers: RefCell::default() })
    }

    /// A path in the scratch folder, as text.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Writes a file in the scratch folder and returns its path.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {path}"))?;
        Ok(path)
    }

    /// Starts a program whose output goes to `<log>.log`.
    pub(super) fn spawn(
        &self,
        log: &str,
        program: &Path,
        arguments: &[&str],
    ) -> anyhow::Result<Child> {
        let file = File::create(self.folder.join(format!("{log}.log")))
            .context("cannot make a log file")?;
        let mut command = self.command(program, arguments);
        command.stdout(file.try_clone().context("cannot share a log file")?).stderr(file);
        self.namespace.spawn(&mut command)
    }

    /// Starts a server, and waits until it listens.
    pub(super) fn serve(
        &self,
        log: &str,
        program: &Path,
        arguments: &[&str],
        port: Port,
    ) -> anyhow::Result<()> {
        let child = self.spawn(log, program, arguments)?;
        self.servers.borrow_mut().push(child);
        let what = format!("{port:?} of {}", program.display());
        let is_open = wait_for(&what, READY_TIMEOUT, || {
            if let Some(status) = self.ended_server()? {
                bail!("{} ended with {status}: {}", program.display(), self.log(log));
            }
            Ok(self.is_open(port)?.then_some(()))
        });
        is_open.with_context(|| self.log(log))
    }

    /// Waits until one of its servers has ended by itself.
    pub(super) fn ended_server(&self) -> anyhow::Result<Option<ExitStatus>> {
        for child in self.servers.borrow_mut().iter_mut() {
            if let Some(status) = child.try_wait().context("cannot ask whether a server runs")? {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }

    /// Standard output of a program that ends.
    pub(super) fn output(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let shown = format!("{} {}", program.display(), arguments.join(" "));
        let mut command = self.command(program, arguments);
        let output = self
            .namespace
            .inside(|| command.output())?
            .with_context(|| format!("cannot run {shown}"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("{shown} ended with {}: {}", output.status, message.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The last line of a log, which has the reason of a failure.
    pub(super) fn log(&self, name: &str) -> String {
        let text = fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.unwrap_or("no output").chars().take(MAX_MESSAGE).collect()
    }

    /// Ends all its processes.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        self.group.end()?;
        for mut child in self.servers.borrow_mut().drain(..) {
            child.wait().context("cannot wait for the end of a server")?;
        }
        Ok(())
    }

    /// Whether a TCP connection to this port of it is established.
    pub(super) fn has_accepted(&self, port: u16) -> anyhow::Result<bool> {
        const ESTABLISHED: &str = "01";
        let text = self.namespace.read("/proc/thread-self/net/tcp")?;
        Ok(text.lines().any(|line| local_state(line, port) == Some(ESTABLISHED)))
    }

    /// A command of this host's group, at home in its scratch folder. It runs before other work of the machine.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ >"$0" && exec nice -n "$@""#])
            .arg(self.group.processes())
            .arg(PRIORITY)
            .arg(program)
            .args(arguments)
            .env("HOME", &self.folder)
            .stdin(Stdio::null());
        for (variable, folder) in [
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(variable, self.folder.join(folder));
        }
        command
    }

    fn is_open(&self, port: Port) -> anyhow::Result<bool> {
        let (tables, port, is_tcp) = match port {
            Port::Tcp(port) => (["tcp", "tcp6"], port, true),
            Port::Udp(port) => (["udp", "udp6"], port, false),
        };
        let mut is_open = false;
        for table in tables {
            let text = self.namespace.read(&format!("/proc/thread-self/net/{table}"))?;
            is_open |= text.lines().any(|line| is_server(line, port, is_tcp));
        }
        Ok(is_open)
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Whether a line of a socket table is of a server with this port.
fn is_server(line: &str, port: u16, is_tcp: bool) -> bool {
    const LISTEN: &str = "0A";
    local_state(line, port).is_some_and(|state| !is_tcp || state == LISTEN)
}

/// The state of a line of a socket table, if it has this local port.
fn local_state(line: &str, port: u16) -> Option<&str> {
    let mut words = line.split_whitespace().skip(1);
    let (local, _, state) = (words.next()?, words.next()?, words.next()?);
    local.ends_with(&format!(":{port:04X}")).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_port_and_listens() {
        let line = "   0: 0200000A:22B6 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        assert!(is_server(line, 8886, true));
        assert!(!is_server(line, 8887, true));
        assert!(!is_server(&line.replace(" 0A ", " 01 "), 8886, true));
        assert!(is_server(&line.replace(" 0A ", " 07 "), 8886, false));
    }
}

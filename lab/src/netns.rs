//! A network namespace of the lab's own: named under `/run/netns`, removed when dropped, also after a panic.
//!
//! The name carries the pid of its maker (`lab-<pid>-<n>-<label>`), so what a killed lab left behind is
//! recognised and swept by the next one. Work "inside" runs on a short-lived thread which entered the
//! namespace, because a namespace belongs to a thread and must never leak into the caller's.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const NAMED: &str = "/run/netns";
static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// A named network namespace, alive until dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    /// Makes a fresh namespace with loopback up and no IPv6 chatter of its own.
    pub fn create(label: &str) -> Result<Self> {
        SWEPT.call_once(sweep_leftovers);
        let name =
            format!("lab-{}-{}-{label}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let place = PathBuf::from(NAMED).join(&name);
        let handle = match File::open(&place) {
            Ok(handle) => handle,
            Err(error) => {
                remove(&name);
                return Err(error)
                    .with_context(|| format!("cannot open the namespace {}", place.display()));
            }
        };
        let namespace = Self { name, handle };
        namespace.ip(&["link", "set", "lo", "up"])?;
        namespace.set("net/ipv6/conf/default/accept_ra", "0")?;
        namespace.set("net/ipv6/conf/default/router_solicitations", "0")?;
        namespace.set("net/ipv4/ip_local_port_range", "20000 65535")?;
        Ok(namespace)
    }

    /// The name under `/run/netns`, as `ip netns` and `conns --netns` take it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The inode number by which the kernel knows the namespace (`net:[…]`).
    pub fn inode(&self) -> Result<u64> {
        Ok(self.handle.metadata()?.ino())
    }

    /// Runs `work` on a thread that has entered this namespace, and waits for it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let name = &self.name;
        let handle = self.handle.as_fd();
        std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    move_into_link_name_space(handle, Some(LinkNameSpaceType::Network))
                        .with_context(|| format!("entering the namespace {name}; is this root?"))?;
                    Ok(work())
                })
                .join()
                .map_err(|_| anyhow!("the work inside the namespace {name} panicked"))?
        })
    }

    /// Starts a process inside this namespace.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let shown = format!("{command:?}");
        self.inside(|| command.spawn())?
            .with_context(|| format!("starting {shown} in {}", self.name))
    }

    /// Runs a command inside this namespace and returns its standard output; a failing command is an error.
    pub fn output(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self
            .inside(|| Command::new(program).args(args).output())?
            .with_context(|| format!("running {program} in {}; is it installed?", self.name))?;
        if !output.status.success() {
            bail!(
                "{program} {} in {} failed: {}",
                args.join(" "),
                self.name,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `ip` on this namespace.
    pub fn ip(&self, args: &[&str]) -> Result<()> {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend_from_slice(args);
        ip(&all)
    }

    /// Writes a sysctl of this namespace; `key` is the path below `/proc/sys`.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let place = FilePath::new("/proc/sys").join(key);
        self.inside(|| fs::write(&place, value))?
            .with_context(|| format!("setting {} to {value:?} in {}", place.display(), self.name))
    }

    /// Reads a file of the entering thread's own view, such as `/proc/thread-self/net/tcp`.
    pub fn read(&self, place: &str) -> Result<String> {
        self.inside(|| fs::read_to_string(place))?
            .with_context(|| format!("reading {place} in {}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("running ip; install iproute2")?;
    if !output.status.success() {
        bail!("ip {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Removal is best effort: a name that stays is swept by the next lab.
fn remove(name: &str) {
    let _ = ip(&["netns", "del", name]);
}

/// Removes the namespaces of labs that are no longer alive.
pub fn sweep_leftovers() {
    let Ok(names) = fs::read_dir(NAMED) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let maker = name
            .strip_prefix("lab-")
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = maker
            && !FilePath::new(&format!("/proc/{pid}")).exists()
        {
            remove(&name);
        }
    }
}

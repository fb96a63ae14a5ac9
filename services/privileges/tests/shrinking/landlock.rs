//! Landlock: not for the process as a whole, but for its serving threads.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use conns_privileges::{Confinement, Keep, LandlockState};
use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, path_beneath_rules,
};

use crate::harness::{Case, Need, OtherProcess, same, shrunk, status, unprivileged};

pub(crate) const TESTS: &[Case] = &[
    Case("landlock_would_hide_the_owners", &[Need::Root, Need::Landlock], hides),
    Case("confined_threads_reach_no_files", &[Need::Root, Need::Landlock], files),
    Case("confined_threads_open_no_ports", &[Need::Root, Need::Landlock], ports),
    Case("confined_threads_have_no_capabilities", &[Need::Root], bare),
    Case("other_threads_are_not_confined", &[Need::Root, Need::Landlock], others),
];

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().map_err(|_| anyhow!("the thread panicked"))?)
}

/// If this fails, the kernel lets a sandboxed process inspect others, and the whole agent can be in a
/// domain.
fn hides() -> Result<()> {
    let other = OtherProcess::start()?;
    let link = format!("/proc/{}/fd/2", other.child.id());
    let read = || fs::read_link(&link).map(drop).map_err(|error| error.kind());
    same("before", read(), Ok(()))?;
    on_a_thread(|| {
        // A domain that allows everything below / already hides other processes, from root.
        let all = AccessFs::from_all(ABI::V1);
        let rules = Ruleset::default().handle_access(all)?.create()?;
        rules.add_rules(path_beneath_rules(["/"], all))?.restrict_self()?;
        ensure!(status("CapEff")? != format!("{:016x}", 0), "it has no capabilities");
        same("in a domain", read(), Err(ErrorKind::PermissionDenied))
    })
}

fn files() -> Result<()> {
    let readable = std::env::temp_dir().join("readable");
    fs::write(&readable, "text")?;
    let keep = Keep { readable: vec![readable.clone()], ..unprivileged() };
    shrunk(false)?;
    let confinement = Confinement::prepare(&keep)?;
    on_a_thread(|| {
        File::open("/etc/passwd")?;
        confinement.confine_thread()?;
        for path in ["/", "/etc/passwd", "/etc/shadow", "/proc/1/environ"] {
            let kind = File::open(path).map(drop).map_err(|error| error.kind());
            ensure!(kind == Err(ErrorKind::PermissionDenied), "{path}: {kind:?}");
        }
        same("what may be read", fs::read_to_string(&readable)?, "text")?;
        let kind =
            File::create(std::env::temp_dir().join("new")).map(drop).map_err(|error| error.kind());
        same("a new file", kind, Err(ErrorKind::PermissionDenied))
    })?;
    let serving = confinement.serving();
    ensure!(serving.landlock > LandlockState::NotEnforced && serving.abi.is_some(), "{serving:?}");
    same("how many", (serving.confined, serving.failed), (1, 0))
}

/// TCP rules came with version 4 (Linux 6.7); before, enforcement is partial.
fn ports() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = listener.local_addr()?;
    shrunk(false)?;
    let confinement = Confinement::prepare(&Keep::default())?;
    on_a_thread(|| {
        TcpStream::connect(to)?;
        confinement.confine_thread()?;
        let kinds = [
            TcpStream::connect(to).map(drop).map_err(|error| error.kind()),
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop).map_err(|error| error.kind()),
        ];
        match confinement.serving().abi {
            Some(4..) => same("new", kinds, [Err(ErrorKind::PermissionDenied); 2])?,
            _ => same("new", confinement.serving().landlock, LandlockState::PartlyEnforced)?,
        }
        listener.accept()?; // the connection made before
        Ok(())
    })
}

fn bare() -> Result<()> {
    shrunk(true)?;
    let confinement = Confinement::prepare(&Keep::default())?;
    on_a_thread(|| {
        confinement.confine_thread()?;
        for key in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            same(key, status(key)?, format!("{:016x}", 0))?;
        }
        same("seccomp", status("Seccomp")?, "2")
    })
}

/// The thread that reads `/proc` still sees all processes.
fn others() -> Result<()> {
    let other = OtherProcess::start()?;
    let link = format!("/proc/{}/fd/2", other.child.id());
    shrunk(false)?;
    let confinement = Confinement::prepare(&Keep::default())?;
    on_a_thread(|| {
        confinement.confine_thread()?;
        let kind = fs::read_link(&link).map(drop).map_err(|error| error.kind());
        same("in the confined thread", kind, Err(ErrorKind::PermissionDenied))
    })?;
    ensure!(fs::read_link(&link)?.to_string_lossy().starts_with("socket:"), "no socket");
    Ok(())
}

//! Runs each test in a process of its own, and checks its requirements.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use conns_privileges::{Keep, Report, ServedBy, shrink};
use libtest_mimic::{Arguments, Failed, Trial, run};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities,
    set_keep_capabilities,
};

/// Names the test that the child process runs.
const ACT: &str = "CONNS_PRIVILEGES_TEST";

/// The unprivileged user of the inspected processes; no account needs to exist.
pub(crate) const OTHER_USER: u32 = 1;
/// The user that tests switch to: it exists on every Debian, and does not own the inspected processes.
pub(crate) const UNPRIVILEGED: u32 = 65534;

/// A test: its name, what it needs, and what it does.
pub(crate) struct Case(
    pub(crate) &'static str,
    pub(crate) &'static [Need],
    pub(crate) fn() -> Result<()>,
);

/// A requirement of a test.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Root, with the capabilities the agent keeps.
    Root,
    /// A kernel with Landlock.
    Landlock,
    /// A kernel with eBPF.
    Programs,
    /// A program, and the Debian package it is in.
    Program(&'static str, &'static str),
}

impl Need {
    fn missing(self) -> Option<String> {
        let has = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        };
        match self {
            Self::Root if !Uid::effective().is_root() => Some("it needs root".to_owned()),
            Self::Root if !has_capabilities() => {
                Some(format!("it needs root with all of {ROOTS:?}"))
            }
            Self::Landlock if !has_landlock() => Some("it needs a kernel with Landlock".to_owned()),
            Self::Programs if !conns_ebpf::are_possible() => {
                Some("it needs a kernel that takes programs (eBPF with BTF)".to_owned())
            }
            Self::Program(name, package) if !has(name) => {
                Some(format!("it needs `{name}` (Debian: {package})"))
            }
            _ => None,
        }
    }
}

/// The kept capabilities, and those for switching users. Root in a container may lack them.
const ROOTS: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);

fn has_capabilities() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(ROOTS))
}

fn has_landlock() -> bool {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let rules = rules.handle_access(AccessFs::from_all(ABI::V1));
    rules.and_then(Ruleset::create).is_ok()
}

pub(crate) fn main(suites: &[&'static [Case]]) -> ExitCode {
    let cases = || suites.iter().flat_map(|suite| *suite);
    if let Some(expected) = std::env::var_os(ACT) {
        // On the first thread, as in the agent.
        let outcome = match cases().find(|Case(name, ..)| *name == expected) {
            Some(Case(_, _, act)) => act(),
            None => Err(anyhow::anyhow!("there is no test {}", expected.display())),
        };
        return match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let trials = cases().map(|Case(name, needs, _)| {
        let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
        if !missing.is_empty() {
            eprintln!("{name} is ignored: {}", missing.join(", "));
        }
        Trial::test(*name, || in_its_own_process(name)).with_ignored_flag(!missing.is_empty())
    });
    run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn in_its_own_process(name: &str) -> Result<(), Failed> {
    // A world-writable temporary folder; the child cannot remove it.
    let folder = std::env::temp_dir().join(format!("conns-{name}-{}", std::process::id()));
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(ACT, name).env("TMPDIR", &folder).stdin(Stdio::null());
    let output = command.output();
    fs::remove_dir_all(&folder)?;
    let output = output?;
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", output.status, text.trim()).into()),
    }
}

/// Drops privileges as the agent does when started as root.
pub(crate) fn shrunk(follow_namespaces: bool) -> Result<Report> {
    Ok(shrink(&Keep { follow_namespaces, ..unprivileged() })?.report(&ServedBy::Nothing)?)
}

/// Without the account `conns`, which may exist here.
pub(crate) fn unprivileged() -> Keep {
    Keep { user: Some(UNPRIVILEGED.to_string()), ..Keep::default() }
}

/// Switches to a user with these capabilities alone, as systemd does for `User=` and
/// `AmbientCapabilities=`.
pub(crate) fn started_as(uid: u32, capabilities: CapabilitySet) -> Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    set_keep_capabilities(true)?;
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: capabilities,
    };
    set_capabilities(None, sets)?;
    for one in capabilities {
        configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

/// One line of this thread's `/proc/thread-self/status`.
pub(crate) fn status(key: &str) -> Result<String> {
    let text = std::fs::read_to_string("/proc/thread-self/status")?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(found, _)| *found == key);
    Ok(line.with_context(|| format!("no line {key} in {text}"))?.1.trim().to_owned())
}

/// Asserts that both are equal.
pub(crate) fn same<A, B>(what: &str, found: A, expected: B) -> Result<()>
where
    A: PartialEq<B> + std::fmt::Debug,
    B: std::fmt::Debug,
{
    ensure!(found == expected, "{what}: {found:?}, not {expected:?}");
    Ok(())
}

/// Whether `outcome` is a refusal with `EPERM`, which is how the filter refuses.
pub(crate) fn refused<T: std::fmt::Debug>(
    what: &str,
    outcome: Result<T, impl Into<std::io::Error>>,
) -> Result<()> {
    let found = outcome.map_err(|error| Into::into(error).raw_os_error());
    let eperm = Some(rustix::io::Errno::PERM.raw_os_error());
    ensure!(matches!(&found, Err(code) if *code == eperm), "{what}: {found:?}, not EPERM");
    Ok(())
}

/// A process of another user that owns a listening socket; it ends with this one.
#[derive(Debug)]
pub(crate) struct OtherProcess {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

impl OtherProcess {
    /// `cat` ends with its input, and owns the socket as its standard error.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let mut command = Command::new("cat");
        command.uid(OTHER_USER).gid(OTHER_USER).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.stderr(OwnedFd::from(listener)).spawn().context("starting cat")?;
        Ok(Self { child: answering(child)?, port })
    }
}

/// `cat` once it is running: it has echoed a byte.
pub(crate) fn answering(mut child: Child) -> Result<Child> {
    use std::io::Read;
    child.stdin.as_mut().context("no input")?.write_all(b"!")?;
    let mut echo = [0];
    child.stdout.as_mut().context("no output")?.read_exact(&mut echo)?;
    same("what cat answers", echo, *b"!")?;
    Ok(child)
}

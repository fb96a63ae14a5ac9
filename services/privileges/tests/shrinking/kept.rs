//! Operations that still work: the sources, and a server on sockets opened before.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use conns_contract::{InodeFilter, Namespaces, OwnerSource, Scope, SocketSource};
use conns_core::model::{LossKind, Moment, Observation, Process, Socket};
use conns_privileges::{Confinement, Keep, ServedBy, shrink};
use conns_procfs::Procfs;
use conns_sockdiag::SockDiag;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::write;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{
    Case, Need, OTHER_USER, OtherProcess, UNPRIVILEGED, answering, same, shrunk, started_as,
    status, unprivileged,
};

pub(crate) const TESTS: &[Case] = &[
    Case("sockets_and_owners_of_other_users_are_seen", &[Need::Root], owners_as_root),
    Case("owners_are_seen_with_capabilities_from_systemd", &[Need::Root], owners_from_systemd),
    Case("without_capabilities_only_own_owners_are_seen", &[Need::Root], owners_without),
    Case("namespaces_entered_before_are_still_seen", &[Need::Root, UNSHARE], entered_before),
    Case("namespaces_of_later_are_seen_where_kept", &[Need::Root, UNSHARE], followed),
    Case("namespaces_of_later_are_a_loss_where_not", &[Need::Root, UNSHARE], not_followed),
    Case("epoll_eventfd_and_timerfd_work", &[], events),
    Case("a_runtime_serves_on_sockets_opened_before", &[Need::Root], serves),
    Case("a_confined_runtime_serves_the_same", &[Need::Root], serves_confined),
    Case("a_unix_socket_is_removed_at_the_end", &[Need::Root], removes),
];

const UNSHARE: Need = Need::Program("unshare", "util-linux");

struct Every;

impl InodeFilter for Every {
    fn contains(&self, _: u64) -> bool {
        true
    }

    fn count(&self) -> u64 {
        0
    }
}

/// The socket that listens on a port.
fn on_port(observation: &Observation, port: u16) -> Option<&Socket> {
    observation.rows().iter().map(|socket| &**socket).find(|socket| socket.local.port == port)
}

/// The owner of the socket that listens on `port`, and the number of processes not inspected.
fn owner(diag: &mut SockDiag, port: u16) -> Result<(Option<Process>, u64)> {
    let scope = Scope { namespaces: Namespaces::Own, ..Scope::everything() };
    let seen = diag.observe(&scope, Moment::default())?;
    let inode = on_port(&seen, port).context("the socket is not there")?.inode.get();
    let inode = inode.context("it has no inode")?;
    let seen = Procfs::at("/proc").observe(&Every, Moment::default())?;
    let owner_table = seen.owners.context("no owners")?;
    let mut entries = owner_table.entries.iter();
    let of_it = |subject| matches!(subject, conns_core::model::Subject::Inode(i) if i == inode);
    let process = entries.find(|owner_entry| of_it(owner_entry.subject)).map(|owner_entry| {
        let at = usize::try_from(owner_entry.process).unwrap_or(usize::MAX);
        owner_table.processes.get(at).map(|process| Process::clone(process))
    });
    Ok((process.flatten(), owner_table.unreadable_processes))
}

/// The number of processes not inspected: some machines hide some from root.
fn is_seen(diag: &mut SockDiag, other: &OtherProcess) -> Result<u64> {
    let (process, unreadable) = owner(diag, other.port)?;
    let process = process.context("it has no owner")?;
    same("the pid", process.pid, other.child.id())?;
    same("the name", &*process.name, "cat")?;
    same("the user", process.uid.get(), Some(OTHER_USER))?;
    ensure!(process.executable.value().is_some(), "its executable is {:?}", process.executable);
    Ok(unreadable)
}

fn owners_as_root() -> Result<()> {
    let other = OtherProcess::start()?;
    let mut diag = SockDiag::open()?;
    let hidden = is_seen(&mut diag, &other)?;
    shrunk(false)?;
    same("the user", nix::unistd::geteuid().as_raw(), UNPRIVILEGED)?;
    same("processes not inspected", is_seen(&mut diag, &other)?, hidden)?;
    // And from a later thread.
    let later = std::thread::spawn(move || is_seen(&mut SockDiag::open()?, &other));
    let later = later.join().map_err(|_| anyhow!("the thread panicked"))??;
    same("processes the thread did not inspect", later, hidden)
}

fn owners_from_systemd() -> Result<()> {
    use rustix::thread::CapabilitySet as Set;
    let other = OtherProcess::start()?;
    let hidden = is_seen(&mut SockDiag::open()?, &other)?;
    started_as(UNPRIVILEGED, Set::SYS_PTRACE | Set::DAC_READ_SEARCH)?;
    shrink(&Keep::default())?;
    let found = is_seen(&mut SockDiag::open()?, &other)?;
    same("processes not inspected", found, hidden)
}

/// The missing capabilities are reported, and needed.
fn owners_without() -> Result<()> {
    use rustix::thread::CapabilitySet as Set;
    let other = OtherProcess::start()?;
    let mine = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    started_as(UNPRIVILEGED, Set::empty())?;
    shrink(&Keep::default())?;
    let mut diag = SockDiag::open()?;
    let (process, unreadable) = owner(&mut diag, other.port)?;
    same("the owner", process.map(|process| process.pid), None)?;
    ensure!(unreadable > 1, "all processes were inspected");
    let (process, _) = owner(&mut diag, mine.local_addr()?.port())?;
    same("the owner of its own", process.map(|process| process.pid), Some(std::process::id()))
}

/// A process in a network namespace of its own, and the inode of that.
fn elsewhere() -> Result<(Child, u64)> {
    let mut command = Command::new("unshare");
    command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = answering(command.spawn().context("starting unshare")?)?;
    let inode = fs::metadata(format!("/proc/{}/ns/net", child.id()))?.ino();
    ensure!(inode != fs::metadata("/proc/self/ns/net")?.ino(), "it is this one");
    Ok((child, inode))
}

/// Lists the sockets of all namespaces; returns the losses of those not entered.
fn list_all_namespaces(diag: &mut SockDiag) -> Result<Vec<String>> {
    let seen = diag.observe(&Scope::everything(), Moment::default())?;
    let losses = seen.losses.iter().filter(|loss| loss.kind() == LossKind::NotPermitted);
    Ok(losses.map(|loss| loss.to_string()).collect())
}

fn not_entered(losses: &[String], inode: u64) -> bool {
    losses.iter().any(|loss| loss.contains(&format!("net:[{inode}]")))
}

fn entered_before() -> Result<()> {
    let (_child, inode) = elsewhere()?;
    let mut diag = SockDiag::open()?;
    let before = list_all_namespaces(&mut diag)?;
    ensure!(!not_entered(&before, inode), "{before:?}");
    shrunk(false)?;
    let after = list_all_namespaces(&mut diag)?;
    ensure!(!not_entered(&after, inode), "{after:?}");
    Ok(())
}

/// Both are created before, and first listed after.
fn followed() -> Result<()> {
    let (_child, inode) = elsewhere()?;
    let mut diag = SockDiag::open()?;
    shrunk(true)?;
    let losses = list_all_namespaces(&mut diag)?;
    ensure!(!not_entered(&losses, inode), "{losses:?}");
    // Network namespaces only.
    let own = fs::File::open("/proc/self/ns/uts")?;
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let kind = Some(LinkNameSpaceType::HostNameAndNISDomainName);
    let other = move_into_link_name_space(std::os::fd::AsFd::as_fd(&own), kind);
    crate::harness::refused("setns into another kind", other)
}

fn not_followed() -> Result<()> {
    let (_child, inode) = elsewhere()?;
    let mut diag = SockDiag::open()?;
    shrunk(false)?;
    let losses = list_all_namespaces(&mut diag)?;
    ensure!(not_entered(&losses, inode), "it was entered, or not found: {losses:?}");
    Ok(())
}

fn events() -> Result<()> {
    shrink(&unprivileged())?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC)?;
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    for (number, fd) in [(1, &event), (2, &timer)] {
        epoll::add(&poll, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
    }
    write(&event, &1_u64.to_ne_bytes())?;
    let soon = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec { tv_sec: 0, tv_nsec: 1_000_000 },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &soon)?;
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let mut list = Vec::with_capacity(2);
        let wait = Timespec { tv_sec: 10, tv_nsec: 0 };
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut list), Some(&wait))?;
        ensure!(!list.is_empty(), "nothing within 10 s; seen: {seen:?}");
        for event in list {
            seen[usize::try_from(event.data.u64() - 1)?] = true;
        }
    }
    Ok(())
}

fn serves() -> Result<()> {
    serve(None)
}

fn serves_confined() -> Result<()> {
    let confinement = Confinement::prepare(&Keep::default())?;
    serve(Some(confinement.clone()))?;
    let serving = confinement.serving();
    ensure!(serving.confined >= 2 && serving.failed == 0, "{serving:?}");
    Ok(())
}

/// A multi-threaded runtime answers on TCP and on a unix socket, both opened by root.
fn serve(confinement: Option<Confinement>) -> Result<()> {
    let place = std::env::temp_dir().join("socket");
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let unix = UnixListener::bind(&place)?;
    let mut pair = (UnixStream::connect(&place)?, TcpStream::connect(tcp.local_addr()?)?);
    fs::remove_file(&place)?;
    tcp.set_nonblocking(true)?;
    unix.set_nonblocking(true)?;
    let privileges = shrink(&unprivileged())?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(confinement) = confinement.clone() {
        runtime.on_thread_start(move || drop(confinement.confine_thread()));
    }
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let guard = runtime.enter();
    let tcp = tokio::net::TcpListener::from_std(tcp)?;
    let unix = tokio::net::UnixListener::from_std(unix)?;
    drop(guard);
    let by_tcp = runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (mut stream, _) = tcp.accept().await?;
        stream.write_all(status("CapEff").unwrap_or_default().as_bytes()).await
    });
    let by_unix = runtime.spawn(async move {
        let (mut stream, _) = unix.accept().await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await
    });
    let text = {
        use std::io::{Read, Write};
        let limit = Some(Duration::from_secs(10));
        pair.0.set_read_timeout(limit)?;
        pair.1.set_read_timeout(limit)?;
        pair.0.write_all(b"?")?;
        let mut byte = [0];
        pair.0.read_exact(&mut byte)?;
        same("the echo", byte, *b"?")?;
        let mut text = String::new();
        pair.1.read_to_string(&mut text)?;
        text
    };
    runtime.block_on(async { anyhow::Ok((by_tcp.await??, by_unix.await??)) })?;
    let kept: u64 = if confinement.is_some() { 0 } else { 1 << 2 | 1 << 19 };
    same("capabilities of the thread that answered", text, format!("{kept:016x}"))?;
    // One thread may have answered both before the other has even begun.
    let start = std::time::Instant::now();
    while confinement.as_ref().is_some_and(|confinement| confinement.serving().confined < 2)
        && start.elapsed() < Duration::from_secs(10)
    {
        std::thread::yield_now();
    }
    let served_by = confinement.map_or(ServedBy::Nothing, ServedBy::Threads);
    let is_confined = matches!(served_by, ServedBy::Threads(_));
    let report = privileges.report(&served_by)?;
    let bare = report.threads.iter().filter(|group| group.capabilities.is_empty());
    let bare: usize = bare.map(|group| group.threads).sum();
    ensure!((bare >= 2) == is_confined, "{:?}", report.threads);
    Ok(())
}

/// The folder belongs to the account, as that of systemd's `RuntimeDirectory=` does.
fn removes() -> Result<()> {
    let folder = std::env::temp_dir().join("run");
    fs::create_dir(&folder)?;
    std::os::unix::fs::chown(&folder, Some(UNPRIVILEGED), Some(UNPRIVILEGED))?;
    let place = folder.join("socket");
    let _listener = UnixListener::bind(&place)?;
    let report = shrink(&Keep { writable: vec![folder.clone()], ..unprivileged() })?
        .report(&ServedBy::Nothing)?;
    let about = |missing: &&conns_privileges::Missing| missing.what.starts_with("writing");
    same("the missing privilege", report.missing.iter().find(about), None)?;
    fs::remove_file(&place)?;
    same("whether it is there", place.exists(), false)
}

//! The serving process opens, starts and reaches nothing, and still answers on what was open.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use conns_privileges::{Account, LandlockState, confine_process, serving_account};

use crate::harness::{Case, Need, OtherProcess, same};

pub(crate) const TESTS: &[Case] = &[
    Case("a_serving_process_reaches_nothing", &[Need::Root, Need::Landlock], nothing),
    Case("a_serving_process_answers", &[Need::Root], answers),
    Case(
        "its_account_is_of_no_other_process",
        &[Need::Root, Need::Program("setpriv", "util-linux")],
        account,
    ),
];

const UID: u32 = 61_300;

fn confined() -> Result<LandlockState> {
    let account = Account { name: UID.to_string(), uid: UID, gid: UID };
    Ok(confine_process(Some(&account))?)
}

/// Each is tried before, so that a refusal is that of the confinement.
fn nothing() -> Result<()> {
    let other = OtherProcess::start()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = listener.local_addr()?;
    let folder = std::env::temp_dir();
    let pid = rustix::process::Pid::from_raw(i32::try_from(other.child.id())?)
        .ok_or_else(|| anyhow!("no pid"))?;
    let attempts: [(&str, &dyn Fn() -> std::io::Result<()>); 9] = [
        ("a file", &|| File::open("/etc/passwd").map(drop)),
        ("a file of /proc", &|| fs::read("/proc/self/status").map(drop)),
        ("a folder", &|| fs::read_dir("/").map(drop)),
        ("a new file", &|| fs::write(folder.join("new"), "").map(drop)),
        ("a TCP connection", &|| TcpStream::connect(to).map(drop)),
        ("a TCP port", &|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        ("a UDP port", &|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        ("a program", &|| Command::new("/bin/true").output().map(drop)),
        ("another process", &|| Ok(rustix::process::test_kill_process(pid)?)),
    ];
    for (what, attempt) in attempts {
        attempt().map_err(|error| anyhow!("{what}, before: {error}"))?;
    }
    ensure!(confined()? > LandlockState::NotEnforced, "Landlock is not enforced");
    for (what, attempt) in attempts {
        let kind = attempt().map_err(|error| error.kind());
        let refusals = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
        ensure!(kind.is_err_and(|kind| refusals.contains(&kind)), "{what}: {kind:?}");
    }
    Ok(())
}

fn answers() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut ours, mut theirs) = UnixStream::pair()?;
    confined()?;
    client.write_all(b"?")?;
    let thread = thread::spawn(move || -> Result<Vec<u8>> {
        let (mut accepted, _) = listener.accept()?;
        let mut bytes = vec![0; 1 << 20];
        accepted.read_exact(bytes.get_mut(..1).unwrap_or_default())?;
        ours.write_all(b"!")?;
        Ok(bytes)
    });
    let bytes = thread.join().map_err(|_| anyhow!("the thread panicked"))??;
    let mut byte = [0];
    theirs.read_exact(&mut byte)?;
    same("the request and the answer", (bytes.first().copied(), byte), (Some(b'?'), *b"!"))
}

fn account() -> Result<()> {
    let first = serving_account(None).ok_or_else(|| anyhow!("there is no free number"))?;
    let second = serving_account(Some(&first)).ok_or_else(|| anyhow!("there is no second"))?;
    ensure!(first.uid != second.uid, "{first:?} {second:?}");
    ensure!((61_184..=65_519).contains(&second.uid) && second.gid == second.uid, "{second:?}");
    // The number of a process is taken.
    let mut command = Command::new("setpriv");
    let taken = second.uid.to_string();
    command.args([&format!("--reuid={taken}"), "--clear-groups", "--", "sleep", "60"]);
    let mut child = command.spawn()?;
    let outcome = (|| {
        // The child has another number until it has executed setpriv.
        for _ in 0..2000 {
            if serving_account(Some(&first)).is_some_and(|third| third.uid != second.uid) {
                return Ok(());
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(anyhow!("{taken} was given although a process has it"))
    })();
    child.kill()?;
    child.wait()?;
    outcome
}

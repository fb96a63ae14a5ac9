//! Confinement of the threads that ask daemons and link servers of this machine: they connect, and do nothing else.
//!
//! They read the input of another program, so they have no capability and no file. Landlock allows TCP connections by their
//! ports, which are not known at the start; so connecting stays allowed, and listening does not. The thread that asks link servers connects to unix sockets only, which it finds
//! by their names.

use std::io;
use std::path::Path;

use landlock::{
    Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::thread::CapabilitySet;

use crate::capabilities::keep_only;
use crate::error::PrivilegeError;
use crate::serving::{NEWEST, enforced};
use crate::shrink::refused;

/// Drops all capabilities of the calling thread, and with Landlock its access to files, to ports it would listen at
/// and to abstract unix sockets of other processes.
///
/// # Errors
/// [`PrivilegeError`] if the thread still has capabilities or access to files. A kernel without Landlock is no
/// error.
pub fn confine_asking_thread() -> Result<(), PrivilegeError> {
    let what = "Landlock, when the thread that asks daemons opens /";
    confine("daemons", what, || restrict(AccessNet::BindTcp.into(), &[]))
}

/// Drops all capabilities of the calling thread, and with Landlock TCP, abstract unix sockets of other processes and access to
/// files; it can list names below `folders`, which need not exist, and connect to unix sockets there.
///
/// # Errors
/// [`PrivilegeError`] if the thread still has capabilities or access to files. A kernel without Landlock is no
/// error.
pub fn confine_link_thread(folders: &[&Path]) -> Result<(), PrivilegeError> {
    let what = "Landlock, when the thread that asks link servers opens /";
    confine("link servers", what, || restrict(AccessNet::from_all(NEWEST), folders))
}

fn confine(
    asked: &str,
    what: &'static str,
    restrict: impl FnOnce() -> Result<RulesetStatus, RulesetError>,
) -> Result<(), PrivilegeError> {
    let failed = |attempted: &str, cause| {
        let attempted = format!("{attempted} in the thread that asks {asked}");
        refused(&attempted, cause, "Allow the agent capset(2) and landlock_restrict_self(2)")
    };
    keep_only(CapabilitySet::empty()).map_err(|cause| failed("drop capabilities", cause))?;
    let status = restrict()
        .map_err(|error| failed("apply Landlock", io::Error::other(error.to_string())))?;
    enforced(status, what).map(drop)
}

/// Denies `net`, and files except for the names below `listed`.
fn restrict(net: BitFlags<AccessNet>, listed: &[&Path]) -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(net)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(path_beneath_rules(listed, AccessFs::ReadDir))?;
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use std::fs::{self, File};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use rustix::thread::capabilities;

    use super::*;

    #[test]
    fn the_thread_that_asks_link_servers_connects_to_unix_sockets_only() {
        let folder = std::env::temp_dir().join(format!("conns-asking-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("a.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::write(folder.join("file"), "secret").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let below = folder.clone();
        let thread = std::thread::spawn(move || {
            confine_link_thread(&[&below, Path::new("/missing")]).unwrap();
            assert_eq!(capabilities(None).unwrap().permitted, CapabilitySet::empty());
            assert_eq!(fs::read_dir(&below).unwrap().count(), 2);
            UnixStream::connect(&socket).unwrap();
            let files = [
                File::open(below.join("file")).is_err(),
                File::create(below.join("other")).is_err(),
                fs::read_dir("/").is_err(),
            ];
            (files, TcpStream::connect(address).is_err())
        });
        let (files, tcp) = thread.join().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        // A kernel without Landlock denies none, and one before 6.7 no TCP.
        assert!(files == [true; 3] || (files == [false; 3] && !tcp), "{files:?} {tcp}");
    }
}

//! Network namespaces that no process or thread is in, and that have no name: kept by a descriptor alone, or by the
//! sockets that were made there.

#![allow(unsafe_code, reason = "SIOCGSKNS has no safe wrapper")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::is_in_nsfs;

/// The namespaces behind these descriptors (process id, number), by inode: of a namespace itself, or of a socket. Those that
/// `is_known` are left aside, and so are descriptors that cannot be read: their process has ended, or belongs to another user.
pub fn behind(
    descriptors: &[(u32, u32)],
    is_known: impl Fn(u64) -> bool,
) -> BTreeMap<u64, OwnedFd> {
    let mut found = BTreeMap::new();
    for (pid, descriptor) in descriptors {
        let Ok(namespace) = namespace_of(*pid, *descriptor) else { continue };
        let Ok(inode) = namespace.metadata().map(|metadata| metadata.ino()) else { continue };
        if !is_known(inode) {
            found.entry(inode).or_insert_with(|| namespace.into());
        }
    }
    found
}

/// The inode of the network namespace behind one such descriptor; `None` if it cannot be read.
#[must_use]
pub fn inode_behind(pid: u32, descriptor: u32) -> Option<u64> {
    let namespace = namespace_of(pid, descriptor).ok()?;
    namespace.metadata().ok().map(|metadata| metadata.ino())
}

fn namespace_of(pid: u32, descriptor: u32) -> io::Result<File> {
    let path = format!("/proc/{pid}/fd/{descriptor}");
    if is_in_nsfs(path.as_ref()) {
        return File::open(path);
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
    let socket = pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty())?;
    namespace_of_socket(socket.as_fd().as_raw_fd())
}

/// The network namespace of a socket: `SIOCGSKNS`, `linux/sockios.h`. It needs CAP_NET_ADMIN there.
fn namespace_of_socket(socket: i32) -> io::Result<File> {
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: this request takes no argument, and returns a new descriptor or an error.
    let namespace = unsafe { libc::ioctl(socket, SIOCGSKNS as _) };
    if namespace < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(namespace) }.into())
}

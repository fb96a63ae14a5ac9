//! What a descriptor of a socket shows by itself: inode, creator, and the name of the protocol in the kernel.

use conns_contract::user_id;
use conns_core::model::{Known, Source};
use rustix::fs::{FileType, getxattr, stat};

/// A socket that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    /// Its inode in the socket file system.
    pub inode: u64,
    /// User id of its creator.
    pub uid: Known<u32>,
    /// The name of its protocol in the kernel, such as `TCPv6` or `UNIX-STREAM` (`sockfs_xattr_get`, `net/socket.c`).
    pub protocol: Box<str>,
}

/// The socket behind a descriptor; `None` if it is closed, no socket, or may not be inspected.
#[must_use]
pub fn socket_file(pid: u32, descriptor: u32) -> Option<SocketFile> {
    let path = format!("/proc/{pid}/fd/{descriptor}");
    let file = stat(&*path).ok()?;
    if FileType::from_raw_mode(file.st_mode) != FileType::Socket {
        return None;
    }
    // `struct proto` has a name of 32 bytes.
    let mut name = [0; 32];
    let length = getxattr(&*path, c"system.sockprotoname", &mut name[..]).ok()?;
    let name = name.get(..length)?.split(|byte| *byte == 0).next()?;
    Some(SocketFile {
        inode: file.st_ino,
        uid: user_id(file.st_uid, Source::Procfs),
        protocol: String::from_utf8_lossy(name).into(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_described() {
        let socket = std::net::UdpSocket::bind("[::1]:0")
            .or_else(|_| std::net::UdpSocket::bind("127.0.0.1:0"))
            .unwrap();
        let descriptor = u32::try_from(socket.as_raw_fd()).unwrap();
        let file = socket_file(std::process::id(), descriptor).unwrap();
        assert!(file.protocol.starts_with("UDP"), "{file:?}");
        let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
        assert_eq!(link.to_str(), Some(&*format!("socket:[{}]", file.inode)));
    }

    #[test]
    fn a_file_is_no_socket() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let descriptor = u32::try_from(file.as_raw_fd()).unwrap();
        assert_eq!(socket_file(std::process::id(), descriptor), None);
    }
}

//! Rows of `/proc/net/raw`, `udplite` and their IPv6 files: the tables of kernels without the module that lists them over
//! netlink. They have no cookie, so the inode identifies a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use conns_contract::{cookie, user_id};
use conns_core::model::{
    Endpoint, Family, Known, Netns, OtherSocket, Protocol, Queues, Socket, SocketId, Source, State,
    Unknown,
};

const SOURCE: Source = Source::Procfs;

/// Reads one line; `None` if it is the header, or not of this form.
#[must_use]
pub fn read(protocol: Protocol, netns: &Arc<Netns>, line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let number = words.next()?.strip_suffix(':')?;
    number.parse::<u64>().ok()?;
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    let state = State::from_kernel(u8::from_str_radix(words.next()?, 16).ok()?)?;
    let (sent, received) = words.next()?.split_once(':')?;
    let queues = Queues {
        receive_bytes: u32::from_str_radix(received, 16).ok()?,
        send_bytes: u32::from_str_radix(sent, 16).ok()?,
    };
    // Timer and retransmissions are before the user, the timeout behind it.
    let uid = words.nth(2)?.parse().ok()?;
    let inode: u64 = words.nth(1)?.parse().ok()?;
    let family = if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let id = SocketId { netns: netns.inode, cookie: cookie::of_inode(inode) };
    let (netns, other, why) =
        (Arc::clone(netns), OtherSocket::bare(), Unknown::SourceDoesNotReport);
    let socket = Socket::new_other(id, SOURCE, netns, (protocol, family), state, other, why);
    Some(Socket {
        local,
        remote: (!remote.is_unspecified()).then_some(remote),
        inode: if inode == 0 { Known::NotApplicable } else { Known::Value(inode, SOURCE) },
        uid: user_id(uid, SOURCE),
        queues: Known::Value(queues, SOURCE),
        ..socket
    })
}

/// `0100007F:1E61`: words of the address in the order of this machine, the port as a number.
fn end(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut octets = [0_u8; 16];
    let length = address.len() / 2;
    if !address.is_ascii() || !matches!(address.len(), 8 | 32) {
        return None;
    }
    for (at, word) in octets.chunks_exact_mut(4).enumerate().take(length / 4) {
        let digits = address.get(at * 8..at * 8 + 8)?;
        word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    let address = match length {
        4 => {
            let [a, b, c, d, ..] = octets;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => IpAddr::V6(Ipv6Addr::from(octets)),
    };
    Some(Endpoint { address, port })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn netns() -> Arc<Netns> {
        Arc::new(Netns::new(7, None, true))
    }

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = "11508: 0100007F:1E61 00000000:0000 07 00000002:00000003 00:00000000 00000000  \
                    1000        0 37031809 2 000000003d667149 0";
        let socket = read(Protocol::UdpLite, &netns(), line).unwrap();
        assert_eq!((socket.state, socket.inode.get()), (State::Close, Some(37_031_809)));
        assert_eq!(socket.remote, None);
        assert_eq!(socket.queues.get(), Some(Queues { receive_bytes: 3, send_bytes: 2 }));
        if cfg!(target_endian = "little") {
            assert_eq!(socket.local.to_string(), "127.0.0.1:7777");
        }
        let six = "1: 00000000000000000000000001000000:003A 00000000000000000000000000000000:0000 07 \
                   00000000:00000000 00:00000000 00000000 0 0 5 2 0 0";
        let socket = read(Protocol::Raw, &netns(), six).unwrap();
        assert_eq!((socket.family, socket.local.port), (Family::Ipv6, 58));
    }

    #[test]
    fn other_lines_are_no_rows() {
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        for line in [header, "", "1: 0:0", "1: ääää:1 0:0 07"] {
            assert!(read(Protocol::Raw, &netns(), line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "\\PC*|[0-9a-fA-F: ]{0,200}") {
            let _ = read(Protocol::Raw, &netns(), &line);
        }
    }
}

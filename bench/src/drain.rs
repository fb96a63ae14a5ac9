//! The floor: the same sock_diag dumps as `conns` asks for, received and counted, nothing decoded.
//!
//! No lister that wants every TCP fact the kernel offers can be cheaper than this; what `conns` uses
//! beyond it is its own work. Wire layout: linux/netlink.h and linux/inet_diag.h.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The kernel fills at most 32 KiB per answer to a dump; twice that never truncates.
const RECEIVE_BYTES: usize = 64 * 1024;
/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// Behind the milliseconds of the best reading, without the start of the process.
pub(crate) const ALONE: &str = "ms for the reading alone";

/// What came back, of both address families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    sockets: u64,
    bytes: u64,
    receives: u64,
}

/// How often.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Drains, one after the other; the time of the best is reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    readings: u32,
}

/// Dumps TCP of both families in the current namespace and prints one line of totals.
pub(crate) fn drain(order: Drain) -> anyhow::Result<()> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )
    .context(
        "cannot open a sock_diag netlink socket: is the kernel built with CONFIG_INET_DIAG?",
    )?;
    let mut buffer = vec![0; RECEIVE_BYTES];
    let mut tally = Tally::default();
    let mut best = Duration::MAX;
    for _ in 0..order.readings {
        tally = Tally::default();
        let started = Instant::now();
        for family in [AF_INET, AF_INET6] {
            dump(&socket, family, &mut buffer, &mut tally)?;
        }
        best = best.min(started.elapsed());
    }
    let Tally { sockets, bytes, receives } = tally;
    println!(
        "{sockets} sockets, {bytes} bytes, {receives} receives, {:.1} {ALONE}",
        best.as_secs_f64() * 1e3
    );
    Ok(())
}

fn dump(socket: &OwnedFd, family: u8, buffer: &mut [u8], tally: &mut Tally) -> anyhow::Result<()> {
    send(socket, &request(family), SendFlags::empty()).with_context(|| {
        format!("cannot ask the kernel for the TCP sockets of address family {family}")
    })?;
    loop {
        let (_, length) = recv(socket, &mut *buffer, RecvFlags::TRUNC)
            .with_context(|| format!("cannot receive the TCP dump of address family {family}"))?;
        let received = buffer
            .get(..length)
            .with_context(|| format!("the kernel answered {length} bytes at once, more than {RECEIVE_BYTES}: raise RECEIVE_BYTES"))?;
        tally.receives += 1;
        tally.bytes += length as u64;
        if count(received, tally)? {
            return Ok(());
        }
    }
}

/// A dump request for all TCP sockets of one family, in all states, with every extension.
fn request(family: u8) -> [u8; HEADER_BYTES + REQUEST_BYTES] {
    let mut bytes = [0; HEADER_BYTES + REQUEST_BYTES];
    let length = (HEADER_BYTES + REQUEST_BYTES) as u32;
    bytes[0..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes[16] = family;
    bytes[17] = IPPROTO_TCP;
    bytes[18] = 0xfe; // idiag_ext, all that conns asks for
    bytes[20..24].copy_from_slice(&u32::MAX.to_ne_bytes()); // idiag_states
    bytes
}

/// Walks the message lengths; true when the dump is complete.
fn count(mut bytes: &[u8], tally: &mut Tally) -> anyhow::Result<bool> {
    while let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        ensure!(
            (HEADER_BYTES..=bytes.len()).contains(&length),
            "cannot parse the dump: a message claims {length} bytes where {} are left",
            bytes.len()
        );
        match u16::from_ne_bytes([header[4], header[5]]) {
            SOCK_DIAG_BY_FAMILY => tally.sockets += 1,
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let errno =
                    bytes.get(16..20).map_or(0, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                bail!(
                    "the kernel refused the TCP dump with error {errno}: is the inet_diag module loaded?"
                );
            }
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&((HEADER_BYTES + payload.len()) as u32).to_ne_bytes());
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn sockets_are_counted_until_the_dump_is_done() {
        let mut tally = Tally::default();
        let two = [message(SOCK_DIAG_BY_FAMILY, &[0; 72]), message(SOCK_DIAG_BY_FAMILY, &[0; 80])]
            .concat();
        assert!(!count(&two, &mut tally).unwrap());
        assert!(count(&message(NLMSG_DONE, &[0; 4]), &mut tally).unwrap());
        assert_eq!(tally.sockets, 2);
    }

    #[test]
    fn a_length_that_lies_or_an_error_ends_the_walk() {
        let mut lying = message(SOCK_DIAG_BY_FAMILY, &[]);
        lying[0] = 200;
        assert!(count(&lying, &mut Tally::default()).is_err());
        assert!(
            count(&message(NLMSG_ERROR, &(-2i32).to_ne_bytes()), &mut Tally::default()).is_err()
        );
    }
}

//! What the programs write, read here: `bpf/shared.h` in Rust. Reading is by place and cannot fail
//! beyond a record being too short.
//!
//! The one idea: each structure's size stands here and in the header, and the test
//! `the_sizes_are_those_of_the_header` compares the two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conns_core::model::{Endpoint, Family};

/// `struct ends`.
pub(crate) const ENDS_BYTES: usize = 72;
/// `struct row`.
pub(crate) const ROW_BYTES: usize = 200;
/// `struct tcp_row`.
pub(crate) const TCP_ROW_BYTES: usize = 480;
/// `struct descriptor`.
pub(crate) const DESCRIPTOR_BYTES: usize = 56;
/// `struct peer`.
pub(crate) const PEER_BYTES: usize = 64;
/// `struct event`.
pub(crate) const EVENT_BYTES: usize = 72;
/// `struct short_event`.
pub(crate) const SHORT_EVENT_BYTES: usize = EVENT_BYTES + ENDS_BYTES;
/// `struct long_event`.
pub(crate) const LONG_EVENT_BYTES: usize = EVENT_BYTES + TCP_ROW_BYTES;

/// Bytes of one record, read by place. A place beyond its end reads as zero; records are as long as
/// their constants say, so that does not happen.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn part<const N: usize>(self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    pub(crate) fn u8(self, at: usize) -> u8 {
        self.part::<1>(at)[0]
    }

    pub(crate) fn u16(self, at: usize) -> u16 {
        u16::from_ne_bytes(self.part(at))
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        u32::from_ne_bytes(self.part(at))
    }

    pub(crate) fn u64(self, at: usize) -> u64 {
        u64::from_ne_bytes(self.part(at))
    }

    /// The bytes from `at` on, at most `length`.
    pub(crate) fn rest(self, at: usize, length: usize) -> &'a [u8] {
        let rest = self.0.get(at..).unwrap_or_default();
        rest.get(..length).unwrap_or(rest)
    }

    /// Text of at most `N` bytes up to its terminating zero; what is no UTF-8 is replaced, as names of
    /// processes may be anything.
    pub(crate) fn text<const N: usize>(self, at: usize) -> ([u8; N], usize) {
        let bytes: [u8; N] = self.part(at);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(N);
        (bytes, end)
    }
}

/// `enum row_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Full,
    TimeWait,
    Request,
}

/// `struct ends`.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a>(pub(crate) Bytes<'a>);

impl Ends<'_> {
    pub(crate) fn cookie(self) -> u64 {
        self.0.u64(0)
    }

    pub(crate) fn netns(self) -> u64 {
        u64::from(self.0.u32(8))
    }

    pub(crate) fn uid(self) -> u32 {
        self.0.u32(12)
    }

    pub(crate) fn interface(self) -> u32 {
        self.0.u32(16)
    }

    pub(crate) fn protocol(self) -> u16 {
        self.0.u16(24)
    }

    /// `None` for one that is neither IPv4 nor IPv6.
    pub(crate) fn family(self) -> Option<Family> {
        match self.0.u8(26) {
            2 => Some(Family::Ipv4),
            10 => Some(Family::Ipv6),
            _ => None,
        }
    }

    pub(crate) fn state(self) -> u8 {
        self.0.u8(27)
    }

    pub(crate) fn kind(self) -> Option<RowKind> {
        match self.0.u8(28) {
            1 => Some(RowKind::Full),
            2 => Some(RowKind::TimeWait),
            3 => Some(RowKind::Request),
            _ => None,
        }
    }

    pub(crate) fn local(self) -> Endpoint {
        Endpoint { address: self.address(32), port: self.0.u16(20) }
    }

    pub(crate) fn remote(self) -> Endpoint {
        Endpoint { address: self.address(48), port: self.0.u16(22) }
    }

    pub(crate) fn inode(self) -> u64 {
        self.0.u64(64)
    }

    fn address(self, at: usize) -> IpAddr {
        match self.family() {
            Some(Family::Ipv6) => Ipv6Addr::from(self.0.part::<16>(at)).into(),
            _ => Ipv4Addr::from(self.0.part::<4>(at)).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_header() {
        let header = include_str!("../bpf/shared.h");
        for (name, bytes) in [
            ("ends", ENDS_BYTES),
            ("row", ROW_BYTES),
            ("tcp_row", TCP_ROW_BYTES),
            ("descriptor", DESCRIPTOR_BYTES),
            ("peer", PEER_BYTES),
            ("event", EVENT_BYTES),
            ("short_event", SHORT_EVENT_BYTES),
            ("long_event", LONG_EVENT_BYTES),
        ] {
            let checked = format!("_Static_assert(sizeof(struct {name}) == {bytes}, ");
            assert!(header.contains(&checked), "the compiler of the programs checks `{checked}`");
        }
    }
}

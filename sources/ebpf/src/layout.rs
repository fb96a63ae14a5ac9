//! The records that the programs write: the structures and enumerations of `bpf/shared.h`.
//!
//! Invariant: every field has the name, offset and size that it has in C. A test compares them with the BTF of
//! `objects/layout.bpf.o`, so that swapped fields of equal size are found too.
#![allow(
    dead_code,
    reason = "padding and constants that only C uses are declared for the comparison"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conns_core::model::{Endpoint, Family};
use zerocopy::native_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Declares structures, and for the test a list of their fields.
macro_rules! records {
    ($(
        $(#[$about:meta])*
        struct $name:ident = $c_name:literal { $($field:ident: $type:ty,)* }
    )*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(crate) struct $name { $(pub(crate) $field: $type,)* }
        )*

        #[cfg(test)]
        fn declared_structures() -> Vec<crate::btf::Structure> {
            vec![$(crate::btf::Structure {
                name: $c_name.to_owned(),
                bytes: size_of::<$name>(),
                fields: vec![$((
                    stringify!($field).to_owned(),
                    std::mem::offset_of!($name, $field),
                    size_of::<$type>(),
                ),)*],
            },)*]
        }
    };
}

records! {
    /// Identity, endpoints and state of a socket.
    struct SocketHeader = "socket_header" {
        cookie: U64,
        netns: U32,
        uid: U32,
        interface: U32,
        local_port: U16,
        remote_port: U16,
        protocol: U16,
        family: u8,
        state: u8,
        kind: u8,
        held_by_kernel: u8,
        ipv6_only: u8,
        pad: u8,
        local: [u8; 16],
        remote: [u8; 16],
        inode: U64,
    }

    struct BbrDetail = "bbr_detail" {
        bandwidth: U64,
        min_rtt_us: U32,
        pacing_gain: U32,
        cwnd_gain: U32,
        pad: U32,
    }

    struct UdpTotals = "udp_totals" {
        bytes_out: U64,
        bytes_in: U64,
        peers: U64,
    }

    /// A socket without `tcp_info`.
    struct Row = "row" {
        header: SocketHeader,
        cgroup_id: U64,
        mark: U32,
        receive_queue: U32,
        send_queue: U32,
        timer_expires_ms: U32,
        memory: [U32; 9],
        tcp_info_length: U16,
        timer: u8,
        retransmits: u8,
        shutdown: u8,
        tos: u8,
        has_bbr: u8,
        has_first: u8,
        first_sent: U32,
        congestion: [u8; 16],
        upper_layer: [u8; 16],
        detail: [u8; 24],
        first_received: U32,
        pad: U32,
    }

    /// A full TCP socket.
    struct TcpRow = "tcp_row" {
        row: Row,
        tcp_info: [u8; 280],
    }

    /// One file descriptor of one process.
    struct Descriptor = "descriptor" {
        cookie: U64,
        started_boot_ns: U64,
        netns: U32,
        pid: U32,
        descriptor: U32,
        machine_pid: U32,
        name: [u8; 16],
        mptcp_inode: U64,
    }

    /// Traffic between a UDP socket and one peer.
    struct Peer = "peer" {
        cookie: U64,
        remote: [u8; 16],
        remote_port: U16,
        family: U16,
        pad: U32,
        bytes_out: U64,
        bytes_in: U64,
        datagrams_out: U64,
        datagrams_in: U64,
    }

    /// A lifecycle event.
    struct Event = "event" {
        at_ns: U64,
        connect_ns: U64,
        opened_ns: U64,
        accepted_ns: U64,
        started_boot_ns: U64,
        pid: U32,
        uid: U32,
        name: [u8; 16],
        kind: u8,
        flags: u8,
        last_state: u8,
        pad: u8,
        error: U16,
        pad2: U16,
    }

    struct ShortEvent = "short_event" {
        event: Event,
        header: SocketHeader,
    }

    struct LongEvent = "long_event" {
        event: Event,
        row: TcpRow,
    }

    /// What a record of payload begins with.
    struct PayloadHeader = "payload" {
        cookie: U64,
        at_ns: U64,
        moved_bytes: U64,
        netns: U32,
        sequence: U32,
        before: U32,
        start: U32,
        length: U32,
        cut: U32,
        local_port: U16,
        remote_port: U16,
        family: u8,
        kind: u8,
        flags: u8,
        pad: u8,
        local: [u8; 16],
        remote: [u8; 16],
    }

    /// What user space wants of a connection.
    struct WantEntry = "want" {
        serial: U32,
        resume: [U32; 2],
        is_wanted: [u8; 2],
        resumes: [u8; 2],
    }

    /// An unconnected UDP socket and one of its peers.
    struct FlowEntry = "flow_key" {
        cookie: U64,
        remote: [u8; 16],
        remote_port: U16,
        family: U16,
        pad: U32,
    }

    /// What of their datagrams is handed over.
    struct PeerEntry = "tap_peer" {
        first_bytes: [U32; 2],
        is_steered: u8,
        is_wanted: [u8; 2],
        is_opened: u8,
    }
}

/// Declares the constants of enumerations, and for the test a list of them.
macro_rules! enumerations {
    ($(enum $c_name:literal: $type:ty { $($constant:ident = $value:literal,)* })*) => {
        $($(pub(crate) const $constant: $type = $value;)*)*

        #[cfg(test)]
        fn declared_enumerations() -> Vec<crate::btf::Enumeration> {
            vec![$(crate::btf::Enumeration {
                name: $c_name.to_owned(),
                constants: vec![$((stringify!($constant).to_owned(), $value),)*],
            },)*]
        }
    };
}

enumerations! {
    enum "row_kind": u8 {
        ROW_FULL = 1,
        ROW_TIME_WAIT = 2,
        ROW_REQUEST = 3,
    }
    enum "event_kind": u8 {
        EVENT_OPENED = 1,
        EVENT_ACCEPTED = 2,
        EVENT_CLOSED = 3,
        EVENT_FAILED = 4,
    }
    enum "event_flags": u8 {
        FLAG_OUTBOUND = 1,
        FLAG_INBOUND = 2,
        FLAG_LOCAL_FIRST = 4,
        FLAG_REMOTE_FIRST = 8,
        FLAG_RST_RECEIVED = 16,
        FLAG_FIN_RECEIVED = 32,
        FLAG_ORPHAN = 64,
    }
    enum "payload_kind": u8 {
        PAYLOAD_SEGMENT = 1,
        PAYLOAD_LISTENER = 2,
        PAYLOAD_MOVED = 3,
        PAYLOAD_DATAGRAM = 4,
    }
    enum "payload_flags": u8 {
        PAYLOAD_RECEIVED = 1,
        PAYLOAD_OPENS = 2,
        PAYLOAD_BEGINS = 4,
        PAYLOAD_FIN = 8,
        PAYLOAD_OUTBOUND = 16,
        PAYLOAD_INBOUND = 32,
        PAYLOAD_WHOLE = 64,
        PAYLOAD_PEER = 128,
    }
    enum "payload_loss": u32 {
        LOST_PAYLOAD_BYTES = 0,
        PAYLOAD_COPIED_BYTES = 1,
        PAYLOAD_LOSSES = 2,
    }
    enum "loss": u32 {
        LOST_OPENED = 0,
        LOST_ACCEPTED = 1,
        LOST_CLOSED = 2,
        LOST_FAILED = 3,
        LOST_MEMORY = 4,
        LOSSES = 8,
    }
    enum "counter": u32 {
        COUNT_RING_FULL = 0,
        COUNT_NO_MEMORY = 1,
        COUNT_HANDSHAKES = 2,
        COUNT_TIME_WAITS = 3,
        COUNTERS = 4,
    }
}

impl SocketHeader {
    /// `None` for a family that is neither IPv4 nor IPv6.
    pub(crate) fn ip_family(&self) -> Option<Family> {
        match self.family {
            AF_INET => Some(Family::Ipv4),
            AF_INET6 => Some(Family::Ipv6),
            _ => None,
        }
    }

    pub(crate) fn local(&self) -> Endpoint {
        let address = address(self.family == AF_INET6, self.local);
        Endpoint { address, port: self.local_port.get() }
    }

    pub(crate) fn remote(&self) -> Endpoint {
        let address = address(self.family == AF_INET6, self.remote);
        Endpoint { address, port: self.remote_port.get() }
    }
}

impl Row {
    pub(crate) fn bbr(&self) -> Option<&BbrDetail> {
        BbrDetail::ref_from_bytes(&self.detail).ok().filter(|_| self.has_bbr != 0)
    }

    /// Only meaningful for UDP sockets.
    pub(crate) fn udp_totals(&self) -> Option<&UdpTotals> {
        UdpTotals::ref_from_bytes(&self.detail).ok()
    }
}

impl PayloadHeader {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// An address of IPv4 in a socket of IPv6 is one of IPv4.
    pub(crate) fn local(&self) -> Endpoint {
        let address = address(self.family == AF_INET6, self.local).to_canonical();
        Endpoint { address, port: self.local_port.get() }
    }

    pub(crate) fn remote(&self) -> Endpoint {
        let address = address(self.family == AF_INET6, self.remote).to_canonical();
        Endpoint { address, port: self.remote_port.get() }
    }
}

impl Peer {
    pub(crate) fn endpoint(&self) -> Endpoint {
        let address = address(self.family.get() == u16::from(AF_INET6), self.remote);
        Endpoint { address, port: self.remote_port.get() }
    }
}

impl FlowEntry {
    /// The pair of a socket and a peer.
    pub(crate) fn new(cookie: u64, peer: Endpoint) -> Self {
        let mut remote = [0; 16];
        let family = match peer.address {
            IpAddr::V4(address) => {
                remote.iter_mut().zip(address.octets()).for_each(|(to, from)| *to = from);
                AF_INET
            }
            IpAddr::V6(address) => {
                remote = address.octets();
                AF_INET6
            }
        };
        Self {
            cookie: cookie.into(),
            remote,
            remote_port: peer.port.into(),
            family: u16::from(family).into(),
            pad: 0.into(),
        }
    }
}

fn address(is_ipv6: bool, bytes: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = bytes;
    if is_ipv6 { Ipv6Addr::from(bytes).into() } else { Ipv4Addr::new(a, b, c, d).into() }
}

/// A C string: the bytes up to the terminating zero.
pub(crate) fn text(bytes: &[u8; 16]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{self, Parts};
    use crate::object::compiled;

    fn in_c() -> Parts<'static> {
        Parts::of(btf::section(compiled!("layout")).unwrap()).unwrap()
    }

    #[test]
    fn structures_have_the_fields_offsets_and_sizes_of_the_header() {
        for declared in declared_structures() {
            let compiled = in_c().structure(&declared.name);
            assert_eq!(compiled.as_ref(), Some(&declared));
        }
    }

    #[test]
    fn constants_have_the_values_of_the_header() {
        for declared in declared_enumerations() {
            let compiled = in_c().enumeration(&declared.name);
            assert_eq!(compiled.as_ref(), Some(&declared));
        }
    }

    #[test]
    fn everything_in_the_header_is_declared_here() {
        let mut declared: Vec<_> = declared_structures().into_iter().map(|s| s.name).collect();
        declared.extend(declared_enumerations().into_iter().map(|e| e.name));
        declared.sort();
        let mut compiled = in_c().named();
        compiled.sort();
        assert_eq!(declared, compiled);
    }
}

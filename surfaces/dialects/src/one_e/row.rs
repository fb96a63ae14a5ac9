//! A row: one end of a socket and one process that owns it.
//!
//! A socket with several owners has several rows, because a row has one pid and any choice among
//! them would be arbitrary.

use std::sync::Arc;

use conns_core::model::{Connection, Endpoint, Family, Process, Protocol, unmapped};

/// One row of a table, typed; columns read cells from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The address family on the wire: that of `local`.
    pub class: Family,
    /// Transport protocol.
    pub protocol: Protocol,
    /// This machine's end; never an IPv4-mapped IPv6 address.
    pub local: Endpoint,
    /// The other end, likewise; `None` if it only listens.
    pub remote: Option<Endpoint>,
    /// Smoothed round trip time (RFC 6298) in whole milliseconds; `None` if unknown.
    pub latency_ms: Option<u32>,
    /// Data segments lost of those sent in whole percent, 0 to 100; `None` if unknown.
    pub loss_percent: Option<u8>,
    /// The process that owns it; `None` if unknown, or if the kernel itself does.
    pub process: Option<Arc<Process>>,
}

/// Adds the rows of `connection`: one for each owner, or one without a process.
pub(super) fn push_rows(rows: &mut Vec<Row>, connection: &Connection) {
    let socket = &connection.socket;
    let local = plain(socket.local);
    let row = Row {
        class: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        protocol: socket.protocol,
        local,
        remote: socket.remote.map(plain),
        latency_ms: connection.rtt_us().get().map(whole_ms),
        loss_percent: connection.loss_percent().get().map(whole_percent),
        process: None,
    };
    match processes(connection).as_slice() {
        [] => rows.push(row),
        owners => rows.extend(
            owners.iter().map(|process| Row { process: Some(Arc::clone(process)), ..row.clone() }),
        ),
    }
}

/// The processes that own it, by pid; each once, however many descriptors it has.
fn processes(connection: &Connection) -> Vec<&Arc<Process>> {
    let mut processes: Vec<_> =
        connection.listed_owners().iter().map(|owner| &owner.process).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    processes
}

/// The end as on the wire: traffic of an IPv4-mapped address is IPv4 (RFC 3493 section 3.7).
fn plain(end: Endpoint) -> Endpoint {
    Endpoint { address: unmapped(end.address), ..end }
}

fn whole_ms(us: u32) -> u32 {
    us / 1000 + u32::from(us % 1000 >= 500)
}

/// Rounded and clamped to 100: retransmitted handshake segments are retransmissions, but not data
/// segments, so that a young connection may count more of the former
/// (`tcp_create_openreq_child` and `__tcp_retransmit_skb`, Linux 6.12).
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=100 just before"
)]
fn whole_percent(percent: f64) -> u8 {
    percent.round().clamp(0.0, 100.0) as u8
}

#[cfg(test)]
mod tests {
    use super::{whole_ms, whole_percent};

    #[test]
    fn milliseconds_are_rounded_half_up() {
        let cases = [(1, 0), (499, 0), (500, 1), (1499, 1), (1500, 2), (80_000, 80)];
        for (us, ms) in cases {
            assert_eq!(whole_ms(us), ms, "{us} us");
        }
        assert_eq!(whole_ms(u32::MAX), 4_294_967);
    }

    #[test]
    fn percents_are_rounded_half_up_and_stay_percents() {
        let cases = [(0.0, 0), (0.49, 0), (0.5, 1), (1.9, 2), (99.5, 100), (300.0, 100)];
        for (exact, whole) in cases {
            assert_eq!(whole_percent(exact), whole, "{exact} %");
        }
    }
}

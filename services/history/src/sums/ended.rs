//! What is summed of a connection that ended, or of an attempt that failed.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use conns_core::model::{CloseReason, unmapped};
use ipnet::IpNet;

use super::TEXTS;

/// The close reasons, each of which is counted by itself, in the order of the file.
pub(super) const REASONS: [CloseReason; 8] = CloseReason::ALL;

/// How many figures of a connection are summed.
pub(super) const FIGURES: usize = 5;

/// The port below which a port is taken for that of a service, if it is not known who opened the connection: Linux gives clients
/// those from 32768 on (`net.ipv4.ip_local_port_range`).
const FIRST_CLIENT_PORT: u16 = 32_768;

/// What is summed of a connection or an attempt. Of an attempt it is what the table `failed` keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ended<'a> {
    /// Whether it is an attempt that failed.
    pub is_failed: bool,
    /// Name of the process.
    pub process: Option<Cow<'a, str>>,
    /// Its systemd unit.
    pub unit: Option<Cow<'a, str>>,
    /// Its container.
    pub container: Option<Cow<'a, str>>,
    /// Who opened it.
    pub direction: Option<Cow<'a, str>>,
    /// Transport protocol.
    pub proto: Option<Cow<'a, str>>,
    /// The outermost protocol it carried.
    pub app: Option<Cow<'a, str>>,
    /// Of an inbound connection the local port, of an outbound one the remote; else the lower of both, if it is below 32768.
    pub service_port: Option<u16>,
    /// The name of the remote end if it is known; else its network, `192.0.2.0/24` or `2001:db8::/48`, or `loopback`.
    pub remote: Option<Cow<'a, str>>,
    /// The last verdict.
    pub verdict: Option<Cow<'a, str>>,
    /// How it ended, as the field `ended` has it.
    pub reason: Option<Cow<'a, str>>,
    /// Payload bytes sent.
    pub bytes_out: Option<u64>,
    /// Payload bytes received.
    pub bytes_in: Option<u64>,
    /// Data segments sent.
    pub data_segs_out: Option<u64>,
    /// Segments retransmitted.
    pub total_retrans: Option<u64>,
    /// Payload bytes retransmitted.
    pub bytes_retrans: Option<u64>,
    /// Smoothed round trip time at the end, microseconds.
    pub rtt_us: Option<u64>,
    /// How long it lasted, microseconds.
    pub duration_us: Option<u64>,
}

impl Ended<'_> {
    /// The columns by which connections are grouped.
    pub const GROUPED_BY: [&'static str; TEXTS + 1] = [
        "process",
        "unit",
        "container",
        "direction",
        "proto",
        "app",
        "remote",
        "verdict",
        "service_port",
    ];

    /// The texts by which it is grouped, in the order of [`Self::GROUPED_BY`].
    pub(super) fn texts(&self) -> [Option<&str>; TEXTS] {
        [
            self.process.as_deref(),
            self.unit.as_deref(),
            self.container.as_deref(),
            self.direction.as_deref(),
            self.proto.as_deref(),
            self.app.as_deref(),
            self.remote.as_deref(),
            self.verdict.as_deref(),
        ]
    }

    /// Its figures.
    pub(super) fn figures(&self) -> Figures {
        let summed = [
            self.bytes_out,
            self.bytes_in,
            self.data_segs_out,
            self.total_retrans,
            self.bytes_retrans,
        ];
        Figures {
            is_failed: self.is_failed,
            summed,
            reason_place: reason_place(self.reason.as_deref()),
            rtt_us: self.rtt_us,
            duration_us: self.duration_us,
        }
    }
}

/// The figures of a connection or an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// As in [`Ended`].
    pub(super) is_failed: bool,
    /// Those that are summed, in the order of [`super::columns`].
    pub(super) summed: [Option<u64>; FIGURES],
    /// See [`reason_place`].
    pub(super) reason_place: u16,
    /// As in [`Ended`].
    pub(super) rtt_us: Option<u64>,
    /// As in [`Ended`].
    pub(super) duration_us: Option<u64>,
}

/// The place of a reason among [`REASONS`], and beyond them if it is unknown.
pub(super) fn reason_place(reason: Option<&str>) -> u16 {
    let known = REASONS.iter().position(|known| reason == Some(known.name()));
    known.unwrap_or(REASONS.len()) as u16
}

/// See [`Ended::service_port`].
pub(super) fn service_port(
    direction: Option<&str>,
    local: Option<u16>,
    remote: Option<u16>,
) -> Option<u16> {
    let port = match direction {
        Some("inbound") => local,
        Some("outbound") => remote,
        _ => {
            let known = [local, remote].into_iter().flatten().filter(|port| *port > 0);
            known.min().filter(|port| *port < FIRST_CLIENT_PORT)
        }
    };
    port.filter(|port| *port > 0)
}

/// The network of an address, as text.
pub(super) fn network_of(address: IpAddr) -> Option<Cow<'static, str>> {
    let address = unmapped(address);
    if address.is_loopback() {
        return Some(Cow::Borrowed("loopback"));
    }
    let network = IpNet::new(address, if address.is_ipv4() { 24 } else { 48 }).ok()?;
    let mut text = String::with_capacity("255.255.255.0/24".len());
    write!(text, "{}", network.trunc()).ok()?;
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_service_is_that_of_the_end_that_was_connected_to() {
        for (direction, local, remote, wanted) in [
            (Some("inbound"), 40_000, 80, Some(40_000)),
            (Some("outbound"), 22, 443, Some(443)),
            (None, 40_000, 443, Some(443)),
            (None, 80, 443, Some(80)),
            (None, 40_000, 50_000, None),
            (None, 0, 53, Some(53)),
            (Some("inbound"), 0, 53, None),
        ] {
            let found = service_port(direction, Some(local), Some(remote));
            assert_eq!(found, wanted, "{direction:?} {local} {remote}");
        }
        assert_eq!(service_port(None, None, None), None);
    }

    #[test]
    fn the_remote_end_is_its_network() {
        for (address, wanted) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("127.1.2.3", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::1", "loopback"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()).as_deref(), Some(wanted));
        }
    }
}

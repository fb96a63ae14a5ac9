//! What is summed of a connection that ended, or of an attempt that failed. It is read from the connection, or, after a crash, from
//! its kept row: both give the same.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::LazyLock;

use conns_core::model::{CloseReason, Connection, EventKind, unmapped};
use conns_core::query::{Field, Value, find_field};
use ipnet::IpNet;

use super::TEXTS;
use crate::cell::Cell;

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

macro_rules! keys {
    ($($name:ident $key:literal,)*) => {
        /// A field of the catalogue that is read.
        #[derive(Debug, Clone, Copy)]
        enum Key {
            $($name,)*
        }

        /// The keys of these fields, in the same order.
        const KEYS: &[&str] = &[$($key,)*];
    };
}

keys! {
    Process "process",
    Unit "unit",
    Container "container",
    Direction "direction",
    Proto "proto",
    App "app",
    LocalPort "local_port",
    RemoteAddr "remote_addr",
    RemotePort "remote_port",
    RemoteName "remote_name",
    Verdict "verdict",
    Ended "ended",
    BytesOut "bytes_out",
    BytesIn "bytes_in",
    DataSegsOut "data_segs_out",
    TotalRetrans "total_retrans",
    BytesRetrans "bytes_retrans",
    RttUs "rtt_us",
    DurationUs "duration_us",
}

static FIELDS: LazyLock<Vec<Option<&'static Field>>> =
    LazyLock::new(|| KEYS.iter().map(|key| find_field(key)).collect());

/// Reads the fields of one connection.
trait Fields<'a> {
    fn cell(&self, key: Key) -> Cell<'a>;
    fn address(&self, key: Key) -> Option<IpAddr>;
}

impl<'a> Fields<'a> for &'a Connection {
    fn cell(&self, key: Key) -> Cell<'a> {
        let field = FIELDS.get(key as usize).copied().flatten();
        field.map_or(Cell::Null, |field| Cell::of_value(field.value(self)))
    }

    fn address(&self, key: Key) -> Option<IpAddr> {
        match FIELDS.get(key as usize).copied().flatten()?.value(self) {
            Value::Address(address) => Some(address),
            _ => None,
        }
    }
}

/// A kept row: the cell of a column by its name.
struct Row<'r, 'a>(&'r dyn Fn(&str) -> Cell<'a>);

impl<'a> Fields<'a> for Row<'_, 'a> {
    fn cell(&self, key: Key) -> Cell<'a> {
        KEYS.get(key as usize).map_or(Cell::Null, |key| (self.0)(key))
    }

    fn address(&self, key: Key) -> Option<IpAddr> {
        text(self.cell(key))?.parse().ok()
    }
}

impl<'a> Ended<'a> {
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

    /// Reads a connection at its event of this kind.
    #[must_use]
    pub fn of_connection(connection: &'a Connection, kind: EventKind) -> Self {
        Self::of_fields(&connection, kind == EventKind::Failed)
    }

    /// Reads a row of `closed` or of `failed`, of which `cell` gives the value of a column.
    #[must_use]
    pub fn of_row(is_failed: bool, cell: &dyn Fn(&str) -> Cell<'a>) -> Self {
        Self::of_fields(&Row(cell), is_failed)
    }

    fn of_fields(fields: &impl Fields<'a>, is_failed: bool) -> Self {
        let word = |key| text(fields.cell(key));
        let port = |key| number(&fields.cell(key)).and_then(|port| u16::try_from(port).ok());
        // Not kept of an attempt, which carried nothing.
        let carried = |key| if is_failed { Cell::Null } else { fields.cell(key) };
        let direction = word(Key::Direction);
        let service_port =
            service_port(direction.as_deref(), port(Key::LocalPort), port(Key::RemotePort));
        let network = || fields.address(Key::RemoteAddr).and_then(network_of);
        Self {
            is_failed,
            process: word(Key::Process),
            unit: word(Key::Unit),
            container: word(Key::Container),
            direction,
            proto: word(Key::Proto),
            app: text(carried(Key::App)),
            service_port,
            remote: word(Key::RemoteName).or_else(network),
            verdict: text(carried(Key::Verdict)),
            reason: word(Key::Ended),
            bytes_out: number(&carried(Key::BytesOut)),
            bytes_in: number(&carried(Key::BytesIn)),
            data_segs_out: number(&carried(Key::DataSegsOut)),
            total_retrans: number(&fields.cell(Key::TotalRetrans)),
            bytes_retrans: number(&carried(Key::BytesRetrans)),
            rtt_us: number(&carried(Key::RttUs)),
            duration_us: number(&fields.cell(Key::DurationUs)),
        }
    }

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

    /// The figures that are summed, in the order of [`super::columns`].
    pub(super) fn figures(&self) -> [Option<u64>; FIGURES] {
        [self.bytes_out, self.bytes_in, self.data_segs_out, self.total_retrans, self.bytes_retrans]
    }

    /// The place of its reason among [`REASONS`], and beyond them if it is unknown.
    pub(super) fn reason_place(&self) -> u16 {
        let reason = self.reason.as_deref();
        let known = REASONS.iter().position(|known| reason == Some(known.name()));
        known.unwrap_or(REASONS.len()) as u16
    }
}

fn text(cell: Cell<'_>) -> Option<Cow<'_, str>> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) => None,
    }
}

fn number(cell: &Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Integer(number) => u64::try_from(*number).ok(),
        // Beyond the range of a column, too.
        Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
    }
}

fn service_port(direction: Option<&str>, local: Option<u16>, remote: Option<u16>) -> Option<u16> {
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
fn network_of(address: IpAddr) -> Option<Cow<'static, str>> {
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
    use std::net::Ipv4Addr;

    use conns_core::model::{Closed, Direction, Known, Moment, Source};
    use conns_fixtures::{Tcp, connection, established, known, owner};
    use proptest::prelude::*;

    use super::*;
    use crate::kept::KeptTable;

    #[test]
    fn every_field_exists_under_its_key() {
        for (key, field) in KEYS.iter().zip(&*FIELDS) {
            assert_eq!(field.map(|field| field.key.as_str()), Some(*key));
        }
    }

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

    /// What a kept table stores of a connection, and nothing else.
    fn row<'a>(table: KeptTable, connection: &'a Connection) -> impl Fn(&str) -> Cell<'a> {
        move |name| match table.column(name) {
            Some(_) => Cell::of_value(find_field(name).unwrap().value(connection)),
            None => Cell::Null,
        }
    }

    fn reasons() -> impl Strategy<Value = CloseReason> {
        proptest::sample::select(REASONS.to_vec())
    }

    proptest! {
        #[test]
        fn a_connection_and_its_row_give_the_same(
            how in reasons(),
            direction in proptest::option::of(any::<bool>()),
            duration in proptest::option::of(0..u64::MAX),
            (rtt, sent, again, segments) in (0..u32::MAX, any::<u64>(), any::<u64>(), any::<u32>()),
            (ends, name) in (any::<[u8; 4]>(), proptest::option::of("[a-z.]{1,12}")),
        ) {
            let remote = format!("{}:443", Ipv4Addr::from(ends));
            let tcp = Tcp {
                rtt_us: rtt,
                bytes_sent: sent,
                bytes_retrans: again,
                data_segs_out: segments,
                total_retrans: segments,
                ..Tcp::ZERO
            };
            let mut socket = established("10.0.0.1:4000", &remote);
            socket.tcp = tcp.known();
            let mut made = connection(socket);
            made.owners = known([owner(7, "curl", 3), owner(9, "x", 4)].into());
            made.direction = match direction {
                None => Known::NotApplicable,
                Some(true) => known(Direction::Inbound),
                Some(false) => known(Direction::Outbound),
            };
            made.resolved_name = name.as_deref().map(Into::into);
            let unknown = conns_core::model::Unknown::BeganBefore;
            made.closed = known(Closed {
                at: Moment::default(),
                duration_us: Known::from_option(duration, Source::Ebpf, unknown),
                how,
                first_closer: Known::NotApplicable,
                fin_received: false,
            });
            for (kind, table) in
                [(EventKind::Closed, KeptTable::Closed), (EventKind::Failed, KeptTable::Failed)]
            {
                let is_failed = kind == EventKind::Failed;
                let found = Ended::of_connection(&made, kind);
                prop_assert_eq!(&found, &Ended::of_row(is_failed, &row(table, &made)));
                prop_assert_eq!(found.process.as_deref(), Some("curl"));
                prop_assert_eq!(found.reason.as_deref(), Some(how.name()));
                prop_assert_eq!(usize::from(found.reason_place()) < REASONS.len(), true);
                if let Some(name) = &name {
                    prop_assert_eq!(found.remote.as_deref(), Some(name.as_str()));
                }
                prop_assert_eq!(found.verdict.is_none(), is_failed);
            }
        }
    }
}

//! An entry of `listConnections`: the carrier of a connection and its stack of protocols.
//!
//! A stack is a list, far end first. It has one element, the transport; decoded protocols are appended
//! and get the following ids.

use std::net::IpAddr;

use conns_core::model::{Connection, Protocol, State, unmapped};

use super::print::Printer;

/// Ids reserved for the stack of one connection. The deepest stack of RMS has four (`TCP`, `IHTT`,
/// `H4C`, `IJSONCLI`).
const IDS_PER_STACK: u64 = 8;

/// The kind of a socket in EMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// `IOHT_TCP_CARRIER`: an established TCP connection, until both ends are closed.
    TcpCarrier,
    /// `IOHT_ACCEPTOR`: a listener.
    TcpAcceptor,
    /// `IOHT_TCP_CONNECTOR`: a connection being established.
    TcpConnector,
    /// `IOHT_UDP_CARRIER`: a UDP socket with a port, with or without a peer.
    UdpCarrier,
}

impl Role {
    /// The role of this socket; `None` for sockets that EMS does not have: a connection that is not
    /// accepted yet or is closed, a port that is only bound, and MPTCP, whose subflows are TCP sockets
    /// with roles.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        let socket = &connection.socket;
        match (socket.protocol, socket.state) {
            (Protocol::Udp, _) => (socket.local.port != 0).then_some(Self::UdpCarrier),
            (Protocol::Mptcp, _) => None,
            (Protocol::Tcp, State::Listen) => Some(Self::TcpAcceptor),
            (Protocol::Tcp, State::SynSent) => Some(Self::TcpConnector),
            (
                Protocol::Tcp,
                State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::LastAck
                | State::Closing,
            ) => Some(Self::TcpCarrier),
            (
                Protocol::Tcp,
                State::SynReceived | State::TimeWait | State::Close | State::BoundInactive,
            ) => None,
        }
    }

    /// Whether it carries data, so that it has an entry.
    pub(super) fn is_carrier(self) -> bool {
        matches!(self, Self::TcpCarrier | Self::UdpCarrier)
    }
}

/// The socket of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp { id: u64, near: (IpAddr, u16), far: (IpAddr, u16), received: u64, sent: u64 },
    Udp { id: u64, near: (IpAddr, u16), received: u64 },
}

impl Carrier {
    fn write(&self, printer: &mut Printer) {
        let (id, near, received, name) = match self {
            Self::Tcp { id, near, received, .. } => (id, near, received, "IOHT_TCP_CARRIER"),
            Self::Udp { id, near, received } => (id, near, received, "IOHT_UDP_CARRIER"),
        };
        printer.object(|printer| {
            if let Self::Tcp { far: (address, port), .. } = self {
                printer.key("farIP");
                printer.address(*address);
                printer.key("farPort");
                printer.unsigned(u64::from(*port));
            }
            printer.key("id");
            printer.unsigned(*id);
            printer.key("nearIP");
            printer.address(near.0);
            printer.key("nearPort");
            printer.unsigned(u64::from(near.1));
            printer.key("rx");
            printer.unsigned(*received);
            if let Self::Tcp { sent, .. } = self {
                printer.key("tx");
                printer.unsigned(*sent);
            }
            printer.key("type");
            printer.text(name);
        });
    }
}

/// One protocol of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    id: u64,
    /// EMS's tag of the protocol.
    tag: &'static str,
    /// The application it is bound to; 0 is none.
    application_id: u64,
    /// Microseconds since 1970-01-01 UTC.
    created_wall_us: i64,
    /// Whether this end has closed it.
    is_closing: bool,
}

impl Layer {
    fn write(&self, printer: &mut Printer, queried_wall_us: i64) {
        printer.object(|printer| {
            printer.key("applicationId");
            printer.unsigned(self.application_id);
            printer.key("creationTimestamp");
            printer.milliseconds(self.created_wall_us);
            printer.key("id");
            printer.unsigned(self.id);
            printer.key("isEnqueueForDelete");
            printer.boolean(self.is_closing);
            printer.key("queryTimestamp");
            printer.milliseconds(queried_wall_us);
            printer.key("type");
            printer.text(self.tag);
        });
    }
}

/// One entry of `listConnections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` for a stack without socket, such as a file writer.
    carrier: Option<Carrier>,
    /// Far end first.
    stack: Vec<Layer>,
    /// Time of the sample, microseconds since 1970-01-01 UTC.
    queried_wall_us: i64,
}

impl Entry {
    /// The entry of a connection sampled at `at`; `None` if it is no carrier.
    pub(super) fn of(connection: &Connection, at: conns_core::model::Moment) -> Option<Self> {
        let socket = &connection.socket;
        let id = connection.stats.serial;
        let near = (unmapped(socket.local.address), socket.local.port);
        let received = connection.bytes_in().get().unwrap_or(0);
        let (carrier, tag) = match Role::of(connection)? {
            Role::TcpCarrier => {
                let far = socket.remote.map(|end| (unmapped(end.address), end.port))?;
                let sent = connection.bytes_out().get().unwrap_or(0);
                (Carrier::Tcp { id, near, far, received, sent }, "TCP")
            }
            Role::UdpCarrier => (Carrier::Udp { id, near, received }, "UDP"),
            Role::TcpAcceptor | Role::TcpConnector => return None,
        };
        let layer = Layer {
            id: first_id(id),
            tag,
            application_id: 0,
            created_wall_us: at.wall_us.saturating_sub_unsigned(connection.stats.least_age_us(at)),
            is_closing: matches!(
                socket.state,
                State::FinWait1 | State::FinWait2 | State::LastAck | State::Closing
            ),
        };
        Some(Self { carrier: Some(carrier), stack: vec![layer], queried_wall_us: at.wall_us })
    }

    /// Whether it has a socket: the entries that `excludeNonNetworkProtocols` keeps.
    pub(super) fn is_of_the_network(&self) -> bool {
        self.carrier.is_some()
    }

    /// Whether the stack has a protocol of this id.
    pub(super) fn has(&self, id: u64) -> bool {
        self.stack.iter().any(|layer| layer.id == id)
    }

    /// The id in `listConnectionsIds`: that of the last protocol.
    pub(super) fn last_id(&self) -> Option<u64> {
        self.stack.last().map(|layer| layer.id)
    }

    /// Writes it as an object.
    pub(super) fn write(&self, printer: &mut Printer) {
        printer.object(|printer| {
            printer.key("carrier");
            match &self.carrier {
                Some(carrier) => carrier.write(printer),
                None => printer.null(),
            }
            printer.key("stack");
            printer.array(|printer| {
                for layer in &self.stack {
                    layer.write(printer, self.queried_wall_us);
                }
            });
        });
    }
}

/// The id of the first protocol of the connection with this serial number; the others follow. The
/// serial number itself is the id of the carrier, which EMS numbers separately.
fn first_id(serial: u64) -> u64 {
    serial.saturating_mul(IDS_PER_STACK)
}

/// The serial number of the connection whose stack may have a protocol of this id.
pub(super) fn serial_of(id: u64) -> u64 {
    id / IDS_PER_STACK
}

/// Writes the entries as an array, or `null` if there are none; with `only_network` without entries
/// that have no socket.
pub(super) fn write_entries(
    printer: &mut Printer,
    entries: impl Iterator<Item = Entry>,
    only_network: bool,
) {
    let mut selected =
        entries.filter(|entry| !only_network || entry.is_of_the_network()).peekable();
    if selected.peek().is_none() {
        return printer.null();
    }
    printer.array(|printer| selected.for_each(|entry| entry.write(printer)));
}

#[cfg(test)]
mod tests {
    use super::super::print::{Form, Printer};
    use super::{Entry, Layer, write_entries};

    /// A file writer has no socket. No source reports one yet.
    fn writer() -> Entry {
        let layer = Layer {
            id: 17,
            tag: "PT",
            application_id: 1,
            created_wall_us: 1_795_314_146_501_301,
            is_closing: false,
        };
        Entry { carrier: None, stack: vec![layer], queried_wall_us: 1_795_314_225_419_749 }
    }

    fn written(entries: Vec<Entry>, only_network: bool) -> String {
        let mut printer = Printer::new(Form::Json, 0);
        write_entries(&mut printer, entries.into_iter(), only_network);
        String::from_utf8(printer.into_bytes()).expect("text")
    }

    #[test]
    fn an_entry_without_carrier_is_excluded_from_the_network_list() {
        let expected = concat!(
            r#"[{"carrier":null,"stack":[{"applicationId":1,"creationTimestamp":1795314146501.3010,"#,
            r#""id":17,"isEnqueueForDelete":false,"queryTimestamp":1795314225419.7490,"type":"PT"}]}]"#,
        );
        assert_eq!(written(vec![writer()], false), expected);
        assert_eq!(written(vec![writer()], true), "null");
    }
}

//! A connection as `listConnections` shows it: what carries it, and the stack of protocols on that.
//! Not which connections are shown.
//!
//! The one idea: a stack is a list, far end first. Today it has the one element the kernel knows of;
//! what a decoder learns from the bytes goes on top and gets the ids after it.

use std::net::IpAddr;

use conns_core::model::{Connection, Protocol, State, unmapped};

use super::print::Printer;

/// Ids kept for the stack of one connection. The deepest RMS builds has four (`TCP`, `IHTT`, `H4C`,
/// `IJSONCLI`); twice that is room.
const IDS_OF_A_STACK: u64 = 8;

/// What a socket is to EMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// `IOHT_TCP_CARRIER`: an established TCP connection, until both ends are closed.
    TcpCarrier,
    /// `IOHT_ACCEPTOR`: it listens.
    TcpAcceptor,
    /// `IOHT_TCP_CONNECTOR`: it is on its way.
    TcpConnector,
    /// `IOHT_UDP_CARRIER`: a UDP socket with a port, with a peer or without.
    UdpCarrier,
}

impl Role {
    /// The role of this socket; `None` if EMS would hold none: a connection that is not accepted
    /// yet or is over, a bare port, and MPTCP, whose subflows are TCP sockets with roles of their own.
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

/// What carries a connection.
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
    /// EMS's name of the protocol.
    tag: &'static str,
    /// The application it is bound to; 0 is none.
    application_id: u64,
    /// Microseconds since 1970-01-01 UTC.
    created_wall_us: i64,
    /// Whether this end has closed it.
    is_closing: bool,
}

impl Layer {
    fn write(&self, printer: &mut Printer, asked_wall_us: i64) {
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
            printer.milliseconds(asked_wall_us);
            printer.key("type");
            printer.text(self.tag);
        });
    }
}

/// One entry of `listConnections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` of a stack without socket, such as a writer of files.
    carrier: Option<Carrier>,
    /// Far end first.
    stack: Vec<Layer>,
    /// When it was looked at: microseconds since 1970-01-01 UTC.
    asked_wall_us: i64,
}

impl Entry {
    /// The entry of a connection as seen at `at`; `None` if it carries nothing.
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
        Some(Self { carrier: Some(carrier), stack: vec![layer], asked_wall_us: at.wall_us })
    }

    /// Whether a socket carries it: what `excludeNonNetworkProtocols` keeps.
    pub(super) fn is_of_the_network(&self) -> bool {
        self.carrier.is_some()
    }

    /// Whether the stack has a protocol of this id.
    pub(super) fn has(&self, id: u64) -> bool {
        self.stack.iter().any(|layer| layer.id == id)
    }

    /// The id `listConnectionsIds` tells: that of the last protocol.
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
                    layer.write(printer, self.asked_wall_us);
                }
            });
        });
    }
}

/// The id of the first protocol on the connection with this serial number; those on top of it
/// follow. The serial number itself is the id of the carrier, which EMS counts apart.
fn first_id(serial: u64) -> u64 {
    serial.saturating_mul(IDS_OF_A_STACK)
}

/// The serial number of the connection whose stack may have a protocol of this id.
pub(super) fn serial_of(id: u64) -> u64 {
    id / IDS_OF_A_STACK
}

/// Writes the entries as an array, or `null` if there are none; with `only_network` those that no
/// socket carries are left out.
pub(super) fn write_entries(
    printer: &mut Printer,
    entries: impl Iterator<Item = Entry>,
    only_network: bool,
) {
    let mut meant = entries.filter(|entry| !only_network || entry.is_of_the_network()).peekable();
    if meant.peek().is_none() {
        return printer.null();
    }
    printer.array(|printer| meant.for_each(|entry| entry.write(printer)));
}

#[cfg(test)]
mod tests {
    use super::super::print::{Form, Printer};
    use super::{Entry, Layer, write_entries};

    /// What writes files has no socket; no source tells of one yet.
    fn writer() -> Entry {
        let layer = Layer {
            id: 17,
            tag: "PT",
            application_id: 1,
            created_wall_us: 1_795_314_146_501_301,
            is_closing: false,
        };
        Entry { carrier: None, stack: vec![layer], asked_wall_us: 1_795_314_225_419_749 }
    }

    fn written(entries: Vec<Entry>, only_network: bool) -> String {
        let mut printer = Printer::new(Form::Json, 0);
        write_entries(&mut printer, entries.into_iter(), only_network);
        String::from_utf8(printer.into_bytes()).expect("text")
    }

    #[test]
    fn an_entry_without_carrier_is_left_out_when_only_the_network_is_asked_for() {
        let expected = concat!(
            r#"[{"carrier":null,"stack":[{"applicationId":1,"creationTimestamp":1795314146501.3010,"#,
            r#""id":17,"isEnqueueForDelete":false,"queryTimestamp":1795314225419.7490,"type":"PT"}]}]"#,
        );
        assert_eq!(written(vec![writer()], false), expected);
        assert_eq!(written(vec![writer()], true), "null");
    }
}

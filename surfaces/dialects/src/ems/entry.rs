//! An entry of `listConnections`: the carrier of a connection and its stack of protocols.
//!
//! A stack is a list, far end first: the transport, then the protocols that were decoded.

use std::net::IpAddr;

use conns_core::model::{Connection, Protocol, State};

use super::print::Printer;
use super::settings::Settings;
use super::stream::StreamEntry;

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
            (
                Protocol::Mptcp
                | Protocol::UdpLite
                | Protocol::Raw
                | Protocol::Unix
                | Protocol::Packet
                | Protocol::Netlink
                | Protocol::Vsock
                | Protocol::Other,
                _,
            ) => None,
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
pub(super) struct Element {
    pub(super) id: u64,
    /// EMS's tag of the protocol.
    pub(super) tag: &'static str,
    /// The application it is bound to; 0 is none.
    pub(super) application_id: u64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) created_wall_us: i64,
    /// Whether this end has closed it.
    pub(super) is_closing: bool,
}

/// What the last protocol of a stack has besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Top {
    /// Messages received and sent that are neither audio nor video.
    pub(super) invokes: Option<(u64, u64)>,
    pub(super) user_agent: Option<String>,
    pub(super) server_agent: Option<String>,
    /// Whether the list of streams is there without any.
    pub(super) always_has_streams: bool,
    /// Whether it has no list, though it has streams.
    pub(super) hides_streams: bool,
    pub(super) streams: Vec<StreamEntry>,
}

impl Top {
    fn write_streams(&self, printer: &mut Printer, queried_wall_us: i64) {
        if self.hides_streams || self.streams.is_empty() && !self.always_has_streams {
            return;
        }
        printer.key("streams");
        printer.array(|printer| {
            self.streams.iter().for_each(|stream| stream.write(printer, queried_wall_us, false));
        });
    }
}

impl Element {
    fn write(&self, printer: &mut Printer, queried_wall_us: i64, top: Option<&Top>) {
        let text = |printer: &mut Printer, key, text: &Option<String>| {
            if let Some(text) = text {
                printer.key(key);
                printer.text(text);
            }
        };
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
            let Some(top) = top else {
                printer.key("type");
                return printer.text(self.tag);
            };
            if let Some((received, _)) = top.invokes {
                printer.key("rxInvokes");
                printer.unsigned(received);
            }
            text(printer, "serverAgent", &top.server_agent);
            top.write_streams(printer, queried_wall_us);
            if let Some((_, sent)) = top.invokes {
                printer.key("txInvokes");
                printer.unsigned(sent);
            }
            printer.key("type");
            printer.text(self.tag);
            text(printer, "userAgent", &top.user_agent);
        });
    }
}

/// One entry of `listConnections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` for a stack without socket, such as a file writer.
    pub(super) carrier: Option<Carrier>,
    /// Far end first.
    pub(super) stack: Vec<Element>,
    pub(super) top: Top,
    /// The request that opened it.
    pub(super) settings: Option<Settings>,
    /// Time of the sample, microseconds since 1970-01-01 UTC.
    pub(super) queried_wall_us: i64,
}

impl Entry {
    /// Whether it has a socket: the entries that `excludeNonNetworkProtocols` keeps.
    pub(super) fn is_of_the_network(&self) -> bool {
        self.carrier.is_some()
    }

    /// Whether the stack has a protocol of this id.
    pub(super) fn has(&self, id: u64) -> bool {
        self.stack.iter().any(|element| element.id == id)
    }

    /// The id in `listConnectionsIds`: that of the last protocol.
    pub(super) fn last_id(&self) -> Option<u64> {
        self.stack.last().map(|element| element.id)
    }

    /// When its first element was created, microseconds since 1970-01-01 UTC.
    pub(super) fn created_wall_us(&self) -> Option<i64> {
        self.stack.first().map(|element| element.created_wall_us)
    }

    /// Writes it as an object.
    pub(super) fn write(&self, printer: &mut Printer) {
        printer.object(|printer| {
            printer.key("carrier");
            match &self.carrier {
                Some(carrier) => carrier.write(printer),
                None => printer.null(),
            }
            if let Some(settings) = &self.settings {
                printer.key(settings.key());
                settings.write(printer, true);
            }
            printer.key("stack");
            printer.array(|printer| {
                let last = self.stack.len().saturating_sub(1);
                for (at, element) in self.stack.iter().enumerate() {
                    let top = (at == last).then_some(&self.top);
                    element.write(printer, self.queried_wall_us, top);
                }
            });
        });
    }
}

/// Writes the entries as an array, or `null` if there are none; with `only_network` without entries
/// that have no socket.
pub(super) fn write_entries(printer: &mut Printer, entries: &[Entry], only_network: bool) {
    let mut selected =
        entries.iter().filter(|entry| !only_network || entry.is_of_the_network()).peekable();
    if selected.peek().is_none() {
        return printer.null();
    }
    printer.array(|printer| selected.for_each(|entry| entry.write(printer)));
}

#[cfg(test)]
mod tests {
    use super::super::print::{Form, Printer};
    use super::{Element, Entry, Top, write_entries};

    /// A file writer has no socket.
    fn writer() -> Entry {
        let element = Element {
            id: 17,
            tag: "PT",
            application_id: 1,
            created_wall_us: 1_795_314_146_501_301,
            is_closing: false,
        };
        Entry {
            carrier: None,
            stack: vec![element],
            top: Top::default(),
            settings: None,
            queried_wall_us: 1_795_314_225_419_749,
        }
    }

    fn written(entries: &[Entry], only_network: bool) -> String {
        let mut printer = Printer::new(Form::Json, 0);
        write_entries(&mut printer, entries, only_network);
        String::from_utf8(printer.into_bytes()).expect("text")
    }

    #[test]
    fn an_entry_without_carrier_is_excluded_from_the_network_list() {
        let expected = concat!(
            r#"[{"carrier":null,"stack":[{"applicationId":1,"creationTimestamp":1795314146501.3010,"#,
            r#""id":17,"isEnqueueForDelete":false,"queryTimestamp":1795314225419.7490,"type":"PT"}]}]"#,
        );
        assert_eq!(written(&[writer()], false), expected);
        assert_eq!(written(&[writer()], true), "null");
    }
}

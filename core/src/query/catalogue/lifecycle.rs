//! Fields of how a connection opened and closed, from lifecycle events, and the peers of a UDP socket.

use std::sync::Arc;

use crate::model::{CloseReason, Closed, Connection, Known, Opened, Process, UdpPeer};
use crate::model::{FieldSpec, Kind, ListColumn, ListSpec, Part, Words};
use crate::query::{List, Records, Value};

use super::{Row, unless_kept};

/// The source of all of these, except for ages that stand in for durations.
const EVENTS: &str = "eBPF events";

static PEERS: ListSpec = ListSpec {
    item: "Peer",
    meaning: "A peer of a UDP socket.",
    columns: &[
        ListColumn {
            key: "remote_addr",
            kind: Kind::Address,
            meaning: "Its address.",
            always: true,
        },
        ListColumn { key: "remote_port", kind: Kind::Port, meaning: "Its port.", always: true },
        ListColumn {
            key: "bytes_out",
            kind: Kind::Bytes,
            meaning: "Payload sent to it.",
            always: true,
        },
        ListColumn {
            key: "bytes_in",
            kind: Kind::Bytes,
            meaning: "Payload received from it.",
            always: true,
        },
        ListColumn {
            key: "datagrams_out",
            kind: Kind::Count,
            meaning: "Datagrams sent to it; several handed to the network at once count as one.",
            always: true,
        },
        ListColumn {
            key: "datagrams_in",
            kind: Kind::Count,
            meaning: "Datagrams received from it; merged ones count as one.",
            always: true,
        },
    ],
    compare_instead: "bytes_out or bytes_in",
    shows_records: false,
};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "opened_at",
            Kind::Time,
            "When its handshake was complete; of one that failed: when it began.",
            EVENTS,
        ).part(Part::Opened)
        .at_opening(),
        |c| opened(c, |opened| Value::Time(opened.at.wall_us)),
    ),
    (
        FieldSpec::new(
            "handshake",
            Kind::Duration,
            "From our SYN to the end of the handshake, of connections opened here.",
            EVENTS,
        ).part(Part::Opened)
        .aliases(&["connect_time"])
        .at_opening(),
        |c| opened(c, |opened| Value::known(opened.handshake_us, Value::Micros)),
    ),
    (
        FieldSpec::new(
            "first_use",
            Kind::Duration,
            "From the handshake to the first read, write or close by a process, of accepted connections.",
            EVENTS,
        ).part(Part::Opened)
        .at_opening(),
        |c| opened(c, |opened| Value::known(opened.first_use_us, Value::Micros)),
    ),
    (
        FieldSpec::new(
            "opener",
            Kind::Text,
            "Name of the process that called connect, or was the first to use an accepted connection.",
            EVENTS,
        ).part(Part::Opened)
        .aliases(&["opened_by"])
        .at_opening(),
        |c| opener(c, |process| Value::text(&process.name)),
    ),
    (
        FieldSpec::new(
            "opener_pid",
            Kind::Count,
            "Process id of the process that called connect or accept.",
            EVENTS,
        ).part(Part::Opened)
        .at_opening(),
        |c| opener(c, |process| Value::Count(u64::from(process.pid))),
    ),
    (
        FieldSpec::new(
            "duration",
            Kind::Duration,
            "From the end of the handshake to its end; of one that failed: from its SYN; of one that has not ended: its age.",
            "eBPF events; else as age",
        ).part(Part::Age)
        .at_opening(),
        duration,
    ),
    (
        FieldSpec::new(
            "closed_at",
            Kind::Time,
            "When it ended.",
            EVENTS,
        ).part(Part::Closed)
        .aliases(&["ended_at"])
        .at_opening(),
        |c| {
            closed(c, |closed| Value::Time(closed.at.wall_us))
        },
    ),
    (
        FieldSpec::new(
            "closed_by",
            Kind::Text,
            "Who closed first: local, remote, both at once, or neither.",
            EVENTS,
        ).part(Part::Closed)
        .at_opening()
        .words(Words::Closer),
        |c| closed(c, |closed| Value::known(closed.first_closer, |by| Value::text(by.name()))),
    ),
    (
        FieldSpec::new(
            "ended",
            Kind::Text,
            "How it ended: fin, rst-in, rst-out, timed-out, refused, unreachable, given-up or error.",
            EVENTS,
        ).part(Part::Closed)
        .at_opening()
        .words(Words::CloseReason),
        |c| closed(c, |closed| Value::text(closed.how.name())),
    ),
    (
        FieldSpec::new(
            "errno",
            Kind::Count,
            "Number of that error in errno.h, where ended is error.",
            EVENTS,
        ).part(Part::Closed)
        .at_opening(),
        |c| {
            closed(c, |closed| match closed.how {
                CloseReason::Error(number) => Value::Count(u64::from(number)),
                _ => Value::NotApplicable,
            })
        },
    ),
    (
        FieldSpec::new(
            "peers",
            Kind::List(&PEERS),
            "Peers of a UDP socket, since it was watched; the most bytes first.",
            "eBPF",
        ).part(Part::Udp),
        |c| {
            Value::known(c.socket.udp.as_ref(), |udp| {
                unless_kept(c, || Value::List(List(&udp.peers)))
            })
        },
    ),
    (
        FieldSpec::new(
            "peers_omitted",
            Kind::Count,
            "Peers of a UDP socket that `peers` does not list: beyond the 256 with the most bytes, or evicted from the kernel's table of 16384.",
            "eBPF",
        ).part(Part::Udp),
        |c| {
            Value::known(c.socket.udp.as_ref(), |udp| {
                unless_kept(c, || Value::Count(udp.peers_omitted))
            })
        },
    ),
];

fn opened<'a>(c: &'a Connection, read: impl FnOnce(&'a Opened) -> Value<'a>) -> Value<'a> {
    Value::known(c.opened.as_ref(), |opened| read(opened))
}

fn opener<'a>(c: &'a Connection, read: fn(&'a Process) -> Value<'a>) -> Value<'a> {
    opened(c, |opened| Value::known(opened.by.as_ref(), |process| read(process)))
}

fn closed<'a>(c: &Connection, read: impl FnOnce(Closed) -> Value<'a>) -> Value<'a> {
    Value::known(c.closed, read)
}

fn duration(c: &Connection) -> Value<'_> {
    let us = match c.closed {
        Known::Value(closed, _) => closed.duration_us,
        Known::Unknown(why) => Known::Unknown(why),
        Known::NotApplicable => c.stats.age_us,
    };
    Value::known(us, Value::Micros)
}

impl Records for Arc<[UdpPeer]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        let Some(peer) = self.get(row) else { return Value::NotApplicable };
        match column {
            0 => Value::Address(peer.remote.address),
            1 => Value::Port(peer.remote.port),
            2 => Value::Bytes(peer.bytes_out),
            3 => Value::Bytes(peer.bytes_in),
            4 => Value::Count(peer.datagrams_out),
            5 => Value::Count(peer.datagrams_in),
            _ => Value::NotApplicable,
        }
    }

    fn brief(&self, row: usize) -> String {
        self.get(row).map(|peer| peer.remote.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::model::{
        Closer, Endpoint, Moment, Netns, Observation, Protocol, Socket, SocketId, SocketSample,
        Source, State, UdpPeer, UdpTraffic, Unknown,
    };
    use crate::query::{Filter, find_field};
    use crate::track::{Retention, Tracker};

    fn known<T>(value: T) -> Known<T> {
        Known::Value(value, Source::Ebpf)
    }

    fn at(text: &str) -> Endpoint {
        let end: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { address: end.ip(), port: end.port() }
    }

    /// A connection of which only the ends are known.
    fn connection() -> Connection {
        let why = Unknown::SourceDoesNotReport;
        let id = SocketId { netns: 1, cookie: 2 };
        let netns = Arc::new(Netns::new(1, None, true));
        let local = at("10.0.0.5:40000");
        let socket = Socket::new(id, Source::Ebpf, netns, Protocol::Tcp, State::Close, local, why);
        let remote = Some(at("192.0.2.7:443"));
        let socket = Socket { remote, inode: Known::NotApplicable, ..socket };
        let observation = Observation::new(Source::Ebpf, Moment::default())
            .with_sockets(vec![SocketSample::from(socket)]);
        let snapshot = Tracker::new(Retention::None).apply(vec![observation]);
        let mut made = snapshot.connections.into_iter().next().unwrap();
        made.owners = Known::Unknown(Unknown::NoOwnerFound);
        made.opened = Known::NotApplicable;
        made
    }

    fn process(pid: u32, name: &str) -> Arc<Process> {
        let why = Unknown::SourceDoesNotReport;
        Arc::new(Process { uid: known(0), ..Process::bare(pid, name, why) })
    }

    fn refused() -> Connection {
        let mut made = connection();
        let moment = |us: u64| Moment { monotonic_us: us, wall_us: 1_000_000 + us as i64 };
        made.opened = known(Arc::new(Opened {
            at: moment(100),
            handshake_us: Known::Unknown(Unknown::NothingMeasured),
            first_use_us: Known::NotApplicable,
            by: known(process(7, "curl")),
        }));
        made.closed = known(Closed {
            at: moment(400),
            duration_us: known(300),
            how: CloseReason::Refused,
            first_closer: known(Closer::Remote),
            fin_received: false,
        });
        made
    }

    fn value<'a>(name: &str, connection: &'a Connection) -> Value<'a> {
        find_field(name).unwrap().value(connection)
    }

    #[test]
    fn beginning_and_end_are_read() {
        let refused = refused();
        for (name, wanted) in [
            ("opened_at", Value::Time(1_000_100)),
            ("handshake", Value::Unknown(Unknown::NothingMeasured)),
            ("first_use", Value::NotApplicable),
            ("opener", Value::text("curl")),
            ("opener_pid", Value::Count(7)),
            ("duration", Value::Micros(300)),
            ("closed_at", Value::Time(1_000_400)),
            ("closed_by", Value::text("remote")),
            ("ended", Value::text("refused")),
            ("errno", Value::NotApplicable),
            ("peers", Value::NotApplicable),
        ] {
            assert_eq!(value(name, &refused), wanted, "{name}");
        }
        let mut other = refused.clone();
        let Known::Value(closed, _) = &mut other.closed else { panic!("it ended") };
        closed.how = CloseReason::Error(101);
        assert_eq!(value("ended", &other), Value::text("error"));
        assert_eq!(value("errno", &other), Value::Count(101));
    }

    #[test]
    fn the_duration_of_an_open_connection_is_its_age_and_of_an_unreported_close_unknown() {
        let mut made = connection();
        made.stats.age_us = known(5);
        assert_eq!(value("duration", &made), Value::Micros(5));
        assert_eq!(value("ended", &made), Value::NotApplicable);
        made.closed = Known::Unknown(Unknown::SourceDoesNotReport);
        assert_eq!(value("duration", &made), Value::Unknown(Unknown::SourceDoesNotReport));
    }

    #[test]
    fn filters_know_the_words_for_ends() {
        let refused = refused();
        let is_found = |text: &str| Filter::parse(text).unwrap().matches(&refused);
        for text in [
            "refused",
            "ended == refused",
            "ended = Refused and closed_by == remote",
            "ended in (timed_out, refused)",
            "duration < 1ms",
            "opener == curl and opener_pid == 7",
            // The name of the opener matches too.
            "curl",
            "handshake is unknown",
            "closed_at > 1970-01-01",
            "peers is n/a",
        ] {
            assert!(is_found(text), "{text}");
        }
        for text in ["fin", "rst-in", "wget", "ended != refused", "duration > 1s"] {
            assert!(!is_found(text), "{text}");
        }
        for (text, part) in [
            ("ended == refussed", "did you mean `refused`"),
            ("closed_by == me", "local"),
            ("peers == 5", "compare bytes_out or bytes_in instead"),
            ("peers in (1, 2)", "compare bytes_out or bytes_in instead"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn peers_are_a_list() {
        let mut made = connection();
        let peer = UdpPeer {
            remote: at("192.0.2.9:53"),
            bytes_out: 10,
            bytes_in: 20,
            datagrams_out: 1,
            datagrams_in: 2,
        };
        let peers: Arc<[UdpPeer]> = vec![peer].into();
        made.socket.udp = known(UdpTraffic {
            bytes_out: 10,
            bytes_in: 20,
            peers: Arc::clone(&peers),
            peers_omitted: 3,
        });
        assert_eq!(value("peers", &made), Value::List(List(&peers)));
        assert_eq!(value("peers_omitted", &made), Value::Count(3));
        made.socket.protocol = Protocol::Udp;
        assert_eq!(value("bytes_in", &made), Value::Bytes(20));
    }
}

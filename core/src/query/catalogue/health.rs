//! Fields of the health of a connection.

use crate::model::{FieldSpec, Kind, Part, Words};
use crate::query::Value;

use super::{Row, memory};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "rtt",
            Kind::Duration,
            "Smoothed round trip time (RFC 6298).",
            "tcp_info.tcpi_rtt",
        ).part(Part::Tcp)
        .aliases(&["latency", "srtt"])
        .drop_rank(20),
        |c| Value::known(c.rtt_us(), |us| Value::Micros(u64::from(us))),
    ),
    (
        FieldSpec::new(
            "loss",
            Kind::Percent,
            "Data segments lost of those sent, over the connection's life: (total_retrans - dsack_dups) / data_segs_out.",
            "derived from tcp_info",
        ).part(Part::Tcp)
        .aliases(&["packet_loss"])
        .drop_rank(17),
        |c| Value::known(c.loss_percent(), Value::Percent),
    ),
    (
        FieldSpec::new(
            "bytes_out",
            Kind::Bytes,
            "Payload bytes sent, retransmissions not counted.",
            "derived from tcp_info: bytes_sent - bytes_retrans; UDP: since it was watched, eBPF",
        ).part(Part::Bytes)
        .aliases(&["sent"])
        .drop_rank(16),
        |c| Value::known(c.bytes_out(), Value::Bytes),
    ),
    (
        FieldSpec::new(
            "bytes_in",
            Kind::Bytes,
            "Payload bytes received, of TCP in order.",
            "derived from tcp_info: bytes_received, less the peer's FIN; UDP: since it was watched, eBPF",
        ).part(Part::Bytes)
        .aliases(&["received"])
        .drop_rank(15),
        |c| Value::known(c.bytes_in(), Value::Bytes),
    ),
    (
        FieldSpec::new(
            "rate_out",
            Kind::BytesPerSecond,
            "Payload sent a second since the last observation.",
            "derived",
        ).part(Part::Derived)
        .aliases(&["send_rate"])
        .after_two_samples(),
        |c| Value::known(c.stats.rates, |r| Value::BytesPerSecond(r.out_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "rate_in",
            Kind::BytesPerSecond,
            "Payload received a second since the last observation.",
            "derived",
        ).part(Part::Derived)
        .aliases(&["recv_rate"])
        .after_two_samples(),
        |c| Value::known(c.stats.rates, |r| Value::BytesPerSecond(r.in_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "idle",
            Kind::Duration,
            "Time since payload last went either way.",
            "derived from tcp_info: last_data_sent, last_data_recv",
        ).part(Part::Tcp)
        .drop_rank(9),
        |c| Value::known(c.idle_us(), Value::Micros),
    ),
    (
        FieldSpec::new(
            "recv_queue",
            Kind::Bytes,
            "Bytes received and not read by the application.",
            "idiag_rqueue",
        ).part(Part::Queues)
        .aliases(&["recvq"]),
        |c| Value::known(c.socket.queues, |q| Value::Bytes(u64::from(q.receive_bytes))),
    ),
    (
        FieldSpec::new(
            "send_queue",
            Kind::Bytes,
            "Bytes written by the application and not acknowledged.",
            "idiag_wqueue",
        ).part(Part::Queues)
        .aliases(&["sendq"]),
        |c| Value::known(c.socket.queues, |q| Value::Bytes(u64::from(q.send_bytes))),
    ),
    (
        FieldSpec::new(
            "backlog",
            Kind::Count,
            "Connections waiting for accept, of a listener.",
            "idiag_rqueue",
        ).part(Part::AcceptQueue)
        .drop_rank(18),
        |c| Value::known(c.socket.accept_queue, |q| Value::Count(u64::from(q.length))),
    ),
    (
        FieldSpec::new(
            "backlog_max",
            Kind::Count,
            "Most connections that may wait for accept.",
            "idiag_wqueue",
        ).part(Part::AcceptQueue)
        .drop_rank(14),
        |c| Value::known(c.socket.accept_queue, |q| Value::Count(u64::from(q.limit))),
    ),
    (
        FieldSpec::new(
            "overflows",
            Kind::Count,
            "Connections a listener dropped because its accept queue was full, since it listens; drops for another reason are in drops. Unknown where its namespace had both.",
            "sk_drops of INET_DIAG_SKMEMINFO, as far as ListenOverflows of /proc/net/netstat accounts for them",
        ).part(Part::Memory)
        .drop_rank(19),
        |c| Value::known(c.overflows, Value::Count),
    ),
    (
        FieldSpec::new(
            "drops",
            Kind::Count,
            "Packets (on a listener: connections) the socket dropped.",
            "sk_drops of INET_DIAG_SKMEMINFO",
        ).part(Part::Memory),
        |c| memory(c, |m| m.drops.map(|n| Value::Count(u64::from(n)))),
    ),
    (
        FieldSpec::new(
            "verdict",
            Kind::Text,
            "What keeps it from being faster, in a word.",
            "derived, docs/verdict.md",
        ).part(Part::Derived)
        .always_known()
        .words(Words::Class),
        |c| Value::text(c.verdict.class.name()),
    ),
    (
        FieldSpec::new(
            "confidence",
            Kind::Percent,
            "How sure the verdict is.",
            "derived, docs/verdict.md",
        ).part(Part::Derived)
        .always_known()
        .drop_rank(3),
        |c| Value::Percent(f64::from(c.verdict.confidence_percent)),
    ),
    (
        FieldSpec::new(
            "why",
            Kind::Text,
            "The verdict in a sentence.",
            "derived, docs/verdict.md",
        ).part(Part::Derived)
        .always_known()
        .on_request()
        .cut(4, 20),
        |c| {
            Value::Text(c.verdict.why(&c.socket).into())
        },
    ),
];

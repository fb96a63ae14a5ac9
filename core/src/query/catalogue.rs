//! The one catalogue of fields. A field added here appears in filters, sorting, columns, JSON and
//! the field reference, and nowhere else needs to know it.

use std::sync::LazyLock;

use crate::model::{
    CongestionDetail, Connection, Endpoint, Known, Process, TCP_INFO_FIELDS, TcpInfoUnit, Unknown,
};

use super::field::Read;
use super::{Field, Kind, Value};

/// Every field, in the order of the field reference and of JSON.
pub fn catalogue() -> &'static [Field] {
    &CATALOGUE
}

/// The field of this name, alias or key, in any case.
#[must_use]
pub fn find_field(name: &str) -> Option<&'static Field> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    catalogue()
        .iter()
        .find(|field| same(field.name) || same(&field.key) || field.aliases.iter().any(|a| same(a)))
}

type ReadFn = for<'a> fn(&'a Connection) -> Value<'a>;
type Row = (&'static str, &'static [&'static str], Kind, &'static str, &'static str, ReadFn);

static CATALOGUE: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields: Vec<Field> = [IDENTITY, OWNER, HEALTH, SOCKET]
        .concat()
        .into_iter()
        .map(|(name, aliases, kind, meaning, origin, read)| Field {
            name,
            aliases,
            key: Field::key_of(name, kind),
            kind,
            meaning,
            origin: origin.to_owned(),
            read: Read::Connection(read),
            of_process: OWNER.iter().any(|row| row.0 == name && row.2 != Kind::Holders),
        })
        .collect();
    for tcp in TCP_INFO_FIELDS {
        if fields.iter().any(|field| field.name == tcp.name) {
            continue;
        }
        let kind = match tcp.unit {
            TcpInfoUnit::Count => Kind::Count,
            TcpInfoUnit::Bytes => Kind::Bytes,
            TcpInfoUnit::BytesPerSecond => Kind::BytesPerSecond,
            TcpInfoUnit::Micros | TcpInfoUnit::Millis => Kind::Duration,
        };
        fields.push(Field {
            name: tcp.name,
            aliases: &[],
            key: Field::key_of(tcp.name, kind),
            kind,
            meaning: tcp.meaning,
            origin: format!("tcp_info.tcpi_{}, Linux {}", tcp.name, tcp.since),
            read: Read::TcpInfo(tcp),
            of_process: false,
        });
    }
    fields
});

// === who and where ===

const IDENTITY: &[Row] = &[
    (
        "proto",
        &["protocol"],
        Kind::Text,
        "Transport protocol: tcp, udp or mptcp.",
        "sock_diag",
        |c| Value::text(c.socket.protocol.name()),
    ),
    (
        "family",
        &["class"],
        Kind::Text,
        "Address family of the socket: IPv4 or IPv6.",
        "idiag_family",
        |c| Value::text(c.socket.family.name()),
    ),
    (
        "state",
        &[],
        Kind::Text,
        "State as ss names it; filters also take the RFC 9293 names.",
        "idiag_state",
        |c| Value::text(c.socket.state.name()),
    ),
    (
        "direction",
        &["dir"],
        Kind::Text,
        "Who opened it: inbound or outbound.",
        "derived from the byte counters and the listening sockets",
        |c| Value::known(c.direction, |d| Value::text(d.name())),
    ),
    (
        "local",
        &["src"],
        Kind::Endpoint,
        "This machine's end: address and port.",
        "inet_diag_sockid",
        |c| Value::Endpoint(c.socket.local),
    ),
    (
        "local_addr",
        &["saddr"],
        Kind::Address,
        "Address of this machine's end.",
        "inet_diag_sockid.idiag_src",
        |c| Value::Address(c.socket.local.address),
    ),
    (
        "local_port",
        &["sport"],
        Kind::Port,
        "Port of this machine's end.",
        "inet_diag_sockid.idiag_sport",
        |c| Value::Port(c.socket.local.port),
    ),
    (
        "remote",
        &["dst", "peer"],
        Kind::Endpoint,
        "The other end: address and port.",
        "inet_diag_sockid",
        |c| remote(c, Value::Endpoint),
    ),
    (
        "remote_addr",
        &["daddr", "peer_addr"],
        Kind::Address,
        "Address of the other end.",
        "inet_diag_sockid.idiag_dst",
        |c| remote(c, |end| Value::Address(end.address)),
    ),
    (
        "remote_port",
        &["dport", "peer_port"],
        Kind::Port,
        "Port of the other end.",
        "inet_diag_sockid.idiag_dport",
        |c| remote(c, |end| Value::Port(end.port)),
    ),
    (
        "netns",
        &[],
        Kind::Text,
        "Network namespace: its name under /run/netns, else net:[inode].",
        "/proc/PID/ns/net, /run/netns",
        netns,
    ),
    ("netns_inode", &[], Kind::Count, "Inode of the network namespace.", "/proc/PID/ns/net", |c| {
        if c.socket.netns.inode == 0 {
            Value::NotApplicable
        } else {
            Value::Count(c.socket.netns.inode)
        }
    }),
    (
        "cookie",
        &[],
        Kind::Count,
        "The kernel's identity of the socket, unique until reboot.",
        "inet_diag_sockid.idiag_cookie",
        |c| Value::Count(c.socket.id.cookie),
    ),
    (
        "inode",
        &[],
        Kind::Count,
        "Inode in the socket file system, as in /proc/PID/fd.",
        "idiag_inode",
        |c| Value::known(c.socket.inode, Value::Count),
    ),
];

fn remote<'a>(c: &Connection, make: impl FnOnce(Endpoint) -> Value<'a>) -> Value<'a> {
    c.socket.remote.map_or(Value::NotApplicable, make)
}

fn netns(c: &Connection) -> Value<'_> {
    c.socket.netns.label.as_deref().map_or(Value::NotApplicable, Value::text)
}

// === who holds it ===

const OWNER: &[Row] = &[
    (
        "pid",
        &[],
        Kind::Count,
        "Process id of the holder; of several, filters match any.",
        "/proc/PID/fd",
        |c| holders(c, |p| Value::Count(u64::from(p.pid))),
    ),
    (
        "process",
        &["comm", "name"],
        Kind::Text,
        "Name of the holding process.",
        "/proc/PID/stat",
        |c| holders(c, |p| Value::text(&p.name)),
    ),
    ("exe", &["executable"], Kind::Text, "Path of its executable.", "/proc/PID/exe", |c| {
        holders(c, |p| text(&p.executable))
    }),
    (
        "cmdline",
        &["command"],
        Kind::Text,
        "Its arguments, joined by spaces.",
        "/proc/PID/cmdline",
        |c| holders(c, |p| text(&p.command_line)),
    ),
    (
        "user",
        &[],
        Kind::Text,
        "Name of the user it runs as.",
        "/proc/PID/status, user database",
        |c| holders(c, |p| text(&p.user)),
    ),
    ("process_uid", &[], Kind::Count, "Effective user id it runs as.", "/proc/PID/status", |c| {
        holders(c, |p| Value::known(p.uid, |uid| Value::Count(u64::from(uid))))
    }),
    ("started", &["start_time"], Kind::Time, "When it started.", "/proc/PID/stat", |c| {
        holders(c, |p| Value::known(p.started_wall_us, Value::Time))
    }),
    ("ppid", &["parent"], Kind::Count, "Process id of its parent.", "/proc/PID/stat", |c| {
        holders(c, |p| Value::known(p.parent_pid, |pid| Value::Count(u64::from(pid))))
    }),
    ("cgroup", &[], Kind::Text, "Its control group.", "/proc/PID/cgroup", |c| {
        holders(c, |p| text(&p.cgroup))
    }),
    (
        "container",
        &["container_id"],
        Kind::Text,
        "Container id found in its control group.",
        "/proc/PID/cgroup",
        |c| holders(c, |p| text(&p.container_id)),
    ),
    (
        "unit",
        &["systemd_unit", "service_unit"],
        Kind::Text,
        "systemd unit found in its control group.",
        "/proc/PID/cgroup",
        |c| holders(c, |p| text(&p.systemd_unit)),
    ),
    (
        "owners",
        &["holders"],
        Kind::Holders,
        "Every process and descriptor that holds the socket.",
        "/proc/PID/fd",
        |c| Value::known(c.holders.as_ref(), |held| Value::Holders(held)),
    ),
];

/// The value of each holding process: a plain value where one process holds the socket.
fn holders<'a>(c: &'a Connection, read: fn(&'a Process) -> Value<'a>) -> Value<'a> {
    if let Some(process) = c.only_process() {
        return read(process);
    }
    Value::known(c.holders.as_ref(), |held| {
        // Holders are in order of pid, so one process's descriptors stand together.
        let processes = held.chunk_by(|a, b| a.process.pid == b.process.pid);
        let first_of_each = processes.filter_map(|chunk| chunk.first());
        Value::Several(first_of_each.map(|holder| read(&holder.process)).collect())
    })
}

fn text(known: &Known<Box<str>>) -> Value<'_> {
    Value::known(known.as_ref(), |text| Value::text(text))
}

// === how it does ===

const HEALTH: &[Row] = &[
    (
        "rtt",
        &["latency", "srtt"],
        Kind::Duration,
        "Smoothed round trip time (RFC 6298).",
        "tcp_info.tcpi_rtt",
        |c| Value::known(c.rtt_us(), |us| Value::Micros(u64::from(us))),
    ),
    (
        "loss",
        &["packet_loss"],
        Kind::Percent,
        "Data segments lost of those sent, over the connection's life: (total_retrans - dsack_dups) / data_segs_out.",
        "derived from tcp_info",
        |c| Value::known(c.loss_percent(), Value::Percent),
    ),
    (
        "bytes_out",
        &["sent"],
        Kind::Bytes,
        "Payload bytes sent, retransmissions not counted.",
        "derived from tcp_info: bytes_sent - bytes_retrans",
        |c| Value::known(c.bytes_out(), Value::Bytes),
    ),
    (
        "bytes_in",
        &["received"],
        Kind::Bytes,
        "Payload bytes received in order.",
        "derived from tcp_info: bytes_received, less the peer's FIN",
        |c| Value::known(c.bytes_in(), Value::Bytes),
    ),
    (
        "rate_out",
        &["send_rate"],
        Kind::BytesPerSecond,
        "Payload sent a second since the last observation.",
        "derived",
        |c| Value::known(c.rates, |r| Value::BytesPerSecond(r.out_bytes_per_s)),
    ),
    (
        "rate_in",
        &["recv_rate"],
        Kind::BytesPerSecond,
        "Payload received a second since the last observation.",
        "derived",
        |c| Value::known(c.rates, |r| Value::BytesPerSecond(r.in_bytes_per_s)),
    ),
    (
        "idle",
        &[],
        Kind::Duration,
        "Time since payload last went either way.",
        "derived from tcp_info: last_data_sent, last_data_recv",
        |c| Value::known(c.idle_us(), Value::Micros),
    ),
    (
        "recv_queue",
        &["recvq"],
        Kind::Bytes,
        "Bytes received and not read by the application.",
        "idiag_rqueue",
        |c| Value::known(c.socket.queues, |q| Value::Bytes(u64::from(q.receive_bytes))),
    ),
    (
        "send_queue",
        &["sendq"],
        Kind::Bytes,
        "Bytes written by the application and not acknowledged.",
        "idiag_wqueue",
        |c| Value::known(c.socket.queues, |q| Value::Bytes(u64::from(q.send_bytes))),
    ),
    (
        "backlog",
        &[],
        Kind::Count,
        "Connections waiting for accept, of a listener.",
        "idiag_rqueue",
        |c| Value::known(c.socket.accept_queue, |q| Value::Count(u64::from(q.length))),
    ),
    (
        "backlog_max",
        &[],
        Kind::Count,
        "Most connections that may wait for accept.",
        "idiag_wqueue",
        |c| Value::known(c.socket.accept_queue, |q| Value::Count(u64::from(q.limit))),
    ),
    (
        "overflows",
        &[],
        Kind::Count,
        "Connections a listener dropped, since it listens.",
        "sk_drops of INET_DIAG_SKMEMINFO",
        |c| Value::known(c.overflows(), Value::Count),
    ),
    (
        "drops",
        &[],
        Kind::Count,
        "Packets (on a listener: connections) the socket dropped.",
        "sk_drops of INET_DIAG_SKMEMINFO",
        |c| memory(c, |m| m.drops.map(|n| Value::Count(u64::from(n)))),
    ),
    (
        "verdict",
        &[],
        Kind::Text,
        "What keeps it from being faster, in a word.",
        "derived, docs/verdict.md",
        |c| Value::text(c.verdict.class.name()),
    ),
    (
        "confidence",
        &[],
        Kind::Percent,
        "How sure the verdict is.",
        "derived, docs/verdict.md",
        |c| Value::Percent(f64::from(c.verdict.confidence_percent)),
    ),
    ("why", &[], Kind::Text, "The verdict in a sentence.", "derived, docs/verdict.md", |c| {
        Value::Text(c.verdict.why(&c.socket).into())
    }),
];

// === the socket itself ===

const SOCKET: &[Row] = &[
    ("congestion", &["cc"], Kind::Text, "Congestion control algorithm.", "INET_DIAG_CONG", |c| {
        Value::known(c.socket.congestion.as_ref(), |cc| Value::text(&cc.algorithm))
    }),
    (
        "bbr_bandwidth",
        &[],
        Kind::BytesPerSecond,
        "Highest delivery rate BBR has seen lately.",
        "tcp_bbr_info",
        |c| bbr(c, |b| Value::BytesPerSecond(b.bandwidth_bytes_per_s as f64)),
    ),
    (
        "bbr_min_rtt",
        &[],
        Kind::Duration,
        "Lowest round trip BBR has seen lately.",
        "tcp_bbr_info",
        |c| bbr(c, |b| Value::Micros(u64::from(b.min_rtt_us))),
    ),
    ("bbr_pacing_gain", &[], Kind::Percent, "BBR's pacing gain.", "tcp_bbr_info", |c| {
        bbr(c, |b| Value::Percent(f64::from(b.pacing_gain_256) / 2.56))
    }),
    ("bbr_cwnd_gain", &[], Kind::Percent, "BBR's window gain.", "tcp_bbr_info", |c| {
        bbr(c, |b| Value::Percent(f64::from(b.cwnd_gain_256) / 2.56))
    }),
    (
        "dctcp_alpha",
        &[],
        Kind::Percent,
        "Share of bytes DCTCP saw marked.",
        "tcp_dctcp_info",
        |c| {
            Value::known(c.socket.congestion.as_ref(), |cc| match cc.detail {
                CongestionDetail::Dctcp(d) => Value::Percent(f64::from(d.alpha_1024) / 10.24),
                _ => Value::NotApplicable,
            })
        },
    ),
    (
        "snd_wscale",
        &[],
        Kind::Count,
        "Shift of the window the peer offers.",
        "tcp_info.tcpi_snd_wscale",
        |c| tcp_count(c, |t| t.snd_wscale()),
    ),
    (
        "rcv_wscale",
        &[],
        Kind::Count,
        "Shift of the window offered to the peer.",
        "tcp_info.tcpi_rcv_wscale",
        |c| tcp_count(c, |t| t.rcv_wscale()),
    ),
    (
        "app_limited",
        &[],
        Kind::Bool,
        "Whether the latest delivery rate was limited by the application.",
        "tcp_info.tcpi_delivery_rate_app_limited, Linux 4.9",
        |c| {
            if !c.socket.state.carries_data() {
                Value::NotApplicable
            } else {
                Value::known(
                    c.socket
                        .tcp
                        .as_ref()
                        .and_then(Unknown::KernelDoesNotTell, |t| t.is_app_limited()),
                    Value::Bool,
                )
            }
        },
    ),
    (
        "timer",
        &[],
        Kind::Text,
        "Pending timer: on, keepalive, timewait, persist.",
        "idiag_timer",
        |c| Value::known(c.socket.timer, |t| Value::text(t.kind.name())),
    ),
    ("timer_expires", &[], Kind::Duration, "Time until that timer fires.", "idiag_expires", |c| {
        Value::known(c.socket.timer, |t| Value::Micros(u64::from(t.expires_ms) * 1000))
    }),
    (
        "timer_retransmits",
        &[],
        Kind::Count,
        "Retransmissions or probes in a row so far.",
        "idiag_retrans",
        |c| Value::known(c.socket.timer, |t| Value::Count(u64::from(t.retransmits))),
    ),
    ("rcvbuf", &[], Kind::Bytes, "Receive buffer (SO_RCVBUF).", "SK_MEMINFO_RCVBUF", |c| {
        memory(c, |m| Some(Value::Bytes(u64::from(m.receive_limit_bytes))))
    }),
    (
        "rcvbuf_used",
        &[],
        Kind::Bytes,
        "Receive memory in use, bookkeeping included.",
        "SK_MEMINFO_RMEM_ALLOC",
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.receive_bytes)))),
    ),
    ("sndbuf", &[], Kind::Bytes, "Send buffer (SO_SNDBUF).", "SK_MEMINFO_SNDBUF", |c| {
        memory(c, |m| Some(Value::Bytes(u64::from(m.send_limit_bytes))))
    }),
    (
        "sndbuf_used",
        &[],
        Kind::Bytes,
        "Send memory in use, bookkeeping included.",
        "SK_MEMINFO_WMEM_QUEUED",
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.queued_bytes)))),
    ),
    (
        "sndbuf_in_flight",
        &[],
        Kind::Bytes,
        "Send memory handed to the network and not freed.",
        "SK_MEMINFO_WMEM_ALLOC",
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.send_bytes)))),
    ),
    (
        "forward_alloc",
        &[],
        Kind::Bytes,
        "Socket memory reserved and not used.",
        "SK_MEMINFO_FWD_ALLOC",
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.forward_bytes)))),
    ),
    ("option_mem", &[], Kind::Bytes, "Memory of socket options.", "SK_MEMINFO_OPTMEM", |c| {
        memory(c, |m| Some(Value::Bytes(u64::from(m.option_bytes))))
    }),
    (
        "backlog_mem",
        &[],
        Kind::Bytes,
        "Memory of packets that came while the application had the socket locked.",
        "SK_MEMINFO_BACKLOG",
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.backlog_bytes)))),
    ),
    ("uid", &[], Kind::Count, "User id of the socket's creator.", "idiag_uid", |c| {
        Value::known(c.socket.uid, |uid| Value::Count(u64::from(uid)))
    }),
    (
        "tos",
        &["dscp", "tclass"],
        Kind::Count,
        "Type of service / traffic class byte sent (RFC 2474).",
        "INET_DIAG_TOS, INET_DIAG_TCLASS",
        |c| Value::known(c.socket.tos, |tos| Value::Count(u64::from(tos))),
    ),
    (
        "mark",
        &["fwmark"],
        Kind::Count,
        "Firewall mark (SO_MARK); told to CAP_NET_ADMIN.",
        "INET_DIAG_MARK",
        |c| Value::known(c.socket.mark, |mark| Value::Count(u64::from(mark))),
    ),
    (
        "cgroup_id",
        &[],
        Kind::Count,
        "Id of the control group (v2) the socket was made in.",
        "INET_DIAG_CGROUP_ID",
        |c| Value::known(c.socket.cgroup_id, Value::Count),
    ),
    (
        "shutdown",
        &[],
        Kind::Count,
        "Directions shut down: 1 receiving, 2 sending, 3 both.",
        "INET_DIAG_SHUTDOWN",
        |c| Value::known(c.socket.shutdown, |bits| Value::Count(u64::from(bits))),
    ),
    (
        "interface",
        &["if", "ifindex"],
        Kind::Count,
        "Index of the interface it is bound to.",
        "inet_diag_sockid.idiag_if",
        |c| {
            if c.socket.interface == 0 {
                Value::NotApplicable
            } else {
                Value::Count(u64::from(c.socket.interface))
            }
        },
    ),
    (
        "ulp",
        &["upper_layer"],
        Kind::Text,
        "Upper layer protocol in the kernel, such as tls.",
        "INET_DIAG_ULP_INFO",
        |c| Value::known(c.socket.upper_layer.as_ref(), |ulp| Value::text(ulp)),
    ),
    (
        "mptcp_subflows",
        &[],
        Kind::Count,
        "Subflows of an MPTCP connection beyond the first.",
        "mptcp_info.mptcpi_subflows",
        |c| Value::known(c.socket.mptcp, |m| Value::Count(u64::from(m.extra_subflows))),
    ),
    (
        "mptcp_token",
        &[],
        Kind::Count,
        "Token of an MPTCP connection (RFC 8684).",
        "mptcp_info.mptcpi_token",
        |c| {
            Value::known(c.socket.mptcp, |m| {
                m.token.map_or(Value::Unknown(Unknown::KernelDoesNotTell), |t| {
                    Value::Count(u64::from(t))
                })
            })
        },
    ),
];

fn memory<'a>(
    c: &Connection,
    read: impl FnOnce(&crate::model::SocketMemory) -> Option<Value<'a>>,
) -> Value<'a> {
    Value::known(c.socket.memory, |memory| {
        read(&memory).unwrap_or(Value::Unknown(Unknown::KernelDoesNotTell))
    })
}

fn tcp_count(c: &Connection, read: fn(&crate::model::TcpInfo) -> Option<u8>) -> Value<'_> {
    if !c.socket.state.carries_data() {
        return Value::NotApplicable;
    }
    let known = c.socket.tcp.as_ref().and_then(Unknown::KernelDoesNotTell, read);
    Value::known(known, |count| Value::Count(u64::from(count)))
}

fn bbr<'a>(c: &Connection, read: fn(&crate::model::BbrState) -> Value<'a>) -> Value<'a> {
    Value::known(c.socket.congestion.as_ref(), |cc| match &cc.detail {
        CongestionDetail::Bbr(state) => read(state),
        _ => Value::NotApplicable,
    })
}

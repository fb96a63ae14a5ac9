//! Fields of the socket itself: its algorithm, timers, buffers and marks.

use crate::model::{BbrState, CongestionDetail, Connection, TcpInfo, Unknown};
use crate::model::{FieldSpec, Kind, Part};
use crate::query::Value;

use super::{Row, memory, unless_kept};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new("congestion", Kind::Text, "Congestion control algorithm.", "INET_DIAG_CONG")
            .part(Part::Congestion)
            .aliases(&["cc"]),
        |c| Value::known(c.socket.congestion.as_ref(), |cc| Value::text(&cc.algorithm)),
    ),
    (
        FieldSpec::new(
            "bbr_bandwidth",
            Kind::BytesPerSecond,
            "Highest delivery rate BBR has seen lately.",
            "tcp_bbr_info",
        )
        .part(Part::Congestion),
        |c| bbr(c, |b| Value::BytesPerSecond(b.bandwidth_bytes_per_s as f64)),
    ),
    (
        FieldSpec::new(
            "bbr_min_rtt",
            Kind::Duration,
            "Lowest round trip BBR has seen lately.",
            "tcp_bbr_info",
        )
        .part(Part::Congestion),
        // `bbr_init` begins with the largest number (net/ipv4/tcp_bbr.c).
        |c| {
            bbr(c, |b| match b.min_rtt_us {
                u32::MAX => Value::Unknown(Unknown::NothingMeasured),
                us => Value::Micros(us.into()),
            })
        },
    ),
    (
        FieldSpec::new("bbr_pacing_gain", Kind::Percent, "BBR's pacing gain.", "tcp_bbr_info")
            .part(Part::Congestion),
        |c| bbr(c, |b| Value::Percent(f64::from(b.pacing_gain_256) / 2.56)),
    ),
    (
        FieldSpec::new("bbr_cwnd_gain", Kind::Percent, "BBR's window gain.", "tcp_bbr_info")
            .part(Part::Congestion),
        |c| bbr(c, |b| Value::Percent(f64::from(b.cwnd_gain_256) / 2.56)),
    ),
    (
        FieldSpec::new(
            "dctcp_alpha",
            Kind::Percent,
            "Share of bytes DCTCP saw marked.",
            "tcp_dctcp_info",
        )
        .part(Part::Congestion),
        |c| {
            Value::known(c.socket.congestion.as_ref(), |cc| match cc.detail {
                CongestionDetail::Dctcp(d) => Value::Percent(f64::from(d.alpha_1024) / 10.24),
                _ => unless_kept(c, || Value::NotApplicable),
            })
        },
    ),
    (
        FieldSpec::new(
            "snd_wscale",
            Kind::Count,
            "Shift of the window the peer offers.",
            "tcp_info.tcpi_snd_wscale",
        )
        .part(Part::Tcp),
        |c| tcp_count(c, |t| t.snd_wscale()),
    ),
    (
        FieldSpec::new(
            "rcv_wscale",
            Kind::Count,
            "Shift of the window offered to the peer.",
            "tcp_info.tcpi_rcv_wscale",
        )
        .part(Part::Tcp),
        |c| tcp_count(c, |t| t.rcv_wscale()),
    ),
    (
        FieldSpec::new(
            "app_limited",
            Kind::Bool,
            "Whether the latest delivery rate was limited by the application.",
            "tcp_info.tcpi_delivery_rate_app_limited, Linux 4.9",
        )
        .part(Part::Tcp),
        |c| {
            if !c.socket.state.carries_data() {
                Value::NotApplicable
            } else {
                Value::known(
                    c.socket
                        .tcp
                        .as_ref()
                        .and_then(c.socket.why_unmeasured(), |t| t.is_app_limited()),
                    Value::Bool,
                )
            }
        },
    ),
    (
        FieldSpec::new(
            "timer",
            Kind::Text,
            "Pending timer: on, keepalive, timewait, persist.",
            "idiag_timer",
        )
        .part(Part::Timer)
        .drop_rank(4),
        |c| Value::known(c.socket.timer, |t| Value::text(t.kind.name())),
    ),
    (
        FieldSpec::new(
            "timer_expires",
            Kind::Duration,
            "Time until that timer fires.",
            "idiag_expires",
        )
        .part(Part::Timer),
        |c| Value::known(c.socket.timer_now(), |t| Value::Micros(u64::from(t.expires_ms) * 1000)),
    ),
    (
        FieldSpec::new(
            "timer_retransmits",
            Kind::Count,
            "Retransmissions or probes in a row so far.",
            "idiag_retrans",
        )
        .part(Part::Timer),
        |c| Value::known(c.socket.timer, |t| Value::Count(u64::from(t.retransmits))),
    ),
    (
        FieldSpec::new("rcvbuf", Kind::Bytes, "Receive buffer (SO_RCVBUF).", "SK_MEMINFO_RCVBUF")
            .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.receive_limit_bytes)))),
    ),
    (
        FieldSpec::new(
            "rcvbuf_used",
            Kind::Bytes,
            "Receive memory in use, bookkeeping included.",
            "SK_MEMINFO_RMEM_ALLOC",
        )
        .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.receive_bytes)))),
    ),
    (
        FieldSpec::new("sndbuf", Kind::Bytes, "Send buffer (SO_SNDBUF).", "SK_MEMINFO_SNDBUF")
            .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.send_limit_bytes)))),
    ),
    (
        FieldSpec::new(
            "sndbuf_used",
            Kind::Bytes,
            "Send memory in use, bookkeeping included.",
            "SK_MEMINFO_WMEM_QUEUED",
        )
        .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.queued_bytes)))),
    ),
    (
        FieldSpec::new(
            "sndbuf_in_flight",
            Kind::Bytes,
            "Send memory handed to the network and not freed.",
            "SK_MEMINFO_WMEM_ALLOC",
        )
        .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.send_bytes)))),
    ),
    (
        FieldSpec::new(
            "forward_alloc",
            Kind::Bytes,
            "Socket memory reserved and not used.",
            "SK_MEMINFO_FWD_ALLOC",
        )
        .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.forward_bytes)))),
    ),
    (
        FieldSpec::new("option_mem", Kind::Bytes, "Memory of socket options.", "SK_MEMINFO_OPTMEM")
            .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.option_bytes)))),
    ),
    (
        FieldSpec::new(
            "backlog_mem",
            Kind::Bytes,
            "Memory of packets that came while the application had the socket locked.",
            "SK_MEMINFO_BACKLOG",
        )
        .part(Part::Memory),
        |c| memory(c, |m| Some(Value::Bytes(u64::from(m.backlog_bytes)))),
    ),
    (FieldSpec::new("uid", Kind::Count, "User id of the socket's creator.", "idiag_uid"), |c| {
        Value::known(c.socket.uid, |uid| Value::Count(u64::from(uid)))
    }),
    (
        FieldSpec::new(
            "tos",
            Kind::Count,
            "Type of service / traffic class byte sent (RFC 2474).",
            "INET_DIAG_TOS, INET_DIAG_TCLASS",
        )
        .aliases(&["dscp", "tclass"]),
        |c| Value::known(c.socket.tos, |tos| Value::Count(u64::from(tos))),
    ),
    (
        FieldSpec::new(
            "mark",
            Kind::Count,
            "Firewall mark (SO_MARK); readable with CAP_NET_ADMIN.",
            "INET_DIAG_MARK",
        )
        .aliases(&["fwmark"]),
        |c| Value::known(c.socket.mark, |mark| Value::Count(u64::from(mark))),
    ),
    (
        FieldSpec::new(
            "cgroup_id",
            Kind::Count,
            "Id of the control group (v2) the socket was made in.",
            "INET_DIAG_CGROUP_ID",
        )
        .at_opening(),
        |c| Value::known(c.socket.cgroup_id, Value::Count),
    ),
    (
        FieldSpec::new(
            "shutdown",
            Kind::Count,
            "Directions shut down: 1 receiving, 2 sending, 3 both.",
            "INET_DIAG_SHUTDOWN",
        ),
        |c| Value::known(c.socket.shutdown, |bits| Value::Count(u64::from(bits))),
    ),
    (
        FieldSpec::new(
            "interface",
            Kind::Text,
            "Name of the interface it is bound to (SO_BINDTODEVICE), or that its link-local address needs; tables show the index of an interface without a known name.",
            "SIOCGIFNAME",
        )
        .aliases(&["dev", "if"]),
        |c| Value::known(c.socket.interface_name.as_ref(), |name| Value::text(name)),
    ),
    (
        FieldSpec::new(
            "interface_index",
            Kind::Count,
            "Index of that interface in its network namespace.",
            "inet_diag_sockid.idiag_if",
        )
        .aliases(&["ifindex"]),
        |c| {
            unless_kept(c, || match c.socket.interface {
                0 => Value::NotApplicable,
                index => Value::Count(index.into()),
            })
        },
    ),
    (
        FieldSpec::new(
            "ipv6_only",
            Kind::Bool,
            "Whether an IPv6 socket without a peer takes no IPv4 (IPV6_V6ONLY).",
            "INET_DIAG_SKV6ONLY",
        )
        .aliases(&["v6only"]),
        |c| Value::known(c.socket.ipv6_only, Value::Bool),
    ),
    (
        FieldSpec::new(
            "ulp",
            Kind::Text,
            "Upper layer protocol in the kernel, such as tls.",
            "INET_DIAG_ULP_INFO",
        )
        .aliases(&["upper_layer"]),
        |c| Value::known(c.socket.upper_layer.as_ref(), |ulp| Value::text(ulp)),
    ),
    (
        FieldSpec::new(
            "pair",
            Kind::Text,
            "Equal at both ends of one TCP connection, through NAT and on two machines with the same `pair_key`: a keyed hash of both initial sequence numbers.",
            "tcp_sock (eBPF only): snd_una - bytes_acked, rcv_nxt - bytes_received",
        ),
        |c| Value::known(c.socket.pair, |pair| Value::Text(pair.to_string().into())),
    ),
    (
        FieldSpec::new(
            "mptcp_subflows",
            Kind::Count,
            "Subflows of an MPTCP connection beyond the first.",
            "mptcp_info.mptcpi_subflows",
        )
        .part(Part::Mptcp),
        |c| {
            Value::known(c.socket.mptcp, |m| {
                unless_kept(c, || Value::Count(u64::from(m.extra_subflows)))
            })
        },
    ),
    (
        FieldSpec::new(
            "mptcp_token",
            Kind::Count,
            "Token of an MPTCP connection (RFC 8684).",
            "mptcp_info.mptcpi_token",
        )
        .part(Part::Mptcp),
        |c| {
            Value::known(c.socket.mptcp, |m| {
                let token = m.token.map(|token| Value::Count(u64::from(token)));
                let unread = || Value::Unknown(Unknown::KernelDoesNotReport);
                token.unwrap_or_else(|| unless_kept(c, unread))
            })
        },
    ),
];

fn tcp_count(c: &Connection, read: fn(&TcpInfo) -> Option<u8>) -> Value<'_> {
    if !c.socket.state.carries_data() {
        return Value::NotApplicable;
    }
    let known = c.socket.tcp.as_ref().and_then(c.socket.why_unmeasured(), read);
    Value::known(known, |count| Value::Count(u64::from(count)))
}

fn bbr<'a>(c: &Connection, read: fn(&BbrState) -> Value<'a>) -> Value<'a> {
    Value::known(c.socket.congestion.as_ref(), |cc| match &cc.detail {
        CongestionDetail::Bbr(state) => read(state),
        _ => unless_kept(c, || Value::NotApplicable),
    })
}

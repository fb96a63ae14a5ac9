//! Replays recorded evidence of `corpus/verdict`: the lab caused each case on a real kernel and knew
//! the class. The files name fields as `conns fields` and `conns why -o json` do, so they do not
//! depend on types of the model.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests; this one reads files"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use conns_core::model::{
    AcceptQueue, Basis, Class, CloseReason, EventKind, Evidence, Known, Protocol, Queues,
    SocketMemory, SocketSample, State, TcpInfo, Timer, TimerKind, Verdict,
};
use conns_core::track::{judge, judge_closed};
use conns_fixtures::{Tcp, established, known};
use serde_json::Value;

/// One file.
struct Recorded {
    name: String,
    case: String,
    class: String,
    confidence_percent: u64,
    socket: BTreeMap<String, Value>,
    evidence: BTreeMap<String, Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/verdict")
}

fn recorded() -> Vec<Recorded> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Recorded {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let value: Value = serde_json::from_slice(&fs::read(path).unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = |key: &str| {
        let found = value[key].as_str();
        found.unwrap_or_else(|| panic!("{name}: no {key}")).to_owned()
    };
    let map = |key: &str| {
        let found = value[key].as_object().unwrap_or_else(|| panic!("{name}: no {key}"));
        found.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    Recorded {
        case: text("case"),
        class: text("class"),
        confidence_percent: value["confidence_percent"].as_u64().unwrap(),
        socket: map("socket"),
        evidence: map("evidence"),
        name,
    }
}

impl Recorded {
    /// A number of the socket; `None` if it does not have it.
    fn number(&self, key: &str) -> Option<u64> {
        let value = self.socket.get(key)?;
        Some(value.as_u64().unwrap_or_else(|| panic!("{}: {key} is {value}", self.name)))
    }

    fn number_32(&self, key: &str) -> Option<u32> {
        self.number(key).map(|number| u32::try_from(number).unwrap())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.socket.get(key)?.as_str()
    }

    fn socket(&self) -> SocketSample {
        let mut socket = established("10.0.0.1:443", "10.0.0.2:50000");
        socket.protocol = match self.text("proto").unwrap() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "mptcp" => Protocol::Mptcp,
            other => panic!("{}: protocol {other}", self.name),
        };
        socket.state = State::from_name(self.text("state").unwrap()).unwrap();
        if let (Some(send_bytes), Some(receive_bytes)) =
            (self.number_32("send_queue_bytes"), self.number_32("recv_queue_bytes"))
        {
            socket.queues = known(Queues { receive_bytes, send_bytes });
        }
        if let (Some(length), Some(limit)) =
            (self.number_32("backlog"), self.number_32("backlog_max"))
        {
            socket.accept_queue = known(AcceptQueue { length, limit });
        }
        if let Some(receive_limit_bytes) = self.number_32("rcvbuf_bytes") {
            socket.memory = known(SocketMemory {
                receive_limit_bytes,
                receive_bytes: self.number_32("rcvbuf_used_bytes").unwrap_or(0),
                send_limit_bytes: self.number_32("sndbuf_bytes").unwrap_or(0),
                queued_bytes: self.number_32("sndbuf_used_bytes").unwrap_or(0),
                drops: self.number_32("drops"),
                ..SocketMemory::default()
            });
        }
        if let Some(name) = self.text("timer") {
            let kind = match name {
                "on" => TimerKind::Retransmit,
                "keepalive" => TimerKind::KeepAlive,
                "timewait" => TimerKind::TimeWait,
                "persist" => TimerKind::ZeroWindowProbe,
                other => panic!("{}: timer {other}", self.name),
            };
            let expires_ms = self.number_32("timer_expires_us").unwrap_or(0) / 1000;
            let retransmits = u8::try_from(self.number("timer_retransmits").unwrap_or(0)).unwrap();
            socket.timer = known(Timer { kind, expires_ms, retransmits });
        }
        socket.tcp = self.tcp();
        socket.into()
    }

    /// `tcp_info`, of sockets that have a congestion window.
    fn tcp(&self) -> Known<TcpInfo> {
        if self.number("snd_cwnd").is_none() {
            return Known::NotApplicable;
        }
        let number = |key: &str| self.number_32(key).unwrap_or(0);
        let ms = |key: &str| u32::try_from(self.number(key).unwrap_or(0) / 1000).unwrap();
        Tcp {
            snd_mss_bytes: number("snd_mss_bytes"),
            unacked: number("unacked"),
            last_data_sent_ms: ms("last_data_sent_us"),
            last_data_recv_ms: ms("last_data_recv_us"),
            last_ack_recv_ms: ms("last_ack_recv_us"),
            rtt_us: number("rtt_us"),
            snd_cwnd: number("snd_cwnd"),
            notsent_bytes: number("notsent_bytes"),
            snd_wnd_bytes: number("snd_wnd_bytes"),
            length: 248,
            ..Tcp::ZERO
        }
        .known()
    }

    fn evidence(&self) -> Evidence {
        let number = |key: &str| {
            let value = &self.evidence[key];
            value.as_u64().unwrap_or_else(|| panic!("{}: {key} is {value}", self.name))
        };
        let small = |key: &str| u32::try_from(number(key)).unwrap();
        Evidence {
            basis: match &self.evidence["window_us"] {
                Value::Null => Basis::Lifetime,
                _ => Basis::Window { us: number("window_us") },
            },
            samples: small("samples"),
            bytes_out: number("bytes_out"),
            bytes_in: number("bytes_in"),
            segments_out: number("segments_out"),
            segments_in: number("segments_in"),
            segments_lost: number("segments_lost"),
            timeouts: small("timeouts"),
            busy_us: number("busy_us"),
            rwnd_limited_us: number("rwnd_limited_us"),
            sndbuf_limited_us: number("sndbuf_limited_us"),
            drops: number("drops"),
            rtt_us: small("rtt_us"),
            min_rtt_us: small("min_rtt_us"),
            samples_reader_behind: small("samples_reader_behind"),
            samples_unread: small("samples_unread"),
            unread_max_bytes: small("unread_max_bytes"),
            samples_sndbuf_full: small("samples_sndbuf_full"),
            samples_window_closed: small("samples_window_closed"),
            samples_unsent: small("samples_unsent"),
            samples_cwnd_full: small("samples_cwnd_full"),
            samples_app_limited: small("samples_app_limited"),
            samples_timed_out: small("samples_timed_out"),
            samples_accept_full: small("samples_accept_full"),
            samples_overflowed: small("samples_overflowed"),
            samples_overflows_unread: small("samples_overflows_unread"),
            samples_syn_queue_full: small("samples_syn_queue_full"),
        }
    }
}

#[test]
fn recorded_evidence_leads_to_the_class_and_confidence_that_were_recorded() {
    let mut wrong = Vec::new();
    for one in recorded() {
        let Verdict { class, confidence_percent, .. } = judge(&one.socket(), one.evidence());
        if class.name() != one.class || u64::from(confidence_percent) != one.confidence_percent {
            wrong.push(format!(
                "{}: {} {} %, recorded {} {} %",
                one.name,
                class.name(),
                confidence_percent,
                one.class,
                one.confidence_percent
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_class_and_every_scenario_with_an_expectation_is_recorded() {
    let all = recorded();
    let classes: BTreeSet<&str> = all.iter().map(|one| one.class.as_str()).collect();
    let missing: Vec<&str> = Class::ALL
        .iter()
        .map(|class| class.name())
        .filter(|name| !classes.contains(name))
        .collect();
    assert!(missing.is_empty(), "classes without a file: {missing:?}");
    let scenarios: BTreeSet<&str> =
        all.iter().filter_map(|one| one.case.split('/').next()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/scenarios");
    let mut unrecorded = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
        let name = name.trim_matches('"').to_owned();
        if text.contains("class =") && !scenarios.contains(name.as_str()) {
            unrecorded.push(name);
        }
    }
    assert!(unrecorded.is_empty(), "scenarios without a file: {unrecorded:?}");
}

/// The final counters of one that the lab recorded while it was open.
#[test]
fn what_closed_is_judged_by_its_counters_alone() {
    for one in recorded().iter().filter(|one| one.class == "path-loss") {
        let evidence = Evidence { basis: Basis::Lifetime, ..one.evidence() };
        let mut socket = one.socket();
        socket.state = State::Close;
        let of = |kind, reason| judge_closed(&socket, kind, reason, evidence);
        let fin = of(EventKind::Closed, Some(CloseReason::Fin));
        assert!(fin.confidence_percent <= 60, "{}", one.name);
        let silent = of(EventKind::Closed, Some(CloseReason::TimedOut));
        assert_eq!((silent.class, silent.confidence_percent), (Class::Stalled, 98));
        let failed = of(EventKind::Failed, Some(CloseReason::TimedOut));
        assert_eq!((failed.class, failed.confidence_percent), (Class::HandshakeFailing, 98));
        assert_eq!(of(EventKind::Failed, Some(CloseReason::Refused)).class, Class::Unknown);
    }
}

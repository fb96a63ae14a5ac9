//! Metrics of the latest update in OpenMetrics 1.0: `GET /metrics`.
//!
//! Invariant: the number of series does not depend on the machine. Labels are words of this program,
//! or the names of the first few processes and listeners; all others are summed as `other`.

mod tops;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::AtomicU64;

use axum::response::Response;
use conns_core::model::{Class, Connection, Loss, LossKind, Snapshot, Update};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, header};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::context::{Asked, Native};
use super::metrics_totals::RTT_BUCKETS;
use super::{accept, health};
use crate::problem::Problem;
use crate::response::{METRICS_TEXT, OPENMETRICS, whole};
use tops::{listeners, processes, shortened};

pub(super) use tops::{UNKNOWN, owner};

/// Maximum number of processes and listeners with metrics of their own.
pub(super) const MAX_TOP: usize = 200;

/// Series that are there whatever the machine does: 3 protocols by 12 states, 3 directions, the verdicts,
/// 2 ways of bytes and 2 of rates, retransmissions, 11 kinds of loss twice, 4 kinds of events and those of
/// unknown kind, the buckets of round trip times with that of all, their sum and count, and 16 of the agent itself. Refusals
/// add one per limit.
const FIXED: usize = 3 * 12
    + 3
    + Class::ALL.len()
    + 2
    + 2
    + 1
    + 2 * LossKind::ALL.len()
    + 5
    + (RTT_BUCKETS.len() + 3)
    + 16;

/// Series of each process (connections, two rates, two totals, retransmissions) and of each listener (backlog, its
/// limit, overflows).
const EACH: usize = 6 + 3;

/// The most series there can be with `top` processes and listeners, and `refusals` bounds of the shell.
pub(super) const fn series_bound(top: usize, refusals: usize) -> usize {
    FIXED + EACH * (top + 1) + refusals
}

type Labels = Vec<(&'static str, String)>;

/// `GET /metrics`, as OpenMetrics or in the text format of Prometheus, compressed if the client takes that.
pub(super) fn answer(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    let media = match asked.headers.get(header::ACCEPT) {
        None => OPENMETRICS,
        Some(_) => accept::chosen(&asked.headers, [OPENMETRICS, METRICS_TEXT])?,
    };
    let cache = native.caches.latest();
    let top = native.about.metrics_top.min(MAX_TOP);
    let of_update = cache.list("native/metrics", |snapshot| of_update(snapshot, top).into_bytes());
    let mut registry = Registry::with_prefix("conns");
    accumulated(&mut registry, native, &cache.update().snapshot, top);
    agent(&mut registry, native, cache.update());
    let mut of_agent = String::new();
    // Writing to memory does not fail.
    let _ = encode_registry(&mut of_agent, &registry).and_then(|()| encode_eof(&mut of_agent));
    let mut body = [&*of_update, of_agent.as_bytes()].concat();
    if media == METRICS_TEXT {
        body = in_text_format(&String::from_utf8_lossy(&body)).into_bytes();
    }
    let is_compressed = accept::takes_gzip(&asked.headers);
    if is_compressed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        let _ = encoder.write_all(&body);
        body = encoder.finish().unwrap_or_default();
    }
    let mut response = whole(media, body.into());
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// OpenMetrics in the older text format: a counter has the name of its samples, an info is a gauge, and there are no units.
fn in_text_format(metrics: &str) -> String {
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for line in metrics.lines() {
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            types.insert(name, kind);
        }
    }
    let suffix = |name: &str| match types.get(name) {
        Some(&"counter") => "_total",
        Some(&"info") => "_info",
        _ => "",
    };
    let mut text = String::with_capacity(metrics.len());
    for line in metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let words =
            line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>());
        match words.as_deref() {
            Some([what, name, rest]) => {
                let rest = if *rest == "info" { "gauge" } else { rest };
                let _ = writeln!(text, "# {what} {name}{} {rest}", suffix(name));
            }
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// The part that does not change until the next update.
fn of_update(snapshot: &Snapshot, top: usize) -> String {
    let mut registry = Registry::with_prefix("conns");
    let connections: Vec<&Connection> = snapshot.connections.iter().collect();
    totals(&mut registry, &connections);
    processes(&mut registry, &connections, top);
    listeners(&mut registry, &connections, top);
    let mut text = String::new();
    let _ = encode_registry(&mut text, &registry);
    text
}

/// Name, help, and the unit where there is one.
type Head<'a> = (&'a str, &'a str, Option<Unit>);

fn register(registry: &mut Registry, (name, help, unit): Head<'_>, metric: impl Metric) {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

/// Registers a figure without labels.
fn gauge(registry: &mut Registry, head: Head<'_>, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    register(registry, head, gauge);
}

/// Registers figures by labels. Values under the same labels add up.
fn gauges(
    registry: &mut Registry,
    head: Head<'_>,
    values: impl IntoIterator<Item = (Labels, f64)>,
) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).inc_by(value);
    }
    register(registry, head, family);
}

/// Registers a count that only grows, without labels.
fn counter(registry: &mut Registry, head: Head<'_>, value: f64) {
    let counter = Counter::<f64, AtomicU64>::default();
    counter.inc_by(value);
    register(registry, head, counter);
}

/// Registers counts that only grow, by labels.
fn counters(
    registry: &mut Registry,
    head: Head<'_>,
    values: impl IntoIterator<Item = (Labels, f64)>,
) {
    let family = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).inc_by(value);
    }
    register(registry, head, family);
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

fn rate_unit() -> Unit {
    Unit::Other("bytes_per_second".to_owned())
}

/// Sums over all sockets.
fn totals(registry: &mut Registry, connections: &[&Connection]) {
    let mut sockets: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    let mut directions: BTreeMap<&str, f64> = BTreeMap::new();
    let mut verdicts: BTreeMap<&str, f64> = BTreeMap::new();
    let (mut sent, mut received, mut rate_out, mut rate_in, mut again) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for connection in connections {
        let socket = &connection.socket;
        *sockets.entry((socket.protocol.name(), socket.state.name())).or_default() += 1.0;
        if connection.is_established() {
            let direction = connection.direction.get().map_or("unknown", |d| d.name());
            *directions.entry(direction).or_default() += 1.0;
        }
        *verdicts.entry(connection.verdict.class.name()).or_default() += 1.0;
        // The row of its socket has it too.
        if connection.is_peer() {
            continue;
        }
        sent += connection.bytes_out().get().unwrap_or(0) as f64;
        received += connection.bytes_in().get().unwrap_or(0) as f64;
        if let Some(rates) = connection.stats.rates.get() {
            rate_out += rates.out_bytes_per_s;
            rate_in += rates.in_bytes_per_s;
        }
        again += retransmitted(connection);
    }
    gauges(
        registry,
        ("sockets", "Sockets by protocol and state", None),
        sockets.into_iter().map(|((protocol, state), count)| {
            (vec![("protocol", protocol.to_owned()), ("state", state.to_owned())], count)
        }),
    );
    gauges(
        registry,
        ("connections", "Established connections by direction", None),
        directions.into_iter().map(|(direction, count)| (label("direction", direction), count)),
    );
    gauges(
        registry,
        ("verdicts", "Sockets by verdict", None),
        verdicts.into_iter().map(|(verdict, count)| (label("verdict", verdict), count)),
    );
    let ways = |out, inward| [(label("way", "sent"), out), (label("way", "received"), inward)];
    gauges(
        registry,
        ("payload", "Payload of the sockets open now, over their lives", Some(Unit::Bytes)),
        ways(sent, received),
    );
    gauges(
        registry,
        ("payload_rate", "Payload transferred between the last two samples", Some(rate_unit())),
        ways(rate_out, rate_in),
    );
    let head = ("retransmitted_segments", "Segments sent again by the sockets open now", None);
    gauge(registry, head, again);
}

fn retransmitted(connection: &Connection) -> f64 {
    let count = connection.tcp().and_then(|tcp| tcp.total_retrans());
    f64::from(count.unwrap_or(0))
}

/// What only grows since the first scrape.
fn accumulated(registry: &mut Registry, native: &Native, snapshot: &Snapshot, top: usize) {
    native.totals.note(snapshot, &native.caches.event_log(), top);
    counters(
        registry,
        ("process_payload", "Payload of processes, of closed connections too", Some(Unit::Bytes)),
        native.totals.processes().into_iter().flat_map(|(name, [sent, received])| {
            let process = shortened(&name);
            [("sent", sent), ("received", received)].map(|(way, bytes)| {
                (vec![("process", process.clone()), ("way", way.to_owned())], bytes as f64)
            })
        }),
    );
    let help = "Round trip times of open TCP connections, one of each in every snapshot scraped";
    register(registry, ("rtt", help, Some(Unit::Seconds)), native.totals.rtt());
}

/// The agent itself.
fn agent(registry: &mut Registry, native: &Native, update: &Update) {
    let (health, about) = (&update.health, &native.about);
    let seconds = |us: u64| us as f64 / 1e6;
    let version = Info::new(vec![("version", about.version.clone())]);
    registry.register("agent_build", "The program", version);
    let trouble = health::trouble(health, update.snapshot.at, (about.now)());
    let cost = health.cost;
    let most = series_bound(about.metrics_top.min(MAX_TOP), about.refusals.list().len());
    let plain: [(&str, &str, Option<Unit>, f64); 11] = [
        (
            "agent_failing",
            "1 if there is no fresh snapshot",
            None,
            f64::from(u8::from(trouble.is_some())),
        ),
        (
            "agent_interval",
            "Time between two samples",
            Some(Unit::Seconds),
            seconds(health.interval_us),
        ),
        (
            "agent_lateness",
            "Delay of the last sample behind its schedule",
            Some(Unit::Seconds),
            seconds(health.lateness_us),
        ),
        (
            "agent_lateness_max",
            "Maximum delay of a sample behind its schedule",
            Some(Unit::Seconds),
            seconds(health.lateness_max_us),
        ),
        (
            "agent_sample_cpu",
            "CPU time of the last sample",
            Some(Unit::Seconds),
            seconds(cost.sample_cpu_us),
        ),
        ("agent_resident", "Resident memory", Some(Unit::Bytes), cost.resident_bytes as f64),
        (
            "agent_resident_peak",
            "Peak resident memory",
            Some(Unit::Bytes),
            cost.resident_peak_bytes as f64,
        ),
        (
            "agent_clients",
            "Clients connected",
            None,
            native.clients.load(std::sync::atomic::Ordering::Relaxed) as f64,
        ),
        ("agent_streams", "Streams of changes and events open", None, native.streams.open() as f64),
        ("snapshot_sequence", "Number of the snapshot", None, update.snapshot.sequence as f64),
        ("agent_series_max", "Maximum number of series", None, most as f64),
    ];
    for (name, help, unit, value) in plain {
        gauge(registry, (name, help, unit), value);
    }
    let counted: [(&str, &str, Option<Unit>, f64); 4] = [
        ("agent_samples", "Samples taken", None, health.samples as f64),
        ("agent_samples_skipped", "Samples skipped", None, health.samples_skipped as f64),
        (
            "agent_reconciliation_differences",
            "Cached owners that a full scan found to be outdated",
            None,
            health.reconciliation_differences as f64,
        ),
        ("agent_cpu", "CPU time since the start", Some(Unit::Seconds), seconds(cost.cpu_us)),
    ];
    for (name, help, unit, value) in counted {
        counter(registry, (name, help, unit), value);
    }
    native.counts.note(&native.caches.event_log());
    counters(
        registry,
        ("events", "Events of connections since the start, by kind", None),
        native.counts.list().into_iter().map(|(kind, count)| (label("kind", kind), count as f64)),
    );
    let by_kind = |losses: &[Loss]| {
        let shape = |loss: &Loss| (label("kind", loss.kind().name()), loss.count as f64);
        losses.iter().map(shape).collect::<Vec<_>>()
    };
    gauges(
        registry,
        ("snapshot_losses", "What is missing from the snapshot, by kind", None),
        by_kind(&update.snapshot.losses),
    );
    counters(
        registry,
        ("agent_losses", "Losses of the agent since the start, by kind", None),
        by_kind(&health.losses),
    );
    counters(
        registry,
        ("agent_refusals", "Refusals to clients, by limit", None),
        about.refusals.list().into_iter().map(|(name, count)| (label("bound", name), count as f64)),
    );
}

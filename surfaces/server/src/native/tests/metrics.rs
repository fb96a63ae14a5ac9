//! Metrics: the bound of series, the sums, and the format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;

use conns_core::model::{Rates, State};

use super::scene::{Client, Machine, Sketch, established, listener};
use crate::native::metrics::series_bound;
use crate::refusals::Refusals;

/// Lines with a value, by name and labels.
fn series(text: &str) -> Vec<(&str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_processes_and_listeners_stay_within_the_bound() {
    let mut machine = Machine::new();
    for number in 0..10_000_u32 {
        let mut one =
            established(u16::try_from(number).unwrap(), number + 1, &format!("p{number}"));
        one.state = State::ALL[number as usize % State::ALL.len()];
        machine.open(one);
        let port = 20_000 + number;
        let name = format!("l{number}");
        machine.open(listener(&format!("127.0.0.1:{port}"), (number, 4096, 1), number + 1, &name));
    }
    for number in 0..500 {
        machine.open(established(number, 7, "busiest"));
    }
    machine.update();
    let answer = machine.client().get("/metrics").await;
    let type_ = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), type_);
    let text = answer.text();
    let series = series(text);
    let bound = series_bound(10, Refusals::default().list().len());
    assert!(series.len() <= bound, "{} series, at most {bound}", series.len());
    // The bound is not far off, either: all but namespaces' worth of it can be there.
    assert!(series.len() * 2 > bound, "{} series of {bound}", series.len());
    let names: BTreeSet<&str> = series.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), series.len(), "a series is there twice");
    let connections =
        series.iter().filter(|(name, _)| name.starts_with("conns_process_connections{"));
    let (count, sum) = connections.fold((0, 0.0), |(n, sum), (_, value)| (n + 1, sum + value));
    let established = machine.there.iter().filter(|(_, c)| c.is_established()).count();
    assert_eq!((count, sum), (11, established as f64));
    assert!(text.contains("conns_process_connections{process=\"busiest\"} 500.0\n"));
    assert!(text.contains("conns_listener_backlog{listener=\"127.0.0.1:29999\"} 9999.0\n"));
    assert!(text.contains("conns_listener_overflows{listener=\"other\"} 9990.0\n"));
}

#[tokio::test]
async fn figures_are_right_and_the_format_is_kept() {
    let mut machine = Machine::new();
    let mut hostile = established(1000, 10, "a \"hi\"\\\n");
    hostile.rates = Some(Rates { out_bytes_per_s: 2.5, in_bytes_per_s: 7.0 });
    machine.open(hostile);
    machine.open(established(1001, 11, "other"));
    machine.open(listener("[::1]:443", (3, 128, 9), 10, "nginx"));
    machine.update();
    let answer = machine.client().get("/metrics").await;
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    for line in [
        "conns_sockets{protocol=\"tcp\",state=\"ESTAB\"} 2.0",
        "conns_sockets{protocol=\"tcp\",state=\"LISTEN\"} 1.0",
        "conns_connections{direction=\"outbound\"} 2.0",
        "conns_verdicts{verdict=\"healthy\"} 3.0",
        "conns_payload_bytes{way=\"sent\"} 2000.0",
        "conns_payload_rate_bytes_per_second{way=\"sent\"} 13.0",
        "conns_payload_rate_bytes_per_second{way=\"received\"} 7.0",
        "conns_retransmitted_segments 6.0",
        "conns_process_connections{process=\"a \\\"hi\\\"\\\\\\n\"} 1.0",
        "conns_process_connections{process=\"other\"} 1.0",
        "conns_listener_backlog_max{listener=\"[::1]:443\"} 128.0",
        "conns_agent_build_info{version=\"1.2.3-test\"} 1",
        "conns_agent_samples_total 2.0",
        "conns_agent_cpu_seconds_total 2.0",
        "conns_agent_lateness_seconds 0.0015",
        "conns_agent_resident_bytes 30000000.0",
        "conns_agent_losses_total{kind=\"bound-reached\"} 4.0",
        "conns_agent_refusals_total{bound=\"clients-full\"} 0.0",
        "conns_agent_failing 0.0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
    }
    // Each family has its type before its first series, and stands together.
    let mut families = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(families.insert(name), "{name} is declared twice");
    }
}

#[tokio::test]
async fn a_process_called_other_does_not_make_a_series_twice() {
    let mut machine = Machine::new();
    for number in 0..20 {
        machine.open(established(number, u32::from(number), &format!("p{number}")));
    }
    for number in 100..105 {
        machine.open(established(number, 5, "other"));
    }
    machine.update();
    let answer = machine.client().get("/metrics").await;
    let line = "conns_process_connections{process=\"other\"} ";
    let found: Vec<&str> = answer.text().lines().filter(|there| there.starts_with(line)).collect();
    // Five of its own, and eleven of those beyond the first ten.
    assert_eq!(found, [format!("{line}16.0")]);
}

/// The payload that these processes sent, as `/metrics` has it.
async fn sent(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("/metrics").await;
    let text = answer.text();
    let of_process = |name: &str| {
        let labels = name.strip_prefix("conns_process_payload_bytes_total{process=\"")?;
        labels.strip_suffix("\",way=\"sent\"}").map(str::to_owned)
    };
    series(text).into_iter().filter_map(|(name, value)| Some((of_process(name)?, value))).collect()
}

fn totals<const N: usize>(of: [(&str, f64); N]) -> BTreeMap<String, f64> {
    of.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[tokio::test]
async fn payload_of_a_process_keeps_what_closed_connections_carried() {
    let mut machine = Machine::new();
    let client = machine.client();
    let first = machine.open(established(1, 7, "nginx"));
    let second = machine.open(established(2, 7, "nginx"));
    machine.update();
    assert_eq!(sent(&client).await, totals([("nginx", 2000.0), ("other", 0.0)]));
    // Another scrape of the same snapshot adds nothing.
    assert_eq!(sent(&client).await["nginx"], 2000.0);
    machine.change(first, |one| one.sent = Some(1500));
    machine.end(second, 1800);
    machine.update();
    assert_eq!(sent(&client).await["nginx"], 3300.0);
    // One that opens and closes between two scrapes, and one whose end is not reported.
    let third = machine.open(established(3, 7, "nginx"));
    machine.update();
    machine.end(third, 5000);
    machine.close(first);
    machine.update();
    assert_eq!(sent(&client).await["nginx"], 8300.0);
    // An end that is known before a snapshot without the connection.
    let fourth = machine.open(established(4, 7, "nginx"));
    machine.update();
    assert_eq!(sent(&client).await["nginx"], 9300.0);
    let (sketch, connection) = machine.there.last().cloned().unwrap();
    machine.end(fourth, 1200);
    machine.there.push((sketch, connection));
    machine.update();
    assert_eq!(sent(&client).await["nginx"], 9500.0);
    machine.update();
    assert_eq!(sent(&client).await["nginx"], 9500.0, "it is counted once");
}

#[tokio::test]
async fn payload_of_processes_beyond_the_bound_is_that_of_others_and_never_falls() {
    let mut machine = Machine::new();
    let client = machine.client();
    let big: Vec<u64> = (0..10)
        .map(|at| {
            let one = established(at, at.into(), &format!("big{at}"));
            machine.open(Sketch { sent: Some(5000), ..one })
        })
        .collect();
    for at in 10..15 {
        machine.open(established(at, at.into(), &format!("small{at}")));
    }
    machine.update();
    let before = sent(&client).await;
    assert_eq!((before.len(), before["other"], before["big3"]), (11, 5000.0, 5000.0));
    // One with a series keeps it while it has connections, whatever others do.
    let rich = established(20, 20, "rich");
    machine.open(Sketch { sent: Some(1 << 30), ..rich });
    machine.update();
    let after = sent(&client).await;
    assert_eq!(after["other"], before["other"] + f64::from(1 << 30));
    assert!(after.contains_key("big3") && !after.contains_key("rich"));
    // Without connections it makes room.
    machine.close(big[3]);
    machine.open(established(21, 20, "rich"));
    machine.update();
    let last = sent(&client).await;
    assert_eq!(last["rich"], 1000.0);
    assert!(!last.contains_key("big3") && last["other"] >= after["other"]);
}

#[tokio::test]
async fn round_trip_times_are_a_cumulative_histogram() {
    let mut machine = Machine::new();
    let client = machine.client();
    for at in 0..3 {
        machine.open(established(at, 7, "nginx"));
    }
    machine.open(listener("[::1]:443", (3, 128, 9), 10, "nginx"));
    machine.update();
    for scrapes in 1..=2 {
        let answer = client.get("/metrics").await;
        let text = answer.text();
        assert!(text.contains("# TYPE conns_rtt_seconds histogram\n"), "{text}");
        let count = f64::from(3 * scrapes);
        // 50 ms each.
        for (series, value) in [
            ("conns_rtt_seconds_bucket{le=\"0.025\"}", 0.0),
            ("conns_rtt_seconds_bucket{le=\"0.05\"}", count),
            ("conns_rtt_seconds_bucket{le=\"+Inf\"}", count),
            ("conns_rtt_seconds_count", count),
        ] {
            let line = text.lines().find_map(|line| line.strip_prefix(series));
            let seen = line.and_then(|line| line.trim().parse::<f64>().ok());
            assert_eq!(seen, Some(value), "{series}");
        }
        machine.update();
    }
}

/// What scrapers send: Prometheus 2 and 3, Telegraf, Datadog's agent, vmagent and the OpenTelemetry collector.
const SCRAPERS: [(&str, &str); 7] = [
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text",
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
        "application/openmetrics-text",
    ),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
        "text/plain",
    ),
    ("text/plain", "text/plain"),
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/plain"),
    ("*/*", "text/plain"),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", "application/openmetrics-text"),
];

#[tokio::test]
async fn every_scraper_gets_a_type_that_it_reads() {
    let mut machine = Machine::new();
    machine.open(established(1, 7, "nginx"));
    machine.update();
    for (accept, media) in SCRAPERS {
        let request =
            Request::get("/metrics").header("accept", accept).body(Body::empty()).unwrap();
        let response = machine.client().ask(request).await;
        assert_eq!(response.status(), 200, "{accept}");
        let type_ = response.headers()["content-type"].to_str().unwrap();
        assert!(type_.starts_with(media), "{accept}: {type_}");
    }
}

#[tokio::test]
async fn the_text_format_has_counters_by_their_full_name() {
    let mut machine = Machine::new();
    machine.open(established(1, 7, "nginx"));
    machine.update();
    let ask = async |accept: &str, coding: &str| {
        let request =
            Request::get("/metrics").header("accept", accept).header("accept-encoding", coding);
        let response = machine.client().ask(request.body(Body::empty()).unwrap()).await;
        let coding = response.headers().get("content-encoding").cloned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (coding, body)
    };
    let (coding, body) = ask("text/plain", "identity").await;
    assert_eq!(coding, None);
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("# TYPE conns_agent_samples_total counter\n"), "{text}");
    assert!(text.contains("# TYPE conns_agent_build_info gauge\n"), "{text}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    // Each sample follows the type of a family with its name.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        // Those of a histogram have the name of their family.
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let has_type = |name: &str| text.contains(&format!("# TYPE {name} "));
        assert!(has_type(name) || family.is_some_and(has_type), "{name} has no type");
    }
    let (coding, body) = ask("text/plain", "gzip;q=1.0, *;q=0").await;
    assert_eq!(coding.unwrap(), "gzip");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&*body).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked.contains("# TYPE conns_agent_samples_total counter\n"));
    let (coding, _) = ask("text/plain", "gzip;q=0").await;
    assert_eq!(coding, None);
}

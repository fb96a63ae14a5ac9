//! Recordings of a media server (corpus/ems-captures): its streams of RTMP, RTSP, MPEG-TS and FLV, as it listed them at
//! known moments, against those read from the packets up to that moment.

#![allow(clippy::expect_used, clippy::panic, reason = "tests panic where they cannot go on")]

use std::path::{Path, PathBuf};

use conns_capture::Capture;
use conns_contract::{Scope, SocketSource};
use conns_core::decode::registry;
use conns_core::model::{
    Application, Kind, ListSpec, Observation, Protocol, Record, Scalar, SocketSample,
};
use serde_json::Value;

fn folder(recording: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/ems-captures").join(recording)
}

/// What the packets before a moment show.
fn play(recording: &str, until_us: i64) -> Observation {
    let path = folder(recording).join("capture.pcap.gz");
    let capture = Capture::open(&path, Some(until_us)).expect("a capture");
    let mut events = conns_contract::EventSource::observe(&mut capture.events(), capture.now());
    while !capture.is_ended() {
        events = conns_contract::EventSource::observe(&mut capture.events(), capture.now());
    }
    drop(events);
    capture.tables().observe(&Scope::everything(), capture.now()).expect("rows")
}

/// A stream as a list of it has it, by column.
struct Listed<'a> {
    list: &'static ListSpec,
    record: &'a Record,
}

impl<'a> Listed<'a> {
    /// The streams in the layers of a connection.
    fn all(application: &'a Application) -> Vec<Self> {
        let mut streams = Vec::new();
        for layer in &application.layers {
            let spec = registry().find(|spec| *spec.name == *layer.protocol).expect("registered");
            for (field, value) in spec.fields.iter().zip(&layer.values) {
                if let (Kind::List(list), Some(Scalar::List(records))) = (field.kind, value.value())
                    && field.name.ends_with(".streams")
                {
                    streams.extend(records.iter().map(|record| Listed { list, record }));
                }
            }
        }
        streams
    }

    fn value(&self, key: &str) -> Option<&'a Scalar> {
        let at = self.list.columns.iter().position(|column| column.key == key).expect("a column");
        self.record.values.get(at)?.value()
    }

    fn count(&self, key: &str) -> u64 {
        match self.value(key) {
            Some(Scalar::Count(number) | Scalar::Bytes(number)) => *number,
            _ => 0,
        }
    }

    fn text(&self, key: &str) -> &'a str {
        match self.value(key) {
            Some(Scalar::Text(text)) => text,
            _ => "",
        }
    }

    /// As a line of what is compared.
    fn line(&self) -> String {
        let track = |of: &str| {
            let number = |what: &str| self.count(&format!("{of}_{what}"));
            format!(
                "{of} {} {}/{} dropped {}/{}",
                self.text(&format!("{of}_codec")),
                number("packets"),
                number("bytes"),
                number("dropped_packets"),
                number("dropped_bytes"),
            )
        };
        let number = |key| self.count(key);
        format!(
            "{} {} {}x{} {}.{} {} kbit/s",
            track("audio"),
            track("video"),
            number("width"),
            number("height"),
            number("profile"),
            number("level"),
            number("bandwidth_kbit_per_s"),
        )
    }
}

/// The same of the server's answer.
fn line(stream: &Value) -> String {
    let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
    let track = |of: &str| {
        let track = &stream[of];
        let codec = match track["codec"].as_str() {
            Some("AAAC") => "aac",
            Some("VH264") => "h264",
            other => panic!("{other:?}"),
        };
        format!(
            "{of} {codec} {}/{} dropped {}/{}",
            number(track, "packetsCount"),
            number(track, "bytesCount"),
            number(track, "droppedPacketsCount"),
            number(track, "droppedBytesCount"),
        )
    };
    let video = &stream["video"];
    format!(
        "{} {} {}x{} {}.{} {} kbit/s",
        track("audio"),
        track("video"),
        number(video, "width"),
        number(video, "height"),
        number(video, "profile"),
        number(video, "level"),
        number(stream, "bandwidth"),
    )
}

fn is_of(sample: &SocketSample, stream: &Value) -> bool {
    let port = |key: &str| stream[key].as_u64().unwrap_or(0);
    let remote = sample.remote.map_or(0, |end| end.port.into());
    u64::from(sample.local.port) == port("nearPort")
        && (port("farPort") == 0 || remote == port("farPort"))
}

/// The streams of an answer, each with the moment at which it is answered, milliseconds since 1970.
fn listed(answer: &Value) -> Vec<(f64, &Value)> {
    let moment = |of: &Value| of["queryTimestamp"].as_f64().expect("a moment");
    let data = answer["answer"]["data"].as_array().into_iter().flatten();
    match answer["command"].as_str() {
        Some("listConnections excludeNonNetworkProtocols=0") => data
            .flat_map(|entry| {
                let stack = entry["stack"].as_array().expect("a stack");
                let at = stack.first().map_or(0.0, moment);
                let streams = stack.iter().filter_map(|element| element["streams"].as_array());
                streams.flatten().map(move |stream| (at, stream))
            })
            .collect(),
        // Connections of transport streams have none in their stacks.
        Some("listStreams") => {
            data.filter(|stream| stream["type"] == "INTS").map(|one| (moment(one), one)).collect()
        }
        _ => Vec::new(),
    }
}

/// Compares the streams of these types in each answer; returns how many there are.
fn compare(recording: &str, types: &[&str]) -> usize {
    let answers = std::fs::read_to_string(folder(recording).join("answers.jsonl"));
    let mut differences = Vec::new();
    let mut compared = 0;
    for text in answers.expect("answers").lines() {
        let answer: Value = serde_json::from_str(text).expect("an answer");
        for (moment_ms, stream) in listed(&answer) {
            let kind = stream["type"].as_str().expect("a type");
            if !types.contains(&kind) {
                continue;
            }
            let played = play(recording, (moment_ms * 1000.0).round() as i64);
            let ids: Vec<_> = played
                .rows()
                .iter()
                .filter(|sample| is_of(sample, stream))
                .map(|sample| conns_core::model::ConnectionId::of_socket(sample.id))
                .collect();
            let applications = played.applications.iter().filter(|(id, _)| ids.contains(id));
            let found: Vec<_> = applications.flat_map(|(_, layers)| Listed::all(layers)).collect();
            let lines: Vec<_> = found.iter().map(Listed::line).collect();
            if lines != [line(stream)] {
                differences.push(format!(
                    "{recording} {}: {kind}\n  server {}\n  conns  {lines:?}",
                    answer["moment"],
                    line(stream)
                ));
            }
            let is_named_on_the_wire = matches!(kind, "INP" | "ONP");
            if let [found] = &found[..]
                && is_named_on_the_wire
            {
                assert_eq!(Some(found.text("name")), stream["name"].as_str());
                let direction = if kind == "INP" { "in" } else { "out" };
                assert_eq!(found.text("direction"), direction);
            }
            compared += 1;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    compared
}

#[test]
fn streams_of_rtsp_are_counted_as_the_server_counts_them() {
    assert_eq!(compare("rtsp-interleaved", &["INP", "ONP"]), 5);
    assert_eq!(compare("rtsp-udp", &["INP", "ONP"]), 5);
}

#[test]
fn gaps_in_sequence_numbers_drop_what_the_server_drops() {
    assert_eq!(compare("rtsp-sequence-gaps", &["INP"]), 5);
}

#[test]
fn transport_streams_are_counted_from_where_all_codecs_are_known() {
    assert_eq!(compare("mpegts", &["INTS"]), 7);
}

#[test]
fn tags_of_flv_are_counted_when_they_are_complete() {
    assert_eq!(compare("liveflv", &["INLFLV"]), 5);
}

#[test]
fn what_a_player_that_does_not_read_is_not_sent_is_dropped_or_held_back() {
    assert_eq!(compare("rtmp-slow-player", &["ONR"]), 4);
}

/// The begin of `mpegts` at which the server has listed its socket, two seconds before the first datagram of it.
#[test]
fn the_receiver_of_a_transport_stream_is_listed_before_its_first_datagram() {
    let answers = std::fs::read_to_string(folder("mpegts").join("answers.jsonl")).expect("answers");
    let idle: Value = answers
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .find(|line: &Value| line["moment"] == "idle")
        .expect("a moment before all streams");
    let carrier = &idle["answer"]["data"][0]["carrier"];
    let observation = play("mpegts", idle["t1_us"].as_i64().expect("a time"));
    let rows = observation.rows();
    let shown: Vec<_> = rows
        .iter()
        .filter(|row| row.protocol == Protocol::Udp)
        .map(|row| (u64::from(row.local.port), row.remote, row.bytes_in(false).get()))
        .collect();
    let port = carrier["nearPort"].as_u64().expect("a port");
    assert_eq!(shown, [(port, None, carrier["rx"].as_u64())]);
    let layers: Vec<_> =
        observation.applications.iter().map(|(_, application)| application).collect();
    assert!(
        matches!(layers[..], [only] if only.layer("ts").is_some_and(|ts| ts.values.is_empty()))
    );
}

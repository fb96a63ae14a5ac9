//! The connections and streams of a media server: as a real one lists them, with what it leaves null, and by
//! the calls for streams.

use conns_core::model::{Connection, Direction, Known, Scalar, Source};
use conns_fixtures::known;
use serde_json::Value;

use crate::answers::layout;
use crate::sample::{Values, cache, carrying, json, owned_by, stream, text, with_rtmp};

const LIST: &str = include_str!("../fixtures/ems/01-rtmp-publisher-and-player.json");
const STREAM_IDS: &str = include_str!("../fixtures/ems/01-listStreamsIds.json");
const CLIENTS: &str = include_str!("../fixtures/ems/01-clientsConnected.json");

/// The server's end of a connection of RTMP.
const SERVER: (&str, &str) = ("127.0.0.1:1935", "127.0.0.1:");

fn served(serial: u64, port: u16, values: Values<'_>, streams: &[Values<'_>]) -> Connection {
    let connection = stream(serial, SERVER.0, &format!("{}{port}", SERVER.1), (1000, 1000));
    let connection = owned_by(connection, "server");
    with_rtmp(connection, &[values, &[("role", text("server"))]].concat(), streams)
}

/// A connection that the server opened, to another one.
fn opened(serial: u64, port: u16, values: Values<'_>, streams: &[Values<'_>]) -> Connection {
    let near = format!("127.0.0.1:{port}");
    let connection = owned_by(stream(serial, &near, "192.0.2.7:1935", (1000, 1000)), "server");
    with_rtmp(connection, &[values, &[("role", text("client"))]].concat(), streams)
}

/// A column of a stream and its value.
type Column = (&'static str, Scalar);

fn stream_values(name: &str, role: &str, direction: &str, more: &[Column]) -> Vec<Column> {
    let common = [("name", text(name)), ("role", text(role)), ("direction", text(direction))];
    [&[("number", Scalar::Count(1))], &common[..], more].concat()
}

fn input(name: &str, more: &[Column]) -> Vec<Column> {
    stream_values(name, "publish", "in", more)
}

fn output(name: &str, more: &[Column]) -> Vec<Column> {
    stream_values(name, "play", "out", more)
}

/// Audio and video of H.264, 320 x 240, with some packets.
fn media() -> [(&'static str, Scalar); 11] {
    [
        ("audio_codec", text("aac")),
        ("audio_is_configured", Scalar::Bool(true)),
        ("audio_packets", Scalar::Count(6565)),
        ("audio_bytes", Scalar::Bytes(620_099)),
        ("video_codec", text("h264")),
        ("video_is_configured", Scalar::Bool(true)),
        ("video_packets", Scalar::Count(16_399)),
        ("width", Scalar::Count(320)),
        ("height", Scalar::Count(240)),
        ("profile", Scalar::Count(66)),
        ("level", Scalar::Count(13)),
    ]
}

fn agent(agent: &str) -> (&'static str, Scalar) {
    ("user_agent", text(agent))
}

fn url() -> (&'static str, Scalar) {
    ("tc_url", text("rtmp://127.0.0.1:1935/live"))
}

/// The publisher and the player of the sample.
fn publisher_and_player() -> Vec<Connection> {
    let app = ("app", text("rdkcms"));
    let mut published = input("cam1", &media());
    published.push(("ingest_point", text("cam1")));
    published.push(("bandwidth_kbit_per_s", Scalar::Count(257)));
    let publisher = [agent("FMLE/3.0 (compatible; Lavf59.27.100)"), url(), app.clone()];
    let player = [agent("LNX 10,0,32,18"), url(), app];
    vec![
        served(46, 37442, &publisher, &[&published]),
        served(53, 53836, &player, &[&output("cam1", &media())]),
    ]
}

fn data(line: &str, connections: Vec<Connection>) -> Value {
    let answer = json(line, &cache(connections));
    let mut value: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(value["status"], "SUCCESS", "{answer}");
    value["data"].take()
}

/// The streams of `listStreams`.
fn streams(connections: Vec<Connection>) -> Vec<Value> {
    data("listStreams", connections).as_array().cloned().unwrap_or_default()
}

#[test]
fn publisher_and_player_have_the_keys_and_texts_of_the_real_server_in_its_order() {
    let answer = json("listConnections", &cache(publisher_and_player()));
    assert_eq!(layout(&answer), layout(LIST));
    // What does not depend on time and ids has the same value.
    let (ours, sample): (Value, Value) =
        (serde_json::from_str(&answer).expect("JSON"), serde_json::from_str(LIST).expect("JSON"));
    for (entry, pointer) in [(0, "audio"), (0, "video/codecNumeric"), (1, "video/codecNumeric")] {
        let pointer = format!("/data/{entry}/stack/1/streams/0/{pointer}");
        assert_eq!(ours.pointer(&pointer), sample.pointer(&pointer), "{pointer}");
    }
    for key in ["bandwidth", "typeNumeric", "connectionType"] {
        let pointer = format!("/data/0/stack/1/streams/0/{key}");
        assert_eq!(ours.pointer(&pointer), sample.pointer(&pointer), "{pointer}");
    }
}

#[test]
fn streams_are_linked_by_their_names() {
    let mut two = publisher_and_player();
    two.push(served(54, 53838, &[], &[&output("cam1", &media())]));
    two.push(served(55, 53840, &[], &[&output("cam2", &[])]));
    let streams = streams(two);
    let ids: Vec<_> = streams.iter().map(|stream| stream["uniqueId"].clone()).collect();
    assert_eq!(
        streams[0]["outStreamsUniqueIds"],
        Value::from(vec![ids[1].clone(), ids[2].clone()])
    );
    for player in [1, 2] {
        assert_eq!(streams[player]["inStreamUniqueId"], ids[0]);
        // Those of the input.
        assert_eq!(streams[player]["bandwidth"], 257);
    }
    assert_eq!(streams[3]["inStreamUniqueId"], Value::Null);
}

#[test]
fn what_is_not_there_is_null_or_absent() {
    // Nothing but the connection.
    let idle = data("listConnections", vec![served(1, 40_000, &[], &[])]);
    let top = &idle[0]["stack"][1];
    assert_eq!((&top["rxInvokes"], &top["txInvokes"]), (&0.into(), &0.into()));
    for key in ["streams", "userAgent", "serverAgent"] {
        assert!(top.get(key).is_none(), "{key}");
    }
    // A publication without players, of which nothing is known but the name.
    let published = streams(vec![served(1, 40_000, &[], &[&input("cam1", &[])])]);
    assert_eq!(published[0]["outStreamsUniqueIds"], Value::Null);
    assert_eq!(
        (&published[0]["audio"]["codec"], &published[0]["video"]["codec"]),
        (&"AUNK".into(), &"VUNK".into())
    );
    for key in ["ingestPoint", "tcUrl", "swfUrl", "pageUrl", "streamAlias", "inStreamUniqueId"] {
        assert!(published[0].get(key).is_none(), "{key}");
    }
    // A player whose publisher left keeps its counters, and nothing of the format.
    let mut left = output("cam1", &media());
    left.push(("is_linked", Scalar::Bool(false)));
    let left = streams(vec![served(1, 40_000, &[], &[&left])]);
    assert_eq!(left[0]["inStreamUniqueId"], Value::Null);
    let video = &left[0]["video"];
    assert_eq!(
        (&video["codec"], &video["width"], &video["profile"]),
        (&"VUNK".into(), &0.into(), &0.into())
    );
    assert_eq!(video["packetsCount"], 16_399);
}

#[test]
fn a_track_of_which_nothing_came_is_passed_through_after_a_second() {
    for (time_us, audio) in [(1_000_000, "AUNK"), (1_001_000, "APT")] {
        let only_video = [("video_time_us", Scalar::Micros(time_us))];
        let published = streams(vec![served(1, 40_000, &[], &[&input("cam1", &only_video)])]);
        assert_eq!(published[0]["audio"]["codec"], audio, "{time_us}");
    }
}

#[test]
fn profile_and_level_are_those_of_h264_alone() {
    let mut other = media().to_vec();
    other.retain(|(key, _)| *key != "video_codec");
    other.push(("video_codec", text("flv1")));
    let published = streams(vec![served(1, 40_000, &[], &[&input("cam1", &other)])]);
    let video = &published[0]["video"];
    assert_eq!((&video["codec"], &video["width"]), (&"VS263".into(), &320.into()));
    assert_eq!((&video["profile"], &video["level"]), (&0.into(), &0.into()));
}

#[test]
fn ids_are_those_that_the_server_states() {
    let id = |client_id: &str| {
        let one = served(9, 40_000, &[("client_id", text(client_id))], &[]);
        let stack = &data("listConnections", vec![one])[0]["stack"];
        (stack[0]["id"].as_u64(), stack[1]["id"].as_u64())
    };
    assert_eq!(id("aB3d71Xy9z"), (Some(70), Some(71)));
    let own = (Some(72), Some(73));
    for other in ["", "12345678", "aB3dx1Xy9z", "\u{e9}\u{e9}", "aB3d99999999999999999999Xy9z"] {
        assert_eq!(id(other), own, "{other}");
    }
}

#[test]
fn a_pull_and_a_push_have_the_request_that_is_on_the_wire() {
    let target = ("tc_url", text("rtmp://192.0.2.7:1935/other"));
    let pulled = stream_values("theirs", "play", "in", &media());
    let pull = opened(5, 40_001, &[target.clone(), ("server", text("FMS/3"))], &[&pulled]);
    let listed = data("listConnections", vec![pull]);
    let settings = &listed[0]["pullSettings"];
    assert_eq!(settings["uri"]["fullUri"], "rtmp://192.0.2.7:1935/other/theirs");
    assert_eq!(
        (&settings["uri"]["host"], &settings["uri"]["port"]),
        (&"192.0.2.7".into(), &1935.into())
    );
    let top = &listed[0]["stack"][1];
    assert_eq!((&top["type"], &top["serverAgent"]), (&"OR".into(), &"FMS/3".into()));
    assert_eq!(
        (&top["streams"][0]["type"], &top["streams"][0]["connectionType"]),
        (&"INR".into(), &1.into())
    );
    // In a stream the URI is a text.
    assert_eq!(top["streams"][0]["pullSettings"]["uri"], "rtmp://192.0.2.7:1935/other/theirs");

    let pushed = stream_values("theirs", "publish", "out", &media());
    let mut connections = publisher_and_player();
    connections.push(opened(60, 40_002, &[target], &[&pushed]));
    let listed = data("listConnections", connections);
    let settings = &listed[2]["pushSettings"];
    // The only input can be meant.
    assert_eq!(
        (&settings["localStreamName"], &settings["targetStreamName"]),
        (&"cam1".into(), &"theirs".into())
    );
    assert_eq!(settings["targetUri"]["fullUri"], "rtmp://192.0.2.7:1935/other");
    assert_eq!(settings["localUniqueStreamId"], listed[0]["stack"][1]["streams"][0]["uniqueId"]);
    let stream = &listed[2]["stack"][1]["streams"][0];
    assert_eq!((&stream["name"], &stream["connectionType"]), (&"cam1".into(), &2.into()));
    assert!(stream.get("streamAlias").is_none());
}

#[test]
fn stacks_are_those_of_what_is_carried() {
    let tags = |connection: Connection| -> Vec<String> {
        let listed = data("listConnections", vec![connection]);
        let stack = listed[0]["stack"].as_array().cloned().unwrap_or_default();
        stack.iter().map(|element| element["type"].as_str().expect("a type").to_owned()).collect()
    };
    let at = |port: u16| {
        let mut accepted = stream(1, &format!("127.0.0.1:{port}"), "127.0.0.1:40000", (1, 1));
        accepted.direction = known(Direction::Inbound);
        accepted
    };
    // By the port, as long as no payload was read.
    for (port, expected) in [
        (1935, &["TCP", "IR"][..]),
        (554, &["TCP", "RTSP"]),
        (6666, &["TCP", "ILFL"]),
        (9999, &["TCP", "ITS"]),
        (4443, &["TCP", "ISSL", "IR"]),
        (8081, &["TCP", "IH4R", "IR"]),
    ] {
        assert_eq!(tags(owned_by(at(port), "EvoStreamMS")), expected, "{port}");
    }
    let encrypted = [("handshake_kind", text("encrypted"))];
    assert_eq!(tags(served(1, 40_000, &encrypted, &[])), ["TCP", "RE", "IR"]);
    assert_eq!(tags(carrying(at(1935), "tls")), ["TCP", "ISSL", "IR"]);
    let mut opened = at(50_000);
    opened.direction = known(Direction::Outbound);
    assert_eq!(tags(carrying(owned_by(opened, "EvoStreamMS"), "tls")), ["TCP", "OSSL", "OR"]);
    assert_eq!(tags(carrying(at(1935), "rtmpt")), ["TCP", "IH4R", "IR"]);
    assert_eq!(tags(carrying(at(1935), "rtsp")), ["TCP", "RTSP"]);
    // A media server lists none of these.
    for other in ["http", "ssh", "dns"] {
        assert_eq!(tags(carrying(at(1935), other)), [""; 0], "{other}");
    }
}

#[test]
fn streams_are_answered_by_each_call() {
    let ids: Vec<u64> = streams(publisher_and_player())
        .iter()
        .map(|stream| stream["uniqueId"].as_u64().expect("an id"))
        .collect();
    assert_eq!(data("listStreamsIds", publisher_and_player()), Value::from(ids.clone()));
    let layout_of = |line: &str| layout(&json(line, &cache(publisher_and_player())));
    assert_eq!(layout_of("listStreamsIds"), layout(STREAM_IDS));
    assert_eq!(layout_of("clientsConnected"), layout(&CLIENTS.replace("RMS", "conns 0.1")));
    let inbound = data("listInboundStreams", publisher_and_player());
    assert_eq!(
        (inbound[0]["type"].clone(), inbound.as_array().map(Vec::len)),
        ("INR".into(), Some(1))
    );
    assert_eq!(
        data("listInboundStreamNames", publisher_and_player()),
        serde_json::json!([{ "name": "cam1" }])
    );
    let count = |line: &str| data(line, publisher_and_player())["outboundCount"].clone();
    assert_eq!(count("clientsConnected localStreamName=cam1"), 1);
    assert_eq!(count("clientsConnected localStreamName=cam2"), 0);
    for one in [format!("id={}", ids[0]), "localStreamName=cam1".to_owned()] {
        let info = data(&format!("getStreamInfo {one}"), publisher_and_player());
        assert_eq!((&info["type"], info.get("edgePid")), (&"INR".into(), None), "{one}");
    }
    for (line, description) in [
        ("getStreamInfo", "Syntax error. No parameters provided"),
        ("getStreamInfo id=x", "Syntax error. Parameter id is invalid"),
        ("getStreamInfo id=34359738377", "Stream 8:9 not found"),
        ("getStreamInfo localStreamName=cam2", "Stream 0:0 not found"),
    ] {
        let answer = json(line, &cache(publisher_and_player()));
        assert!(
            answer.contains(&format!("\"description\":\"{description}\",\"status\":\"FAIL\"")),
            "{answer}"
        );
    }
    for line in ["listStreams", "listStreamsIds", "listInboundStreams", "listInboundStreamNames"] {
        assert_eq!(data(line, vec![]), Value::Null, "{line}");
    }
}

#[test]
fn a_stream_is_as_old_as_it_was_seen() {
    let since = crate::sample::NOW.wall_us - 19_158_686;
    let player = output("cam1", &[("since_us", Scalar::Time(since))]);
    let mut one = served(1, 40_000, &[], &[&player]);
    one.stats.age_us = Known::Value(20_000_000, Source::Derived);
    let listed = streams(vec![one]);
    assert_eq!(listed[0]["upTime"], 19158.686);
    assert_eq!(listed[0]["creationTimestamp"], since as f64 / 1000.0);
}

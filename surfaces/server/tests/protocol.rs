//! A made-up protocol of three fields, registered from outside: its fields come out of every surface
//! without a change to any of them.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use std::sync::Arc;

use conns_api::{Answer, FieldsShape, RecordWriter};
use conns_core::decode::{self, ProtocolSpec};
use conns_core::model::{
    Application, Certainty, Connection, ConnectionId, FieldSpec, Kind, Known, Layer, LayerOrigin,
    ListColumn, ListSpec, Moment, Observation, Record, Scalar, Snapshot, SocketSample, Source,
    Unknown,
};
use conns_core::query::{Field, Filter, SortKey, find_field, group, sort};
use conns_fixtures::{established, tracker, with_cookie};
use conns_print::{Layout, Names, Palette};
use serde_json::Value;

static RELAYS: ListSpec = ListSpec {
    item: "SemaphoreRelay",
    meaning: "A relay of a semaphore line.",
    columns: &[ListColumn { key: "tower", kind: Kind::Text, meaning: "Its tower.", always: true }],
    compare_instead: "semaphore.arms",
    shows_records: true,
};

static SEMAPHORE: ProtocolSpec = ProtocolSpec {
    name: "semaphore",
    meaning: "optical telegraph",
    fields: &[
        FieldSpec::new("semaphore.arms", Kind::Count, "Arms of the tower.", "made up"),
        FieldSpec::new("semaphore.delay", Kind::Duration, "Time for a sign.", "made up"),
        FieldSpec::new("semaphore.relays", Kind::List(&RELAYS), "Relays on the line.", "made up"),
    ],
    ports: &[],
    stream: None,
    datagram: None,
};

fn application(arms: u64) -> Application {
    let tower = Record { values: Box::new([known(Scalar::Text("Lille".into()))]) };
    let layer = Layer {
        protocol: SEMAPHORE.name.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Seen,
        since: Moment::default(),
        gap_bytes: 7,
        values: Box::new([
            known(Scalar::Count(arms)),
            Known::Unknown(Unknown::NothingMeasured),
            known(Scalar::List([tower].into())),
        ]),
    };
    Application { layers: Box::new([layer]) }
}

fn known<T>(value: T) -> Known<T> {
    Known::Value(value, Source::Wire)
}

fn snapshot() -> Snapshot {
    let sockets = [1, 2, 3].map(|cookie| {
        with_cookie(cookie, established(&format!("127.0.0.1:{}", 1000 + cookie), "127.0.0.1:80"))
    });
    let applications = [(&sockets[0], 3), (&sockets[1], 8)]
        .map(|(socket, arms)| (ConnectionId::of_socket(socket.id), Arc::new(application(arms))));
    let mut observation = Observation::new(Source::SockDiag, Moment::default())
        .with_sockets(sockets.clone().map(SocketSample::from).into());
    observation.applications = applications.into();
    tracker().apply(vec![observation])
}

fn cookies(connections: &[&Connection]) -> Vec<u64> {
    connections.iter().map(|connection| connection.socket.id.cookie).collect()
}

fn field(name: &str) -> &'static Field {
    find_field(name).expect(name)
}

#[test]
fn fields_of_a_registered_protocol_are_in_every_surface() {
    static PROTOCOLS: [&ProtocolSpec; 1] = [&SEMAPHORE];
    decode::register(&PROTOCOLS).expect("the registry was not read before");
    assert!(decode::register(&[]).is_err(), "the registry is fixed");
    let snapshot = snapshot();
    let mut all: Vec<&Connection> = snapshot.connections.iter().collect();
    let matching = |text: &str| {
        let filter = Filter::parse(text).expect(text);
        cookies(&all.iter().copied().filter(|c| filter.matches(c)).collect::<Vec<_>>())
    };
    assert_eq!(matching("semaphore.arms < 5"), [1]);
    assert_eq!(matching("app == semaphore"), [1, 2]);
    assert_eq!(matching("semaphore.delay is unknown"), [1, 2, 3]);
    assert_eq!(matching("app_gap_bytes == 7 and semaphore.relays is known"), [1, 2]);
    let error = Filter::parse("semaphore.relays == 1").expect_err("a list").to_string();
    assert!(error.contains("semaphore.arms"), "{error}");

    sort(&mut all, &SortKey::parse("-semaphore.arms").expect("a sort key"));
    assert_eq!(cookies(&all), [2, 1, 3]);
    assert_eq!(group(&all, field("semaphore.arms")).len(), 3);

    let columns = ["semaphore.arms", "semaphore.delay", "semaphore.relays"].map(field);
    let mut table = Vec::new();
    let layout = Layout { width: None, header: true, palette: Palette::new(false) };
    conns_print::list(&mut table, layout, &columns, &all, &Names::default()).expect("in memory");
    let table = String::from_utf8(table).expect("text");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next(),
        Some(vec!["SEMAPHORE.ARMS", "SEMAPHORE.DELAY", "SEMAPHORE.RELAYS"]),
        "{table}"
    );
    assert_eq!(lines.next(), Some(vec!["8", "?", "Lille"]), "{table}");

    let mut csv = Vec::new();
    conns_print::csv(&mut csv, true, None, &columns, &all[..1]).expect("in memory");
    let csv = String::from_utf8(csv).expect("text");
    assert_eq!(csv, "semaphore.arms,semaphore.delay_us,semaphore.relays\n8,,Lille\n");

    let mut json = Vec::new();
    Answer::Connections
        .write_lines(&mut json, RecordWriter::new(&columns), &all[..1])
        .expect("in memory");
    let record: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(record["semaphore.arms"], 8);
    assert_eq!(record["semaphore.delay_us"], Value::Null);
    assert_eq!(record["semaphore.relays"][0]["tower"], "Lille");

    let reference = serde_json::to_value(FieldsShape::of_catalogue()).unwrap();
    let names: Vec<&str> = reference["fields"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|f| f["name"].as_str())
        .collect();
    assert!(columns.iter().all(|column| names.contains(&column.name)));

    let document: Value =
        serde_json::from_str(&conns_server::openapi_document()).expect("the document");
    let schemas = &document["components"]["schemas"];
    let properties = &schemas["Connection"]["properties"];
    assert!(properties.get("semaphore.arms").is_some(), "{properties}");
    assert!(schemas["SemaphoreRelay"]["properties"].get("tower").is_some());
}

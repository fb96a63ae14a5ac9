//! Lists: their rows, keys and order.

use conns_core::model::Class;
use conns_core::model::{Known, Protocol, Source, State, Unknown};
use conns_core::query::{GroupColumn, catalogue, find_field, group};
use conns_fixtures::NETNS;
use serde_json::Value;

use super::scene::{Machine, Sketch, escaped, established, listener};

/// nginx with two connections and a listener, curl on IPv6, a resolver on UDP, and one that closes.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.open(established(1000, 10, "nginx"));
    machine.open(Sketch { class: Class::PathLoss, ..established(1001, 10, "nginx") });
    machine.open(listener("0.0.0.0:443", (0, 128, 0), 10, "nginx"));
    machine.open(Sketch {
        local: "[2001:db8::1]:5000".to_owned(),
        remote: Some("[2001:db8::2]:443".to_owned()),
        class: Class::Idle,
        ..established(0, 11, "curl")
    });
    machine.open(Sketch {
        protocol: Protocol::Udp,
        state: State::Close,
        remote: None,
        sent: None,
        owners: Known::Unknown(Unknown::NotPrivileged),
        ..established(53, 0, "")
    });
    machine.open(Sketch { state: State::TimeWait, ..established(1002, 0, "") });
    machine.update();
    machine
}

fn ports(list: &Value, key: &str) -> Vec<u64> {
    let rows = list[key].as_array().unwrap().iter();
    rows.map(|row| row["local_port"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn parameters_choose_as_the_flags_do() {
    let machine = machine();
    let client = machine.client();
    for (path, expected) in [
        ("connections", vec![1000, 1001, 5000]),
        ("connections?view=listening", vec![443, 53]),
        ("connections?view=all", vec![1000, 1001, 443, 5000, 53, 1002]),
        ("connections?view=all&proto=udp", vec![53]),
        ("connections?family=ipv6", vec![5000]),
        ("connections?family=ipv4&proto=tcp", vec![1000, 1001]),
        ("connections?netns=4026531840", vec![1000, 1001, 5000]),
        ("connections?netns=net:%5B4026531840%5D&netns=other", vec![1000, 1001, 5000]),
        ("connections?netns=other", vec![]),
        ("connections?filter=curl", vec![5000]),
        ("connections?filter=", vec![1000, 1001, 5000]),
        ("connections?filter=local_port%20%3E%201000", vec![1001, 5000]),
        ("connections?sort=-local_port", vec![5000, 1001, 1000]),
        ("connections?limit=1", vec![1000]),
        ("listeners", vec![443, 53]),
        ("listeners?proto=tcp", vec![443]),
    ] {
        let list = client.json(&format!("/api/v1/{path}")).await;
        assert_eq!(ports(&list, "connections"), expected, "{path}");
    }
}

#[tokio::test]
async fn a_record_has_the_keys_of_the_command_line_and_an_id() {
    let machine = machine();
    let list = machine.client().json("/api/v1/connections").await;
    let keys: Vec<&str> = list.as_object().unwrap().keys().map(|key| &**key).collect();
    assert_eq!(keys, ["connections", "losses", "next_cursor", "snapshot", "total"]);
    assert_eq!(list["total"], 3);
    assert_eq!(list["next_cursor"], Value::Null);
    assert_eq!(list["snapshot"]["sequence"], 2);
    assert_eq!(list["snapshot"]["at_us"], 1_800_000_002_000_000_i64);
    assert_eq!(list["snapshot"]["host"], serde_json::Value::Null, "the scene has no host");

    // The records of the command line are written by the same writer without the id.
    let chosen: Vec<_> =
        machine.there.iter().map(|(_, c)| c).filter(|c| c.is_established()).collect();
    let fields: Vec<_> = catalogue()
        .iter()
        .filter(|field| !["local", "remote", "why"].contains(&field.name) && field.is_default)
        .collect();
    let mut printed = Vec::new();
    let records = conns_api::RecordWriter::new(&fields);
    conns_api::Answer::Connections.write(&mut printed, records, &chosen, &[], None).unwrap();
    let printed: Value = serde_json::from_slice(&printed).unwrap();
    for (row, record) in list["connections"]
        .as_array()
        .unwrap()
        .iter()
        .zip(printed["connections"].as_array().unwrap())
    {
        let mut row = row.clone();
        let cookie = &record["cookie"];
        let id = row.as_object_mut().unwrap().remove("id").unwrap();
        assert_eq!(id, format!("{NETNS}-{cookie}"));
        assert_eq!(&row, record);
    }
}

#[tokio::test]
async fn fields_are_those_asked_for() {
    let machine = machine();
    let client = machine.client();
    let list = client.json("/api/v1/connections?fields=process,rtt&limit=1").await;
    let first = list["connections"][0].as_object().unwrap();
    let keys: Vec<&str> = first.keys().map(|key| &**key).collect();
    assert_eq!(keys, ["id", "process", "rtt_us"]);
    let list = client.json("/api/v1/connections?fields=%2Bwhy,-rtt&limit=1").await;
    let first = &list["connections"][0];
    assert!(
        first["why"].is_string() && first["rtt_us"].is_null() && first["loss_percent"].is_number()
    );
    // Nothing of a listener has an MPTCP token: the id is left, and the record is still JSON.
    let list = client.json("/api/v1/listeners?fields=mptcp_token").await;
    let first = list["connections"][0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["id"]);
}

#[tokio::test]
async fn groups_are_those_of_the_command_line() {
    let machine = machine();
    let client = machine.client();
    let groups = client.json("/api/v1/connections?view=all&group_by=process").await;
    let all: Vec<_> = machine.there.iter().map(|(_, connection)| connection).collect();
    let field = find_field("process").unwrap();
    let mut printed = Vec::new();
    conns_print::groups_json(&mut printed, None, field, &GroupColumn::ALL, &group(&all, field))
        .unwrap();
    let printed: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(groups["groups"], printed["groups"]);
    assert_eq!(groups["groups"][0]["process"], "nginx");
    assert_eq!(groups["groups"][0]["connections"], 3);
    let first = client.json("/api/v1/connections?view=all&group_by=process&limit=1").await;
    assert_eq!(first["groups"].as_array().unwrap().len(), 1);
    assert_eq!(first["total"], groups["groups"].as_array().unwrap().len());
}

#[tokio::test]
async fn verdicts_are_worst_first_and_of_those_of_interest() {
    let machine = machine();
    let client = machine.client();
    let list = client.json("/api/v1/verdicts").await;
    // Not the healthy listener, the unconnected resolver, nor the one in TIME-WAIT.
    assert_eq!(ports(&list, "verdicts"), [1001, 1000, 5000]);
    let worst = &list["verdicts"][0];
    assert_eq!(worst["verdict"], "path-loss");
    assert_eq!(worst["confidence_percent"], 80);
    assert!(worst["why"].as_str().unwrap().contains("loses segments"));
    assert!(worst["advice"].is_string() && worst["evidence"]["samples"].is_u64());
    let id = worst["id"].as_str().unwrap();
    let one = client.json(&format!("/api/v1/connections/{id}/verdict")).await;
    assert_eq!(&one["verdict"], worst);
    assert_eq!(ports(&client.json("/api/v1/verdicts?view=listening").await, "verdicts"), [443, 53]);
    assert_eq!(
        ports(&client.json("/api/v1/verdicts?sort=local_port").await, "verdicts"),
        [1000, 1001, 5000]
    );
}

#[tokio::test]
async fn processes_are_counted_and_sockets_without_owner_apart() {
    let mut machine = machine();
    let shared = Sketch {
        owners: Known::Value(
            vec![(10, "nginx".to_owned()), (12, "child".to_owned())],
            Source::Procfs,
        ),
        ..established(1003, 0, "")
    };
    machine.open(shared);
    machine.update();
    let list = machine.client().json("/api/v1/processes").await;
    let rows = list["processes"].as_array().unwrap();
    let pids: Vec<u64> = rows.iter().map(|row| row["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids, [0, 10, 11, 12]);
    let nginx = &rows[1];
    assert_eq!(nginx["process"], "nginx");
    assert_eq!(nginx["unit"], "nginx.service");
    assert_eq!(nginx["exe"], Value::Null);
    assert!(!nginx.as_object().unwrap().contains_key("container"));
    assert_eq!((&nginx["connections"], &nginx["listeners"]), (&3.into(), &1.into()));
    assert_eq!((&nginx["sockets"], &nginx["bytes_out"]), (&4.into(), &3000.into()));
    assert_eq!(nginx["rate_out_bytes_per_s"], 31.5);
    assert_eq!(nginx["verdicts"]["path-loss"], 1);
    assert_eq!(list["without_process"]["sockets"], 1);
    assert_eq!(list["without_process"]["bytes_out"], Value::Null);
    let only =
        machine.client().json(&format!("/api/v1/processes?filter={}", escaped("curl"))).await;
    assert_eq!(only["total"], 1);
}

#[tokio::test]
async fn the_usual_list_is_written_once_per_update() {
    let mut machine = machine();
    let client = machine.client();
    let first = client.get("/api/v1/connections").await.body;
    assert_eq!(client.get("/api/v1/connections").await.body, first);
    machine.open(established(2000, 10, "nginx"));
    // Nothing is published yet.
    assert_eq!(client.get("/api/v1/connections").await.body, first);
    machine.update();
    let list = client.json("/api/v1/connections").await;
    assert_eq!(ports(&list, "connections"), [1000, 1001, 5000, 2000]);
}

#[tokio::test]
async fn explain_has_the_source_of_each_value_and_the_reason_of_each_unknown_one() {
    let machine = machine();
    let client = machine.client();
    let plain = client.json("/api/v1/connections?limit=1").await;
    assert_eq!(plain["connections"][0].get("explain"), None);
    let explained = client.json("/api/v1/connections?limit=1&explain=1").await;
    let record = &explained["connections"][0];
    let (sources, unknown) = (&record["explain"]["sources"], &record["explain"]["unknown"]);
    assert_eq!(sources["state"], "sock_diag");
    let fields = record.as_object().unwrap();
    let nulls: Vec<&String> =
        fields.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key).collect();
    assert!(!nulls.is_empty());
    for key in nulls {
        assert!(unknown[key].as_str().is_some_and(|why| !why.is_empty()), "{key}: {unknown}");
        assert_eq!(sources.get(key), None);
    }
}

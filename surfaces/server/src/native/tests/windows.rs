//! Windows on a list that changes: rows hold still.

use serde_json::Value;

use super::scene::{Client, Machine, established};

/// The `state` and local port of each row.
fn rows(answer: &Value) -> Vec<(String, Option<u64>)> {
    let row = |row: &Value| {
        let state = row["state"].as_str().unwrap().to_owned();
        (state, row["connection"]["local_port"].as_u64())
    };
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

/// A window on the order of `first`.
async fn later(client: &Client, first: &Value, more: &str) -> Value {
    let order = first["order"].as_str().unwrap();
    client.json(&format!("/api/v1/connections?order={order}&fields=local_port{more}")).await
}

fn open(state: &str, port: u64) -> (String, Option<u64>) {
    (state.to_owned(), Some(port))
}

#[tokio::test]
async fn rows_keep_their_places_while_connections_open_and_close() {
    let mut machine = Machine::new();
    let cookies: Vec<u64> =
        (0..5).map(|i| machine.open(established(1000 + i, 10, "nginx"))).collect();
    machine.update();
    let client = machine.client();
    let first = client.json("/api/v1/connections?order=new&fields=local_port").await;
    assert_eq!((&first["total"], &first["offset"]), (&5.into(), &0.into()));
    machine.close(cookies[1]);
    machine.open(established(2000, 10, "nginx"));
    machine.update();
    let second = later(&client, &first, "").await;
    let expected =
        [open("open", 1000), open("closed", 1001), open("open", 1002), open("open", 1003)];
    assert_eq!(rows(&second)[..4], expected);
    assert_eq!(rows(&second)[4..], [open("open", 1004), open("open", 2000)]);
    assert_eq!(second["total"], 6);
    // Only the rows of the window are there, at their places.
    let part = later(&client, &first, "&offset=1&limit=2").await;
    assert_eq!(rows(&part), expected[1..3]);
    assert_eq!((&part["total"], &part["offset"]), (&6.into(), &1.into()));
    let beyond = later(&client, &first, "&offset=70").await;
    assert_eq!(rows(&beyond), []);
    // Its record is kept for a bounded time only; its place stays.
    machine.closed_kept = 0;
    machine.close(cookies[4]);
    machine.update();
    let third = later(&client, &first, "").await;
    let evicted = ("evicted".to_owned(), None);
    assert_eq!(rows(&third)[1], evicted);
    assert_eq!(rows(&third)[4], evicted);
    assert_eq!(rows(&third)[5], open("open", 2000));
}

#[tokio::test]
async fn a_sorted_order_stays_while_values_change() {
    let mut machine = Machine::new();
    let cookies: Vec<u64> =
        (0..3).map(|i| machine.open(established(1000 + i, 10, "nginx"))).collect();
    machine.change(cookies[2], |sketch| sketch.sent = Some(9000));
    machine.update();
    let client = machine.client();
    let path = "/api/v1/connections?sort=-bytes_out,local_port&fields=local_port,bytes_out&order=";
    let first = client.json(&format!("{path}new")).await;
    assert_eq!(rows(&first), [open("open", 1002), open("open", 1000), open("open", 1001)]);
    machine.change(cookies[1], |sketch| sketch.sent = Some(50_000));
    machine.update();
    let again = client.json(&format!("{path}{}", first["order"].as_str().unwrap())).await;
    assert_eq!(rows(&again), rows(&first));
    assert_eq!(again["rows"][2]["connection"]["bytes_out"], 50_000);
    let anew = client.json(&format!("{path}new")).await;
    assert_eq!(rows(&anew), [open("open", 1001), open("open", 1002), open("open", 1000)]);
}

#[tokio::test]
async fn what_begins_to_match_is_added_and_what_stops_stays() {
    let mut machine = Machine::new();
    let cookies: Vec<u64> =
        (0..3).map(|i| machine.open(established(1000 + i, 10, "nginx"))).collect();
    machine.update();
    let client = machine.client();
    let path = "/api/v1/connections?filter=bytes_out%20%3C%202000&fields=local_port&order=";
    machine.change(cookies[0], |sketch| sketch.sent = Some(9000));
    machine.update();
    let first = client.json(&format!("{path}new")).await;
    assert_eq!(rows(&first), [open("open", 1001), open("open", 1002)]);
    machine.change(cookies[0], |sketch| sketch.sent = Some(100));
    machine.change(cookies[1], |sketch| sketch.sent = Some(9000));
    machine.update();
    let again = client.json(&format!("{path}{}", first["order"].as_str().unwrap())).await;
    assert_eq!(rows(&again), [open("other", 1001), open("open", 1002), open("open", 1000)]);
}

#[tokio::test]
async fn an_order_is_of_one_question_and_one_instance() {
    let mut machine = Machine::new();
    machine.open(established(1000, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let first = client.json("/api/v1/connections?order=new").await;
    let order = first["order"].as_str().unwrap().to_owned();
    let refused = [
        (
            format!("/api/v1/connections?order={order}&filter=nginx"),
            400,
            "cursor-of-another-question",
        ),
        (format!("/api/v1/listeners?order={order}"), 400, "cursor-of-another-question"),
        (format!("/api/v1/connections?cursor={order}"), 400, "bad-cursor"),
        ("/api/v1/connections?order=old".to_owned(), 400, "bad-cursor"),
        ("/api/v1/connections?offset=5".to_owned(), 400, "conflicting-parameters"),
        ("/api/v1/connections?order=new&offset=-1".to_owned(), 400, "bad-parameter"),
        (
            "/api/v1/connections?order=new&group_by=process".to_owned(),
            400,
            "conflicting-parameters",
        ),
        ("/api/v1/connections?order=new&explain=1".to_owned(), 400, "conflicting-parameters"),
    ];
    for (path, status, code) in refused {
        let answer = client.get(&path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{path}"
        );
    }
    machine.instance += 1;
    machine.update();
    let answer = client.get(&format!("/api/v1/connections?order={order}")).await;
    assert_eq!(answer.json()["error"]["code"], "cursor-expired");
}

#[tokio::test]
async fn orders_that_are_used_are_kept_and_others_dropped() {
    let mut machine = Machine::new();
    machine.open(established(1000, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let first = client.json("/api/v1/connections?order=new").await;
    let unused = client.json("/api/v1/connections?order=new").await;
    for _ in 0..40 {
        client.json("/api/v1/connections?order=new").await;
        later(&client, &first, "").await;
    }
    let order = unused["order"].as_str().unwrap();
    let answer = client.get(&format!("/api/v1/connections?order={order}")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["code"].as_str()),
        (410, Some("cursor-expired"))
    );
}

#[tokio::test]
async fn totals_are_those_of_what_matches() {
    let mut machine = Machine::new();
    for i in 0..3 {
        machine.open(established(1000 + i, 10, if i == 0 { "curl" } else { "nginx" }));
    }
    let mut slow = established(1003, 10, "nginx");
    slow.class = conns_core::model::Class::PathLoss;
    slow.rates = None;
    machine.open(slow);
    machine.update();
    let client = machine.client();
    let all = client.json("/api/v1/totals").await;
    assert_eq!((&all["connections"], &all["rate_out_bytes_per_s"]), (&4.into(), &31.5.into()));
    assert_eq!(all["rates_unknown"], 1);
    assert_eq!(all["problems"], serde_json::json!([{ "verdict": "path-loss", "connections": 1 }]));
    let some = client.json("/api/v1/totals?filter=curl").await;
    assert_eq!((&some["connections"], &some["problems"]), (&1.into(), &serde_json::json!([])));
}

#[tokio::test]
async fn a_connection_is_found_in_a_new_order() {
    let mut machine = Machine::new();
    let cookies: Vec<u64> =
        (0..3).map(|i| machine.open(established(1000 + i, 10, "nginx"))).collect();
    machine.update();
    let client = machine.client();
    let path =
        format!("/api/v1/connections?order=new&sort=-local_port&find={}", Machine::id(cookies[0]));
    let answer = client.json(&format!("{path}&limit=1")).await;
    assert_eq!((&answer["found"], answer["rows"].as_array().unwrap().len()), (&2.into(), 1));
    let path = format!(
        "/api/v1/connections?order=new&filter=local_port%20!=%201000&find={}",
        Machine::id(cookies[0])
    );
    assert_eq!(client.json(&path).await["found"], Value::Null);
}

#[tokio::test]
async fn the_connections_of_a_group_are_as_many_as_it_has() {
    let mut machine = Machine::new();
    for (i, name) in ["curl", "nginx", "nginx"].into_iter().enumerate() {
        machine.open(established(1000 + i as u64 as u16, 10 + i as u32, name));
    }
    let mut blind = established(1009, 11, "x");
    blind.owners = conns_core::model::Known::Unknown(conns_core::model::Unknown::NotPrivileged);
    machine.open(blind);
    machine.update();
    let client = machine.client();
    let groups = client.json("/api/v1/connections?group_by=process").await;
    for group in groups["groups"].as_array().unwrap() {
        let key = match &group["process"] {
            Value::String(text) => format!("={text}"),
            _ => "?".to_owned(),
        };
        let path = format!(
            "/api/v1/connections?group_by=process&group={}&order=new",
            super::scene::escaped(&key)
        );
        assert_eq!(client.json(&path).await["total"], group["connections"], "{key}");
    }
    let answer = client.get("/api/v1/connections?group=x").await;
    assert_eq!(answer.json()["error"]["code"], "bad-parameter");
}

//! Queries in SQL over HTTP.

use serde_json::json;

use super::scene::{Machine, established, listener};

const PATH: &str = "/api/v1/sql";

fn machine() -> Machine {
    let mut machine = Machine::new();
    for port in 1..=3 {
        machine.open(established(1000 + port, 10, "nginx"));
    }
    machine.open(listener("0.0.0.0:80", (0, 128, 0), 10, "nginx"));
    machine.update();
    machine
}

#[tokio::test]
async fn a_query_is_answered_from_the_latest_snapshot() {
    let client = machine().client();
    let query = "select process, count(*) as n, max(rtt_us) from connections group by 1";
    let answer = client.post(PATH, query).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["rows"], json!([{ "process": "nginx", "n": 3, "max(rtt_us)": 50000 }]));
    assert_eq!(body["has_more"], false);
    let list = client.json("/api/v1/connections?limit=1").await;
    assert_eq!(body["snapshot"]["at_us"], list["snapshot"]["at_us"]);
    let answer = client.post(PATH, "select local_port from listeners").await;
    assert_eq!(answer.json()["rows"], json!([{ "local_port": 80 }]));
}

#[tokio::test]
async fn a_limit_is_reported_and_names_that_are_there_twice_are_numbered() {
    let client = machine().client();
    let answer = client.post("/api/v1/sql?limit=2", "select 1 as a, 2 as a from connections").await;
    let body = answer.json();
    assert_eq!(body["rows"], json!([{ "a": 1, "a_2": 2 }, { "a": 1, "a_2": 2 }]));
    assert_eq!(body["has_more"], true);
}

#[tokio::test]
async fn what_is_no_query_is_refused_with_a_reason() {
    let client = machine().client();
    for query in [
        "delete from connections",
        "attach 'x' as y",
        "pragma query_only = 0",
        "select 1; select 2",
        "",
        "select nope from connections",
    ] {
        let answer = client.post(PATH, query).await;
        let code = answer.json()["error"]["code"].clone();
        assert_eq!((answer.status.as_u16(), code), (400, json!("bad-sql")), "{query}");
    }
    let answer = client.post(PATH, vec![b's', 0xff]).await;
    assert_eq!(answer.json()["error"]["message"], "the query is no text in UTF-8");
    let endless =
        "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c";
    let answer = client.post(PATH, endless).await;
    let message = "the query took longer than 2 s; select fewer rows or groups";
    assert_eq!(answer.json()["error"]["message"], message);
    assert_eq!(answer.json()["error"]["code"], "query-too-costly");
}

#[tokio::test]
async fn each_path_names_its_method() {
    let client = machine().client();
    let answer = client.get(PATH).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    let answer = client.post("/api/v1/connections", "select 1").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn sql_can_be_off() {
    let mut machine = machine();
    machine.sql = false;
    let answer = machine.client().post(PATH, "select 1").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["code"].as_str()),
        (403, Some("sql-off"))
    );
}

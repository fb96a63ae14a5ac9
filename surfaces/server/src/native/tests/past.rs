//! The past over HTTP: what was open at a moment, in the shapes of the present.

use conns_core::model::{EventKind, Moment};
use conns_fixtures::transfer;
use conns_history::{History, HistoryReader, ReadAccess};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scene::{Machine, Sketch, established, listener};

const MIB: u64 = 1 << 20;
/// When the first sample was, seconds.
const FIRST_S: i64 = 1_800_000_001;

/// A machine whose agent keeps what it sees.
struct Kept {
    machine: Machine,
    history: History,
    folder: TempDir,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/history.db");
        let mut machine = Machine::new();
        let first = machine.latest().snapshot.at;
        let history = History::open(&path, 64 * MIB, first).unwrap().history;
        machine.history = Some(HistoryReader::open(&path, ReadAccess::OfUser, 2).unwrap());
        let mut kept = Self { machine, history, folder };
        kept.write();
        kept
    }

    fn write(&mut self) -> Moment {
        let update = self.machine.latest();
        self.history.record(&update, &self.machine.latest_events());
        self.history.commit(update.snapshot.at).unwrap();
        update.snapshot.at
    }

    /// A bit of each block of a table is changed, in the middle.
    fn damage(&self, table: u8) {
        let path = self.folder.path().join("state/history.db");
        let database = rusqlite::Connection::open(path).unwrap();
        let sql = "select id, data from blocks where kept = ?";
        let mut blocks = database.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let blocks = blocks.query_map([table], row).unwrap();
        for (id, mut data) in blocks.collect::<Result<Vec<(i64, Vec<u8>)>, _>>().unwrap() {
            let middle = data.len() / 2;
            data[middle] ^= 1;
            let changed = rusqlite::params![data, id];
            database.execute("update blocks set data = ? where id = ?", changed).unwrap();
        }
    }

    /// As many seconds pass, each with a sample.
    fn pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.machine.update();
            self.write();
        }
    }
}

/// Two connections and a listener are open, from second 100 on one of them is not, and a third is.
fn kept() -> (Kept, u64) {
    let mut kept = Kept::new();
    let first = kept.machine.open(established(1001, 10, "nginx"));
    kept.machine.open(established(1002, 11, "curl"));
    kept.machine.open(listener("0.0.0.0:80", (0, 128, 0), 10, "nginx"));
    kept.pass(100);
    kept.machine.end(first, 77);
    kept.machine.happen(EventKind::Failed, &established(1009, 12, "wget"));
    kept.machine.open(established(1003, 12, "sshd"));
    kept.pass(100);
    (kept, first)
}

fn names(list: &Value) -> Vec<&str> {
    let all = list["connections"].as_array().unwrap();
    let mut names: Vec<&str> = all.iter().map(|one| one["process"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn lists_of_a_moment_have_what_was_open_then() {
    let (kept, first) = kept();
    let client = kept.machine.client();
    let at = FIRST_S + 90;
    let then = client.json(&format!("/api/v1/connections?at={at}")).await;
    assert_eq!(names(&then), ["curl", "nginx"]);
    assert_eq!(then["snapshot"]["at_us"], at * 1_000_000);
    let now = client.json("/api/v1/connections").await;
    assert_eq!(names(&now), ["curl", "sshd"]);
    assert_eq!(then["snapshot"]["instance"], now["snapshot"]["instance"]);
    // The same in RFC 3339, with a filter, an order, and in groups.
    let at_text = conns_history::date(at * 1_000_000);
    let filtered = format!("/api/v1/connections?at={at_text}&filter=process%20%3D%3D%20nginx");
    assert_eq!(names(&client.json(&filtered).await), ["nginx"]);
    let groups = client.json(&format!("/api/v1/connections?at={at}&group_by=process")).await;
    assert_eq!(groups["total"], 2);
    let listeners = client.json(&format!("/api/v1/listeners?at={at}")).await;
    assert_eq!(listeners["total"], 1);
    let totals = client.json(&format!("/api/v1/totals?at={at}")).await;
    assert_eq!(totals["connections"], 2);
    let processes = client.json(&format!("/api/v1/processes?at={at}")).await;
    assert_eq!(processes["total"], 2);
    // One that ended since, with the reasons of what is not kept.
    let id = Machine::id(first);
    assert_eq!(client.get(&format!("/api/v1/connections/{id}")).await.status, 410);
    let one = client.json(&format!("/api/v1/connections/{id}?at={at}&explain=1")).await;
    assert_eq!(one["connection"]["process"], "nginx");
    assert_eq!(one["connection"]["cmdline"], Value::Null);
    let explained = one["connection"]["explain"].to_string();
    assert!(explained.contains("history"), "{explained}");
    let verdict = client.json(&format!("/api/v1/connections/{id}/verdict?at={at}")).await;
    assert_eq!(verdict["verdict"]["verdict"], one["connection"]["verdict"]);
    let other = client.get(&format!("/api/v1/connections/{id}?at={}", at + 100)).await;
    assert_eq!(other.status, 404, "{}", other.text());
}

#[tokio::test]
async fn streams_and_transfers_of_a_moment_are_those_of_then() {
    let mut kept = Kept::new();
    let street = Sketch { stream: Some("street"), ..established(1935, 10, "nginx") };
    let publisher = kept.machine.open(street);
    kept.machine.transfers = vec![transfer()];
    kept.pass(100);
    kept.machine.end(publisher, 77);
    kept.machine.transfers.clear();
    kept.pass(100);
    let client = kept.machine.client();
    let at = FIRST_S + 90;
    let then = client.json(&format!("/api/v1/streams?at={at}")).await;
    let streams = then["streams"].as_array().unwrap();
    assert_eq!((streams.len(), &streams[0]["name"]), (1, &json!("street")));
    assert_eq!(streams[0]["server"], json!({ "process": "nginx", "pid": 10 }));
    assert_eq!(streams[0]["publishers"][0]["local"], "10.0.0.5:1935");
    let other = client.json(&format!("/api/v1/streams?at={at}&filter=curl")).await;
    assert_eq!(other["streams"], json!([]));
    let then = client.json(&format!("/api/v1/transfers?at={at}")).await;
    assert_eq!(then["transfers"], json!([transfer()]));
    assert_eq!(then["snapshot"]["at_us"], at * 1_000_000);
    for path in ["streams", "transfers"] {
        for at in [String::new(), format!("?at={}", FIRST_S + 190)] {
            let answer = client.json(&format!("/api/v1/{path}{at}")).await;
            assert_eq!(answer[path], json!([]), "{path}{at}");
        }
        let refused = client.get(&format!("/api/v1/{path}?at={}", FIRST_S - 1000)).await;
        assert_eq!(refused.json()["error"]["code"], "not-kept");
    }
}

#[tokio::test]
async fn pages_and_windows_of_a_moment_are_of_one_reading() {
    let (kept, _) = kept();
    let client = kept.machine.client();
    let path = format!("/api/v1/connections?at={}&view=all&limit=2", FIRST_S + 90);
    let first = client.json(&path).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = client.json(&format!("{path}&cursor={cursor}")).await;
    assert_eq!((first["total"].clone(), second["next_cursor"].clone()), (json!(3), Value::Null));
    assert_eq!(first["snapshot"], second["snapshot"]);
    let window = client.json(&format!("{path}&sort=process&order=new")).await;
    let order = window["order"].as_str().unwrap();
    // Other moments are read meanwhile, until this one is not kept any more.
    for at in 0..12 {
        client.json(&format!("/api/v1/totals?at={}", FIRST_S + 20 + at)).await;
    }
    let expired = client.get(&format!("{path}&sort=process&order={order}")).await;
    assert_eq!(
        (expired.status.as_u16(), expired.json()["error"]["code"].clone()),
        (410, json!("cursor-expired"))
    );
}

#[tokio::test]
async fn events_of_the_past_are_the_last_ones_before_the_moment() {
    let (kept, first) = kept();
    let client = kept.machine.client();
    let before = client.json(&format!("/api/v1/events?at={}", FIRST_S + 90)).await;
    assert_eq!(before["events"], json!([]));
    let after = client.json(&format!("/api/v1/events?at={}", FIRST_S + 150)).await;
    let events = after["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|one| one["event"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&"closed") && kinds.contains(&"failed"), "{kinds:?}");
    assert!(events.iter().any(|one| one["id"] == Machine::id(first)));
    let only = client.json(&format!("/api/v1/events?at={}&event=failed", FIRST_S + 150)).await;
    assert_eq!(only["events"].as_array().unwrap().len(), 1);
    let with = client.get(&format!("/api/v1/events?at={}&since=x", FIRST_S + 150)).await;
    assert_eq!(with.json()["error"]["code"], "conflicting-parameters");
}

#[tokio::test]
async fn a_moment_that_is_not_kept_is_refused_with_the_times_that_are() {
    let (kept, _) = kept();
    let client = kept.machine.client();
    let early = client.get(&format!("/api/v1/connections?at={}", FIRST_S - 1000)).await;
    assert_eq!(
        (early.status.as_u16(), early.json()["error"]["code"].clone()),
        (404, json!("not-kept"))
    );
    assert_eq!(early.json()["periods"][0]["from_us"], FIRST_S * 1_000_000);
    let hint = early.json()["error"]["hint"].to_string();
    assert!(hint.contains(&conns_history::date(FIRST_S * 1_000_000)), "{hint}");
    for (at, word) in [
        ((FIRST_S + 10_000).to_string(), "not yet"),
        ("yesterday".to_owned(), "2026-11-28T14:03:00Z"),
        ("14:03".to_owned(), "seconds since 1970"),
    ] {
        let refused = client.get(&format!("/api/v1/connections?at={at}")).await;
        assert_eq!(refused.json()["error"]["code"], "bad-parameter", "{at}");
        assert!(refused.json()["error"]["hint"].to_string().contains(word), "{at}");
    }
    let mut without = Machine::new();
    without.update();
    let none = without.client().get(&format!("/api/v1/connections?at={FIRST_S}")).await;
    assert_eq!(
        (none.status.as_u16(), none.json()["error"]["code"].clone()),
        (404, json!("no-history"))
    );
    let none = without.client().get("/api/v1/timeline").await;
    assert_eq!(
        (none.status.as_u16(), none.json()["error"]["code"].clone()),
        (404, json!("no-history"))
    );
}

#[tokio::test]
async fn the_time_line_has_the_parts_of_a_time() {
    let (kept, _) = kept();
    let client = kept.machine.client();
    let line = client.json("/api/v1/timeline?buckets=60").await;
    assert_eq!(line["step_us"], 60_000_000);
    let buckets = line["buckets"].as_array().unwrap();
    assert!(buckets.len() == 60 || buckets.len() == 61, "{}", buckets.len());
    assert_eq!(buckets[0]["ended"], Value::Null);
    let sum = |key: &str| buckets.iter().filter_map(|one| one[key].as_u64()).sum::<u64>();
    assert_eq!((sum("ended"), sum("failed")), (1, 1));
    assert_eq!(buckets.last().unwrap()["open"], 2);
    let bad = client.get("/api/v1/timeline?from=1800000005&to=1800000005").await;
    assert_eq!(bad.json()["error"]["code"], "bad-parameter");
    let bad = client.get("/api/v1/timeline?buckets=501").await;
    assert_eq!(bad.json()["error"]["code"], "bad-parameter");
}

#[tokio::test]
async fn what_is_damaged_is_among_the_losses_of_answers_about_the_past() {
    let (kept, _) = kept();
    // Blocks of `samples`.
    kept.damage(4);
    let client = kept.machine.client();
    let is_loss = |loss: &Value, table: &str| {
        let message = loss["message"].as_str().unwrap();
        loss["kind"] == "file-unreadable"
            && loss["source"] == "history"
            && message.contains(&format!("rows of `{table}` from 20"))
    };
    let losses = |answer: &Value| answer["losses"].as_array().unwrap().clone();
    let at = FIRST_S + 90;
    let list = client.json(&format!("/api/v1/connections?at={at}")).await;
    assert_eq!(names(&list), Vec::<&str>::new());
    assert!(matches!(&losses(&list)[..], [loss] if is_loss(loss, "samples")), "{list}");
    let sql = async |query: &'static str| {
        let answer = client.post("/api/v1/sql", query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let answer = sql("select count(*) as n from samples").await;
    assert_eq!(answer["rows"], json!([{ "n": 0 }]));
    assert!(matches!(&losses(&answer)[..], [loss] if is_loss(loss, "samples")), "{answer}");
    let answer = sql("select count(*) as n from closed").await;
    assert_eq!((&answer["rows"], &answer["losses"]), (&json!([{ "n": 1 }]), &json!([])));
    let events = format!("/api/v1/events?at={}", FIRST_S + 150);
    assert_eq!(client.json(&events).await["losses"], json!([]));
    kept.damage(1);
    let events = client.json(&events).await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    assert!(matches!(&losses(&events)[..], [loss] if is_loss(loss, "closed")), "{events}");
    let line = client.json("/api/v1/timeline?buckets=60").await;
    let buckets = line["buckets"].as_array().unwrap();
    assert!(buckets.iter().all(|bucket| bucket["open"].is_null()), "{line}");
    let ended: Vec<_> = buckets.iter().filter(|one| one["sampled_us"] != 0).collect();
    assert!(ended.iter().any(|one| one["ended"].is_null() && !one["failed"].is_null()), "{line}");
}

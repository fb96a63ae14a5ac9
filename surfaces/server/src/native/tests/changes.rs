//! Changes: what is sent, resumed and coalesced, and what a slow reader costs.

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::scene::{Client, Machine, established};

/// No event takes that long unless it never comes.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

/// A client that reads events, and keeps what they list.
struct Reader {
    body: Body,
    text: String,
    there: BTreeMap<String, Value>,
    id: Option<String>,
    comments: usize,
    events: Vec<Value>,
}

impl Reader {
    async fn open(client: &Client, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(format!("/api/v1/changes{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = client.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (text, there) = (String::new(), BTreeMap::new());
        Self { body: response.into_body(), text, there, id: None, comments: 0, events: Vec::new() }
    }

    /// The next event, as a browser would read it; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let (mut name, mut id, mut data) = (None, None, None);
                for line in block.lines() {
                    match line.split_once(':').unwrap() {
                        ("", _) => self.comments += 1,
                        ("event", value) => name = Some(value.trim().to_owned()),
                        ("id", value) => id = Some(value.trim().to_owned()),
                        ("data", value) => data = Some(serde_json::from_str(value).unwrap()),
                        ("retry", value) => assert_eq!(value.trim(), "2000"),
                        (other, _) => panic!("unknown line {other}"),
                    }
                }
                match (name, data) {
                    (Some(name), Some(data)) => return Some(Event { name, id, data }),
                    _ => continue,
                }
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event in time")?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    fn apply(&mut self, event: &Event) {
        let list = |key: &str| event.data[key].as_array().unwrap().clone();
        let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        match &*event.name {
            "snapshot" => self.there.clear(),
            "opened" | "updated" => {
                for row in list("connections") {
                    self.there.insert(id(&row), row);
                }
            }
            "closed" => {
                for row in list("connections") {
                    self.there.remove(&id(&row));
                }
            }
            "removed" => {
                for id in list("ids") {
                    self.there.remove(id.as_str().unwrap());
                }
            }
            "update" => self.id.clone_from(&event.id),
            "reset" | "missed" => {}
            "events" => self.events.extend(list("events")),
            other => panic!("unknown event {other}"),
        }
        assert_eq!(event.id.is_some(), matches!(&*event.name, "update" | "events"), "{event:?}");
    }

    /// Reads up to the update of this snapshot; names of the events and their rows.
    async fn up_to(&mut self, sequence: u64) -> Vec<(String, usize)> {
        let mut names = Vec::new();
        loop {
            let event = self.next().await.expect("the stream goes on");
            self.apply(&event);
            let rows =
                ["connections", "ids", "events"].iter().find_map(|key| event.data[key].as_array());
            names.push((event.name.clone(), rows.map_or(0, Vec::len)));
            if event.name == "update" && event.data["sequence"].as_u64() >= Some(sequence) {
                return names;
            }
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        self.there.keys().cloned().collect()
    }
}

fn rows(events: &[(&str, usize)]) -> Vec<(String, usize)> {
    events.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

fn all_ids(machine: &Machine) -> BTreeSet<String> {
    machine.there.iter().map(|(_, c)| Machine::id(c.socket.id.cookie)).collect()
}

#[tokio::test]
async fn the_whole_state_comes_first_then_each_update() {
    let mut machine = Machine::new();
    let first = machine.open(established(1, 10, "nginx"));
    let second = machine.open(established(2, 10, "nginx"));
    machine.update();
    let mut reader = Reader::open(&machine.client(), "", None).await;
    assert_eq!(reader.up_to(2).await, rows(&[("snapshot", 0), ("opened", 2), ("update", 0)]));
    assert_eq!(reader.id.as_deref(), Some("feed000000000001-2-0"));
    machine.change(first, |sketch| sketch.sent = Some(4096));
    machine.close(second);
    machine.open(established(3, 11, "curl"));
    machine.update();
    let events = reader.up_to(3).await;
    assert_eq!(events, rows(&[("closed", 1), ("opened", 1), ("updated", 1), ("update", 0)]));
    assert_eq!(reader.there[&Machine::id(first)]["bytes_out"], 4096);
    assert_eq!(reader.ids(), all_ids(&machine));
    machine.update();
    assert_eq!(reader.up_to(4).await, rows(&[("update", 0)]));
}

#[tokio::test]
async fn fields_and_updates_are_as_asked() {
    let mut machine = Machine::new();
    let one = machine.open(established(1, 10, "nginx"));
    machine.update();
    let mut reader = Reader::open(&machine.client(), "?fields=process&updates=false", None).await;
    reader.up_to(2).await;
    let row = serde_json::json!({ "id": Machine::id(one), "process": "nginx" });
    assert_eq!(reader.there[&Machine::id(one)], row);
    machine.change(one, |sketch| sketch.sent = Some(1));
    machine.update();
    assert_eq!(reader.up_to(3).await, rows(&[("update", 0)]));
    machine.close(one);
    machine.update();
    assert_eq!(reader.up_to(4).await, rows(&[("closed", 1), ("update", 0)]));
}

#[tokio::test]
async fn a_stream_resumes_where_it_left_off() {
    let mut machine = Machine::new();
    for port in 1..=5 {
        machine.open(established(port, 10, "nginx"));
    }
    machine.update();
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    reader.up_to(2).await;
    let (id, there) = (reader.id.clone().unwrap(), reader.there.clone());
    drop(reader);
    machine.open(established(6, 10, "nginx"));
    machine.update();
    let first = machine.there[0].1.socket.id.cookie;
    machine.close(first);
    machine.update();
    for (query, header) in [
        (String::new(), Some(id.as_str())),
        (format!("?since={id}"), None),
        // A browser that reconnects sends both: what it read last counts.
        (format!("?since={}", id.replace("-2-", "-1-")), Some(id.as_str())),
    ] {
        let mut again = Reader::open(&client, &query, header).await;
        again.there.clone_from(&there);
        let events = again.up_to(4).await;
        assert_eq!(events, rows(&[("closed", 1), ("opened", 1), ("update", 0)]), "{query}");
        assert_eq!(again.ids(), all_ids(&machine));
    }
}

#[tokio::test]
async fn a_stream_that_cannot_resume_starts_from_nothing() {
    let mut machine = Machine::new();
    machine.closed_kept = 1;
    let cookies: Vec<u64> = (1..=3).map(|port| machine.open(established(port, 1, "a"))).collect();
    machine.update();
    for cookie in &cookies[..2] {
        machine.close(*cookie);
        machine.update();
    }
    let client = machine.client();
    for (last, why) in [
        ("feed000000000001-2-0", "too old"),
        ("feed000000000001-99-0", "does not exist yet"),
        ("feed000000000002-4-0", "restarted"),
        ("nonsense", "no id of an agent"),
        ("feed000000000001-4", "no id of an agent"),
        ("+eed000000000001-4-0", "no id of an agent"),
    ] {
        let mut reader = Reader::open(&client, "", Some(last)).await;
        let reset = reader.next().await.unwrap();
        assert_eq!(reset.name, "reset");
        assert!(reset.data["reason"].as_str().unwrap().contains(why), "{last}: {}", reset.data);
        let events = reader.up_to(4).await;
        assert_eq!(events, rows(&[("snapshot", 0), ("opened", 1), ("update", 0)]), "{last}");
    }
    // What is kept suffices for this one, and nothing is new.
    let mut reader = Reader::open(&client, "", Some("feed000000000001-4-0")).await;
    machine.update();
    assert_eq!(reader.up_to(5).await, rows(&[("update", 0)]));
}

#[tokio::test]
async fn a_connection_that_stops_matching_is_removed() {
    let mut machine = Machine::new();
    let one = machine.open(established(1, 10, "nginx"));
    let other = machine.open(established(2, 11, "curl"));
    machine.update();
    let client = machine.client();
    let filter = "?filter=bytes_out%20%3E%3D%201000B%20and%20nginx";
    let mut reader = Reader::open(&client, filter, None).await;
    assert_eq!(reader.up_to(2).await, rows(&[("snapshot", 0), ("opened", 1), ("update", 0)]));
    machine.change(one, |sketch| sketch.sent = Some(10));
    machine.change(other, |sketch| sketch.sent = Some(10));
    machine.update();
    assert_eq!(reader.up_to(3).await, rows(&[("removed", 1), ("update", 0)]));
    machine.change(one, |sketch| sketch.sent = Some(2000));
    machine.update();
    assert_eq!(reader.up_to(4).await, rows(&[("opened", 1), ("update", 0)]));
    let id = reader.id.clone();
    drop(reader);
    // It stops matching while no stream is open: a client that resumes is sent that.
    machine.change(one, |sketch| sketch.sent = Some(10));
    machine.update();
    let mut again = Reader::open(&client, filter, id.as_deref()).await;
    again.there.insert(Machine::id(one), Value::Null);
    again.up_to(5).await;
    assert!(again.there.is_empty(), "{:?}", again.there);
    machine.close(one);
    machine.close(other);
    machine.update();
    assert_eq!(again.up_to(6).await, rows(&[("update", 0)]));
}

#[tokio::test]
async fn a_slow_reader_gets_many_updates_as_one_and_delays_no_other() {
    let mut machine = Machine::new();
    machine.closed_kept = 100_000;
    for number in 0..3000_u32 {
        machine.open(established(1, number, "nginx"));
    }
    machine.update();
    let client = machine.client();
    let mut slow = Reader::open(&client, "", None).await;
    let mut quick = Reader::open(&client, "?updates=false", None).await;
    quick.up_to(2).await;
    // One chunk is read, then nothing for forty updates.
    assert_eq!(slow.next().await.unwrap().name, "snapshot");
    for round in 0..40_u64 {
        let cookies: Vec<u64> =
            machine.there.iter().take(50).map(|(_, c)| c.socket.id.cookie).collect();
        machine.close(cookies[0]);
        for cookie in &cookies[1..] {
            machine.change(*cookie, |sketch| sketch.sent = Some(round));
        }
        machine.open(established(2, 1, "curl"));
        machine.update();
        quick.up_to(machine.sequence).await;
    }
    assert_eq!(quick.ids(), all_ids(&machine));
    let events = slow.up_to(machine.sequence).await;
    let updates = events.iter().filter(|(name, _)| name == "update").count();
    assert!(updates <= 3, "{updates} batches for 41 updates: {events:?}");
    assert!(events.iter().all(|(_, rows)| *rows <= 256), "{events:?}");
    assert_eq!(slow.ids(), all_ids(&machine));
    for (_, connection) in &machine.there {
        let row = &slow.there[&Machine::id(connection.socket.id.cookie)];
        assert_eq!(row["bytes_out"].as_u64(), connection.bytes_out().get());
    }
}

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let machine = Machine::new();
    let client = machine.client();
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Reader::open(&client, "", None).await);
    }
    let refused = client.get("/api/v1/changes").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["error"]["code"], "too-many-streams");
    open.clear();
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while client.json("/health").await["readers"]["streams"] != 0 {
        assert!(tokio::time::Instant::now() < deadline, "streams are not given back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_agent() {
    let machine = Machine::new();
    let mut reader = Reader::open(&machine.client(), "", None).await;
    reader.up_to(1).await;
    drop(machine);
    assert!(reader.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_alive() {
    let mut machine = Machine::new();
    let mut reader = Reader::open(&machine.client(), "", None).await;
    reader.up_to(1).await;
    let waited = tokio::time::Instant::now();
    // The clock of the test moves on when nothing else does; no update comes.
    while reader.comments < 3 {
        let frame = timeout(DEADLINE, reader.body.frame()).await.expect("a comment in time");
        let text = frame.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&*text, b":\n\n");
        reader.comments += 1;
    }
    assert_eq!(waited.elapsed().as_secs(), 45);
    machine.update();
    assert_eq!(reader.up_to(2).await, rows(&[("update", 0)]));
}

#[derive(Debug, Clone)]
enum Step {
    Open(bool),
    Close(usize),
    Change(usize, u64),
    Update,
    /// The reader reads all there is.
    Read,
    /// The reader goes, and comes back with its last id.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Open),
        2 => any::<usize>().prop_map(Step::Close),
        3 => (any::<usize>(), 0..2000_u64).prop_map(|(at, sent)| Step::Change(at, sent)),
        4 => Just(Step::Update),
        2 => Just(Step::Read),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, a client that applies the events has exactly what matches.
    #[test]
    fn events_add_up_to_the_state(
        steps in vec(step(), 1..60),
        kept in prop::sample::select(vec![2_usize, 100]),
        filtered in any::<bool>(),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut machine = Machine::new();
            machine.closed_kept = kept;
            let client = machine.client();
            let query = if filtered { "?filter=bytes_out%20%3E%201000B" } else { "" };
            let mut reader = Reader::open(&client, query, None).await;
            for step in steps.into_iter().chain([Step::Update, Step::Read]) {
                let there: Vec<u64> =
                    machine.there.iter().map(|(_, c)| c.socket.id.cookie).collect();
                let pick = |at: usize| there.get(at % there.len().max(1)).copied();
                match step {
                    Step::Open(large) => {
                        let sent = if large { 5000 } else { 5 };
                        let cookie = machine.open(established(1, 10, "nginx"));
                        machine.change(cookie, |sketch| sketch.sent = Some(sent));
                    }
                    Step::Close(at) => if let Some(cookie) = pick(at) { machine.close(cookie) },
                    Step::Change(at, sent) => if let Some(cookie) = pick(at) {
                        machine.change(cookie, |sketch| sketch.sent = Some(sent));
                    },
                    Step::Update => machine.update(),
                    Step::Read => {
                        machine.update();
                        reader.up_to(machine.sequence).await;
                        let meant: BTreeMap<String, Option<u64>> = machine
                            .there
                            .iter()
                            .map(|(_, c)| (c.socket.id.cookie, c.bytes_out().get()))
                            .filter(|(_, bytes)| !filtered || *bytes > Some(1000))
                            .map(|(cookie, bytes)| (Machine::id(cookie), bytes))
                            .collect();
                        let has: BTreeMap<String, Option<u64>> = reader
                            .there
                            .iter()
                            .map(|(id, row)| (id.clone(), row["bytes_out"].as_u64()))
                            .collect();
                        assert_eq!(has, meant);
                    }
                    Step::Reconnect => {
                        let (id, there) = (reader.id.clone(), reader.there.clone());
                        reader = Reader::open(&client, query, id.as_deref()).await;
                        reader.id = id;
                        if reader.id.is_some() {
                            reader.there = there;
                        }
                    }
                }
            }
        });
    }
}

//! Events: as a list, as they happen, and what is not kept any more.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use conns_core::model::{DroppedEvents, EventKind, Loss, LossCause, Source};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::scene::{Client, Machine, Whole, escaped, established};

const DEADLINE: Duration = Duration::from_secs(20);

/// A machine on which this number of connections closed, of nginx and curl in turn.
fn eventful(count: u16) -> Machine {
    let mut machine = Machine::new();
    for port in 0..count {
        let name = if port % 2 == 0 { "nginx" } else { "curl" };
        machine.happen(EventKind::Closed, &established(port, 10, name));
    }
    machine.update();
    machine
}

/// The id behind an event, after this snapshot.
fn id(sequence: u64, serial: u64) -> String {
    format!("feed000000000001-{sequence}-{serial}")
}

fn serials(list: &Value) -> Vec<u64> {
    let events = list["events"].as_array().unwrap();
    events.iter().map(|event| event["serial"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_continues_where_the_one_before_ended() {
    let machine = eventful(10);
    let client = machine.client();
    let all = client.json("/api/v1/events").await;
    assert_eq!(serials(&all), (1..=10).collect::<Vec<_>>());
    assert_eq!(
        (&all["complete_since"], &all["last"], &all["next_since"]),
        (&0.into(), &10.into(), &id(2, 10).into())
    );
    let first = &all["events"][0];
    assert_eq!((&first["event"], &first["closed_by"]), (&"closed".into(), &"remote".into()));
    assert_eq!(first["at_us"], first["closed_at_us"]);
    let page = client.json(&format!("/api/v1/events?limit=4&since={}", id(2, 3))).await;
    assert_eq!((serials(&page), &page["next_since"]), (vec![4, 5, 6, 7], &id(2, 7).into()));
    let none = client.json(&format!("/api/v1/events?since={}", id(2, 10))).await;
    assert_eq!((serials(&none), &none["next_since"]), (vec![], &id(2, 10).into()));
    // The snapshot of the id does not matter.
    let other = client.json(&format!("/api/v1/events?since={}", id(0, 8))).await;
    assert_eq!(serials(&other), [9, 10]);
}

#[tokio::test]
async fn events_that_do_not_match_are_passed_by() {
    let mut machine = eventful(10);
    machine.happen(EventKind::Failed, &established(1, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let filter = escaped("nginx and ended == rst-in");
    let path = format!("/api/v1/events?filter={filter}&limit=3&fields=process,serial");
    let page = client.json(&path).await;
    assert_eq!((serials(&page), &page["next_since"]), (vec![1, 3, 5], &id(3, 5).into()));
    let keys: Vec<&String> = page["events"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["at_us", "event", "id", "process", "serial"]);
    let rest = client.json(&format!("{path}&since={}", id(3, 5))).await;
    assert_eq!((serials(&rest), &rest["next_since"]), (vec![7, 9, 11], &id(3, 11).into()));
    let failed = client.json("/api/v1/events?event=failed&event=opened").await;
    assert_eq!((serials(&failed), &failed["next_since"]), (vec![11], &id(3, 11).into()));
    let udp = client.json("/api/v1/events?proto=udp").await;
    assert_eq!((serials(&udp), &udp["next_since"]), (vec![], &id(3, 11).into()));
}

#[tokio::test]
async fn events_that_are_not_buffered_are_missing_and_losses_are_listed() {
    let mut machine = eventful(10);
    machine.events_kept = 4;
    machine.events_lost.push(Loss {
        source: Source::Ebpf,
        cause: LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: 1 << 20 },
        count: 3,
    });
    machine.update();
    let client = machine.client();
    let kept = client.json("/api/v1/events").await;
    assert_eq!((serials(&kept), &kept["complete_since"]), (vec![7, 8, 9, 10], &6.into()));
    assert_eq!(kept["losses"][0]["kind"], "event-dropped");
    assert_eq!(kept["losses"].as_array().unwrap().len(), 1, "of events alone");
    assert_eq!(
        serials(&client.json(&format!("/api/v1/events?since={}", id(2, 6))).await),
        [7, 8, 9, 10]
    );
    for (since, missed, why) in [
        (id(2, 5), Some(1), "not kept"),
        (id(2, 0), Some(6), "not kept"),
        (id(2, 11), None, "does not exist yet"),
        ("feed000000000002-2-8".to_owned(), None, "restarted"),
    ] {
        let answer = client.get(&format!("/api/v1/events?since={since}")).await;
        let shape = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &shape["error"]["code"]),
            (410, &"events-expired".into())
        );
        assert_eq!(shape["missed"].as_u64(), missed);
        assert!(shape["error"]["message"].as_str().unwrap().contains(why), "{shape}");
    }
}

#[tokio::test]
async fn parameters_are_checked() {
    let machine = eventful(1);
    let client = machine.client();
    for (query, code) in [
        ("since=x", "bad-parameter"),
        ("since=7", "bad-parameter"),
        ("since=-1", "bad-parameter"),
        ("since=cafe-1", "bad-parameter"),
        ("event=updated", "bad-parameter"),
        ("view=all", "unknown-parameter"),
        ("fields=rtx", "bad-fields"),
        ("filter=rtx%3D1", "bad-filter"),
        ("limit=0", "bad-parameter"),
    ] {
        let answer = client.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &code.into()));
    }
    let whole = stream_refused(&client, "?limit=5").await;
    assert_eq!(whole.json()["error"]["code"], "conflicting-parameters");
}

async fn stream_refused(client: &Client, query: &str) -> Whole {
    let request =
        Request::get(format!("/api/v1/events{query}")).header("accept", "text/event-stream");
    client.whole(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_type_asked_for_decides_between_list_and_stream() {
    let machine = eventful(1);
    let client = machine.client();
    for (accept, media) in [
        ("text/event-stream", "text/event-stream"),
        ("text/event-stream, */*;q=0.1", "text/event-stream"),
        ("*/*", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream;q=0, */*", "application/json"),
    ] {
        let request = Request::get("/api/v1/events").header("accept", accept);
        let response = client.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-type"], media, "{accept}");
    }
    let request = Request::get("/api/v1/events").header("accept", "text/html");
    let refused = client.whole(request.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, 406);
}

/// A client of the stream.
struct Reader {
    body: Body,
    text: String,
    id: String,
}

/// Name and data of an event.
type Received = (String, Value);

impl Reader {
    async fn open(client: &Client, query: &str, last: Option<&str>) -> Self {
        let mut request =
            Request::get(format!("/api/v1/events{query}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = client.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), text: String::new(), id: String::new() }
    }

    async fn next(&mut self) -> Received {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
                };
                if let Some(id) = field("id: ") {
                    self.id = id;
                }
                match (field("event: "), field("data: ")) {
                    (Some(name), Some(data)) => {
                        return (name, serde_json::from_str(&data).unwrap());
                    }
                    _ => continue,
                }
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event in time");
            let data = frame.unwrap().unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The serial numbers of the next events, up to this one.
    async fn up_to(&mut self, serial: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        loop {
            let (name, data) = self.next().await;
            assert_eq!(name, "events", "{data}");
            let these = serials(&data);
            assert!(these.len() <= 256);
            assert!(self.id.ends_with(&format!("-{}", data["serial"])), "{}", self.id);
            sent.extend(these);
            if data["serial"].as_u64() >= Some(serial) {
                return sent;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_the_next_event() {
    let mut machine = eventful(10);
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    let mut curl = Reader::open(&client, "?filter=curl", None).await;
    for reader in [&mut reader, &mut curl] {
        let (name, data) = reader.next().await;
        assert_eq!((&*name, &data["serial"]), ("begin", &10.into()));
        assert_eq!(reader.id, id(2, 10));
    }
    machine.happen(EventKind::Opened, &established(1, 10, "nginx"));
    machine.update();
    assert_eq!(reader.up_to(11).await, [11]);
    // None matches, but the client need not be sent it again.
    assert_eq!(curl.up_to(11).await, [0; 0]);
    for port in 0..1000 {
        machine.happen(EventKind::Closed, &established(port, 10, "curl"));
    }
    machine.update();
    let wanted: Vec<u64> = (12..=1011).collect();
    assert_eq!(reader.up_to(1011).await, wanted);
    assert_eq!(curl.up_to(1011).await, wanted);
}

/// An event published between two updates reaches a reader at once.
#[tokio::test]
async fn an_event_is_sent_without_an_update() {
    let mut machine = eventful(1);
    let mut reader = Reader::open(&machine.client(), "", None).await;
    assert_eq!(reader.next().await.0, "begin");
    let sequence = machine.sequence;
    machine.happen(EventKind::Opened, &established(1, 10, "nginx"));
    machine.publish_events();
    assert_eq!(reader.up_to(2).await, [2]);
    assert_eq!((machine.sequence, reader.id), (sequence, id(2, 2)));
    let list = machine.client().json("/api/v1/events").await;
    assert_eq!(serials(&list), [1, 2]);
}

#[tokio::test]
async fn a_stream_resumes_or_reports_what_is_missing() {
    let mut machine = eventful(10);
    let client = machine.client();
    let since = id(2, 7);
    for (query, header) in [(String::new(), Some(&*since)), (format!("?since={since}"), None)] {
        let mut reader = Reader::open(&client, &query, header).await;
        assert_eq!(reader.next().await.1["serial"], 7);
        assert_eq!(reader.up_to(10).await, [8, 9, 10], "{query}");
    }
    let mut whole = Reader::open(&client, &format!("?since={}", id(0, 0)), None).await;
    whole.next().await;
    assert_eq!(whole.up_to(10).await.len(), 10);
    machine.events_kept = 4;
    machine.update();
    for (last, missed, why) in [
        (&*id(2, 3), Some(3), "not kept"),
        (&*id(2, 30), None, "does not exist yet"),
        ("feed000000000002-2-8", None, "restarted"),
        ("nonsense", None, "no id of an agent"),
    ] {
        let mut reader = Reader::open(&client, "", Some(last)).await;
        let (name, data) = reader.next().await;
        assert_eq!((&*name, data["missed"].as_u64()), ("reset", missed), "{last}");
        assert!(data["reason"].as_str().unwrap().contains(why), "{data}");
        assert_eq!(reader.next().await.1["serial"], 6);
        assert_eq!(reader.up_to(10).await, [7, 8, 9, 10]);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_number_of_events_it_missed() {
    let mut machine = eventful(3);
    machine.events_kept = 2000;
    let client = machine.client();
    let mut slow = Reader::open(&client, "?fields=all", None).await;
    assert_eq!(slow.next().await.0, "begin");
    // Far more than is written ahead for it.
    let mut last = 3;
    for _ in 0..10 {
        for port in 0..2000 {
            last = machine.happen(EventKind::Closed, &established(port, 10, "nginx"));
        }
        machine.update();
        tokio::task::yield_now().await;
    }
    let (mut sent, mut missed) = (BTreeSet::new(), 0);
    while !sent.contains(&last) {
        let (name, data) = slow.next().await;
        match &*name {
            "events" => sent.extend(serials(&data)),
            "reset" => missed += data["missed"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
    assert!(missed > 0, "it was slow");
    assert_eq!(sent.len() as u64 + missed, last - 3, "each is sent, or counted as missed");
}

#[tokio::test]
async fn streams_of_events_and_changes_share_their_bound() {
    let machine = eventful(1);
    let client = machine.client();
    let mut open = Vec::new();
    for _ in 0..31 {
        open.push(Reader::open(&client, "", None).await);
    }
    let changes = client.ask(Request::get("/api/v1/changes").body(Body::empty()).unwrap()).await;
    assert_eq!(changes.status(), 200);
    let refused = stream_refused(&client, "").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert_eq!(client.json("/health").await["readers"]["streams"], 32);
    // The list is no stream.
    client.json("/api/v1/events").await;
}

#[tokio::test]
async fn events_are_counted_by_kind() {
    let mut machine = eventful(3);
    machine.happen(EventKind::Opened, &established(1, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let has =
        |text: &str, line: &str| assert!(text.lines().any(|l| l == line), "no {line} in {text}");
    let text = client.get("/metrics").await;
    has(text.text(), "conns_events_total{kind=\"closed\"} 3.0");
    has(text.text(), "conns_events_total{kind=\"opened\"} 1.0");
    has(text.text(), "conns_events_total{kind=\"failed\"} 0.0");
    // More than is kept between two counts.
    machine.events_kept = 2;
    for _ in 0..5 {
        machine.happen(EventKind::Failed, &established(1, 10, "nginx"));
    }
    machine.update();
    let text = client.get("/metrics").await;
    has(text.text(), "conns_events_total{kind=\"closed\"} 3.0");
    has(text.text(), "conns_events_total{kind=\"failed\"} 2.0");
    has(text.text(), "conns_events_total{kind=\"unknown\"} 3.0");
    // Each is counted once.
    has(client.get("/metrics").await.text(), "conns_events_total{kind=\"failed\"} 2.0");
}

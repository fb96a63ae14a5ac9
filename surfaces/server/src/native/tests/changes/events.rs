//! Events in the stream of changes.

use conns_core::model::EventKind;
use conns_fixtures::NETNS;

use super::super::scene::{Machine, established};
use super::{Reader, rows};

#[tokio::test]
async fn each_event_is_sent_once() {
    let mut machine = Machine::new();
    machine.happen(EventKind::Opened, &established(1, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    let mut without = Reader::open(&client, "?events=false", None).await;
    let mut listeners = Reader::open(&client, "?view=listening", None).await;
    let mut curl = Reader::open(&client, "?filter=curl&fields=ended", None).await;
    // Events before the stream are not in it.
    assert_eq!(reader.up_to(2).await, rows(&[("snapshot", 0), ("update", 0)]));
    assert_eq!(reader.id.as_deref(), Some("feed000000000001-2-1"));
    for reader in [&mut without, &mut listeners, &mut curl] {
        reader.up_to(2).await;
    }
    machine.happen(EventKind::Closed, &established(1, 10, "nginx"));
    machine.happen(EventKind::Failed, &established(2, 11, "curl"));
    machine.update();
    assert_eq!(reader.up_to(3).await, rows(&[("events", 2), ("update", 0)]));
    assert_eq!(reader.id.as_deref(), Some("feed000000000001-3-3"));
    let seen: Vec<_> =
        reader.events.iter().map(|e| (e["event"].clone(), e["serial"].clone())).collect();
    assert_eq!(seen, [("closed".into(), 2.into()), ("failed".into(), 3.into())]);
    assert_eq!(reader.events[0]["ended"], "rst-in");
    assert_eq!(without.up_to(3).await, rows(&[("update", 0)]));
    assert_eq!(listeners.up_to(3).await, rows(&[("update", 0)]));
    assert_eq!(curl.up_to(3).await, rows(&[("events", 1), ("update", 0)]));
    let row = serde_json::json!({
        "id": format!("{NETNS}-500003"), "event": "failed", "at_us": 1_800_000_003_000_000_i64,
        "serial": 3, "ended": "rst-in",
    });
    assert_eq!(curl.events, [row]);
    // A client that resumes behind the second update misses none of them.
    machine.update();
    let mut again = Reader::open(&client, "", Some("feed000000000001-2-1")).await;
    assert_eq!(again.up_to(4).await, rows(&[("events", 2), ("update", 0)]));
    // With the id of an event that does not exist yet, none are sent.
    let mut ahead = Reader::open(&client, "", Some("feed000000000001-2-9")).await;
    assert_eq!(ahead.up_to(4).await, rows(&[("update", 0)]));
}

#[tokio::test]
async fn events_are_sent_without_an_update_also_while_sources_fail() {
    let mut machine = Machine::new();
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    reader.up_to(1).await;
    machine.happen(EventKind::Closed, &established(1, 10, "nginx"));
    machine.publish_events();
    let event = reader.next().await.unwrap();
    assert_eq!((&*event.name, &event.data["serial"]), ("events", &1.into()));
    assert_eq!(event.id.as_deref(), Some("feed000000000001-1-1"));
    machine.failing = Some("no netlink".into());
    machine.publish();
    machine.happen(EventKind::Closed, &established(2, 10, "nginx"));
    machine.publish_events();
    let event = reader.next().await.unwrap();
    assert_eq!((&*event.name, &event.data["serial"]), ("events", &2.into()));
    // A client that resumes at an event gets neither event again.
    let mut again = Reader::open(&client, "", event.id.as_deref()).await;
    machine.failing = None;
    machine.update();
    assert_eq!(again.up_to(2).await, rows(&[("update", 0)]));
    assert_eq!(again.id.as_deref(), Some("feed000000000001-2-2"));
}

#[tokio::test]
async fn events_that_are_not_buffered_are_counted_and_many_come_in_several_lists() {
    let mut machine = Machine::new();
    machine.events_kept = 1500;
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    reader.up_to(1).await;
    drop(reader);
    for port in 0..2000 {
        machine.happen(EventKind::Closed, &established(port, 10, "nginx"));
    }
    machine.update();
    let mut reader = Reader::open(&client, "", Some("feed000000000001-1-0")).await;
    let missed = reader.next().await.unwrap();
    assert_eq!((&*missed.name, &missed.data["events"]), ("missed", &500.into()));
    // The update comes between the lists.
    while reader.events.len() < 1500 || reader.id.is_none() {
        let event = reader.next().await.unwrap();
        assert!(event.data["events"].as_array().is_none_or(|rows| rows.len() <= 256));
        reader.apply(&event);
    }
    let serials: Vec<_> = reader.events.iter().map(|event| event["serial"].as_u64()).collect();
    assert_eq!(serials, (501..=2000).map(Some).collect::<Vec<_>>());
    machine.update();
    assert_eq!(reader.up_to(3).await, rows(&[("update", 0)]));
}

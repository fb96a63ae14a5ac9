//! What happened, told beside the changes.

use conns_core::model::EventKind;

use super::super::scene::{Machine, NETNS, established};
use super::{Reader, told};

#[tokio::test]
async fn what_happened_is_told_once_with_its_beat() {
    let mut machine = Machine::new();
    machine.happen(EventKind::Opened, &established(1, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let mut reader = Reader::open(&client, "", None).await;
    let mut without = Reader::open(&client, "?events=false", None).await;
    let mut listeners = Reader::open(&client, "?view=listening", None).await;
    let mut curl = Reader::open(&client, "?filter=curl&fields=ended", None).await;
    // What happened before is not of this stream.
    assert_eq!(reader.up_to(2).await, told(&[("snapshot", 0), ("beat", 0)]));
    assert_eq!(reader.id.as_deref(), Some("feed000000000001-2-1"));
    for reader in [&mut without, &mut listeners, &mut curl] {
        reader.up_to(2).await;
    }
    machine.happen(EventKind::Closed, &established(1, 10, "nginx"));
    machine.happen(EventKind::Failed, &established(2, 11, "curl"));
    machine.update();
    assert_eq!(reader.up_to(3).await, told(&[("events", 2), ("beat", 0)]));
    assert_eq!(reader.id.as_deref(), Some("feed000000000001-3-3"));
    let seen: Vec<_> =
        reader.heard.iter().map(|e| (e["event"].clone(), e["serial"].clone())).collect();
    assert_eq!(seen, [("closed".into(), 2.into()), ("failed".into(), 3.into())]);
    assert_eq!(reader.heard[0]["ended"], "rst-in");
    assert_eq!(without.up_to(3).await, told(&[("beat", 0)]));
    assert_eq!(listeners.up_to(3).await, told(&[("beat", 0)]));
    assert_eq!(curl.up_to(3).await, told(&[("events", 1), ("beat", 0)]));
    let row = serde_json::json!({
        "id": format!("{NETNS}-500003"), "event": "failed", "at_us": 1_800_000_003_000_000_i64,
        "serial": 3, "ended": "rst-in",
    });
    assert_eq!(curl.heard, [row]);
    // Whoever resumes behind the second beat misses none of them.
    machine.update();
    let mut again = Reader::open(&client, "", Some("feed000000000001-2-1")).await;
    assert_eq!(again.up_to(4).await, told(&[("events", 2), ("beat", 0)]));
    // With an id from before there were events, or of events that have not been yet, none are told.
    for id in ["feed000000000001-2", "feed000000000001-2-9"] {
        let mut old = Reader::open(&client, "", Some(id)).await;
        assert_eq!(old.up_to(4).await, told(&[("beat", 0)]), "{id}");
    }
}

#[tokio::test]
async fn events_that_are_not_kept_are_counted_and_many_come_in_pieces() {
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
    let events = reader.up_to(2).await;
    assert!(events.iter().all(|(_, rows)| *rows <= 256), "{events:?}");
    let serials: Vec<_> = reader.heard.iter().map(|event| event["serial"].as_u64()).collect();
    assert_eq!(serials, (501..=2000).map(Some).collect::<Vec<_>>());
    machine.update();
    assert_eq!(reader.up_to(3).await, told(&[("beat", 0)]));
}

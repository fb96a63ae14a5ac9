//! Paging through a machine that changes between the pages.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Builder;

use super::scene::{Client, Machine, established};

/// What happens to the machine before the next page.
#[derive(Debug, Clone)]
enum Event {
    Open,
    Close(usize),
    /// Its bytes change, and with them its place in a list sorted by bytes.
    Move(usize, u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Open),
        any::<usize>().prop_map(Event::Close),
        (any::<usize>(), 0..5000_u64).prop_map(|(at, bytes)| Event::Move(at, bytes)),
    ]
}

fn cookies(machine: &Machine) -> Vec<u64> {
    machine.there.iter().map(|(_, connection)| connection.socket.id.cookie).collect()
}

fn apply(machine: &mut Machine, event: &Event) {
    let there = cookies(machine);
    let pick = |at: &usize| there.get(at % there.len().max(1)).copied();
    match event {
        Event::Open => {
            machine.open(established(1, 10, "nginx"));
        }
        Event::Close(at) => {
            if let Some(cookie) = pick(at) {
                machine.close(cookie);
            }
        }
        Event::Move(at, bytes) => {
            if let Some(cookie) = pick(at) {
                machine.change(cookie, |sketch| sketch.sent = Some(*bytes));
            }
        }
    }
}

async fn page(client: &Client, base: &str, limit: usize, cursor: Option<&str>) -> Value {
    let join = if base.contains('?') { '&' } else { '?' };
    let cursor = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
    client.json(&format!("{base}{join}limit={limit}{cursor}")).await
}

/// Pages to the end, with changes between; the number of pages each connection was on.
async fn page_through(
    machine: &mut Machine,
    base: &str,
    limit: usize,
    between: &[Vec<Event>],
) -> BTreeMap<u64, usize> {
    let client = machine.client();
    let mut seen = BTreeMap::new();
    let mut cursor: Option<String> = None;
    let mut lifecycle_events = between.iter();
    // Connections opened meanwhile do not extend the paging.
    for _ in 0..=machine.there.len() {
        let list = page(&client, base, limit, cursor.as_deref()).await;
        let rows = list["connections"].as_array().or(list["verdicts"].as_array()).unwrap();
        assert!(rows.len() <= limit);
        for row in rows {
            *seen.entry(row["cookie"].as_u64().unwrap()).or_default() += 1;
        }
        match list["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return seen,
        }
        for event in lifecycle_events.next().into_iter().flatten() {
            apply(machine, event);
        }
        machine.update();
    }
    panic!("the pages do not end: {seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_connection_open_during_all_of_the_paging_is_on_exactly_one_page(
        at_first in 0..40_usize,
        limit in 1..12_usize,
        between in vec(vec(event(), 0..6), 0..12),
        base in prop::sample::select(vec![
            "/api/v1/connections",
            "/api/v1/connections?sort=-bytes_out",
            "/api/v1/connections?sort=bytes_out,local_port",
            "/api/v1/verdicts",
        ]),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut machine = Machine::new();
            for number in 0..at_first {
                let cookie = machine.open(established(1, 10, "nginx"));
                let bytes = number as u64 * 37 % 101;
                machine.change(cookie, |sketch| sketch.sent = Some(bytes));
            }
            machine.update();
            let before = cookies(&machine);
            let seen = page_through(&mut machine, base, limit, &between).await;
            let after = cookies(&machine);
            for cookie in before.iter().filter(|cookie| after.contains(cookie)) {
                assert_eq!(seen.get(cookie), Some(&1), "{cookie} in {seen:?}");
            }
            assert!(seen.values().all(|times| *times == 1), "{seen:?}");
        });
    }

    #[test]
    fn a_cursor_made_up_never_harms(text in "[A-Za-z0-9_-]{0,70}") {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let machine = Machine::new();
            for path in ["connections", "connections?sort=pid", "processes", "verdicts"] {
                let join = if path.contains('?') { '&' } else { '?' };
                let answer = machine.client().get(&format!("/api/v1/{path}{join}cursor={text}")).await;
                assert!([400, 410].contains(&answer.status.as_u16()), "{}", answer.text());
            }
        });
    }
}

/// A machine with this number of connections, and the first cursor of a list.
async fn begun(base: &str) -> (Machine, String) {
    let mut machine = Machine::new();
    for number in 0..20_u16 {
        machine.open(established(1000 + number, u32::from(number) + 1, "nginx"));
    }
    machine.update();
    let first = page(&machine.client(), base, 5, None).await;
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    (machine, cursor)
}

#[tokio::test]
async fn a_cursor_belongs_to_its_question() {
    let (machine, cursor) = begun("/api/v1/connections?view=all").await;
    let client = machine.client();
    for (path, status) in [
        ("/api/v1/connections?view=all&limit=3", 200),
        ("/api/v1/connections?view=all&fields=pid", 200),
        ("/api/v1/connections?view=connections", 400),
        ("/api/v1/connections?view=all&filter=nginx", 400),
        ("/api/v1/verdicts?view=all", 400),
        ("/api/v1/connections?view=all&sort=pid", 400),
    ] {
        let answer = client.get(&format!("{path}&cursor={cursor}")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_cursor_of_another_instance_has_expired() {
    let (mut machine, cursor) = begun("/api/v1/connections").await;
    machine.instance += 1;
    machine.update();
    let answer = machine.client().get(&format!("/api/v1/connections?cursor={cursor}")).await;
    assert_eq!(answer.status, 410);
    assert_eq!(answer.json()["error"]["code"], "cursor-expired");
}

#[tokio::test]
async fn of_too_many_sorted_lists_the_one_unused_longest_is_forgotten() {
    let mut machine = Machine::new();
    for number in 0..20_u16 {
        machine.open(established(1000 + number, 1, "nginx"));
    }
    machine.update();
    let client = machine.client();
    let base = "/api/v1/connections?sort=-local_port";
    let begin = async || {
        let first = page(&client, base, 5, None).await;
        first["next_cursor"].as_str().unwrap().to_owned()
    };
    let (unused, used) = (begin().await, begin().await);
    for _ in 0..31 {
        begin().await;
        // Each use keeps it.
        let list = page(&client, base, 5, Some(&used)).await;
        assert_eq!(list["connections"][0]["local_port"], 1014);
    }
    let answer = client.get(&format!("{base}&cursor={unused}")).await;
    assert_eq!(answer.status, 410);
}

#[tokio::test]
async fn processes_are_paged_by_pid() {
    let (mut machine, cursor) = begun("/api/v1/processes").await;
    let leaving = machine.there[6].1.socket.id.cookie;
    machine.close(leaving);
    machine.update();
    let list = machine.client().json(&format!("/api/v1/processes?limit=3&cursor={cursor}")).await;
    let pids: Vec<&Value> =
        list["processes"].as_array().unwrap().iter().map(|p| &p["pid"]).collect();
    assert_eq!(pids, [6, 8, 9]);
}

//! Events and abilities of a remote agent: each event once, and what is missing once.

use std::time::Duration;

use conns_api::{
    Agent, AgentError, Ask, EVENTS_TYPE, Events, EventsFrom, EventsQuery, MAX_EVENTS_PER_ANSWER,
    ResumeId, Start, View, encode_events, kept_events,
};
use conns_client::Remote;
use conns_core::model::{DroppedEvents, Loss, LossCause, Source};

use super::fixture::{Act, Fixture, answer};
use super::sample::{Eventful, eventful};
use super::target;

const WAIT: Duration = Duration::from_millis(250);

fn ask() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

/// What an agent answers to a query from there on, made when `latest` was its latest event.
fn answered(agent: &Eventful, from: EventsFrom, latest: u64) -> Vec<u8> {
    let query = EventsQuery { ask: ask(), from, wait: WAIT, ..EventsQuery::default() };
    let body = encode_events(&agent.log, &agent.update, &query, latest).unwrap();
    answer("200 OK", EVENTS_TYPE, &body)
}

fn events(fixture: &Fixture, start: Start) -> Box<dyn Events> {
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    remote.events(&ask(), start).unwrap()
}

fn after(serial: u64) -> EventsFrom {
    EventsFrom::After(ResumeId { instance: 77, sequence: 1, serial })
}

fn set_dropped(agent: &mut Eventful, count: u64) {
    agent.log.losses = [Loss {
        source: Source::Ebpf,
        cause: LossCause::RingFull { events: DroppedEvents::Accepted, ring_bytes: 1 << 20 },
        count,
    }]
    .into();
}

#[test]
fn each_event_is_received_once() {
    let update = eventful(1..=8);
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&update, EventsFrom::Now, 5),
        answered(&update, after(8), 8),
        answered(&eventful(1..=9), after(8), 9),
    ])]);
    let mut events = events(&fixture, Start::Now);
    let mut serials = || -> Vec<u64> {
        let followed = events.next(WAIT).unwrap();
        assert_eq!(followed.losses, []);
        followed.events.iter().map(|event| event.serial).collect()
    };
    assert_eq!(serials(), [6, 7, 8]);
    assert_eq!(serials(), [0; 0]);
    assert_eq!(serials(), [9]);
    let first = "GET /api/v1/snapshot/events?view=all&after=now&wait_us=250000&versions=1 HTTP/1.1";
    assert_eq!(fixture.asked().lines().next(), Some(first));
    for _ in 0..2 {
        assert!(
            fixture
                .asked()
                .contains("?view=all&after=000000000000004d-1-8&wait_us=250000&versions=1 ")
        );
    }
}

#[test]
fn a_channel_from_the_oldest_has_what_is_buffered_and_then_what_comes() {
    let (kept, later) = (eventful(4..=8), eventful(4..=9));
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&kept, EventsFrom::Oldest, 8),
        answered(&later, after(8), 9),
    ])]);
    let mut events = events(&fixture, Start::Oldest);
    let first = events.next(Duration::ZERO).unwrap();
    assert_eq!((first.events.len(), first.losses.len(), first.has_more), (5, 0, false));
    assert_eq!(events.next(WAIT).unwrap().events.len(), 1);
    assert!(fixture.asked().contains("&after=oldest&versions=1 "));
    assert!(fixture.asked().contains("&after=000000000000004d-1-8&wait_us="));
}

#[test]
fn many_events_are_read_in_several_answers() {
    let agent = eventful(1..=MAX_EVENTS_PER_ANSWER as u64 + 3);
    let last = agent.log.last_serial();
    let answers = vec![
        answered(&agent, EventsFrom::Oldest, last),
        answered(&agent, after(MAX_EVENTS_PER_ANSWER as u64), last),
    ];
    let fixture = Fixture::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let kept = kept_events(&mut remote, &ask()).unwrap();
    assert_eq!(kept.events.last().map(|event| event.serial), Some(last));
    assert_eq!(kept.events.len() as u64, last);
}

#[test]
fn losses_are_those_since_the_answer_before() {
    let mut update = eventful(1..=2);
    let mut answers = Vec::new();
    // Seven before the first query, two more, none, and then the agent was restarted.
    for (from, lost, instance) in
        [(EventsFrom::Now, 7, 77), (after(2), 9, 77), (after(2), 9, 77), (after(2), 1, 78)]
    {
        set_dropped(&mut update, lost);
        update.log.instance = instance;
        answers.push(answered(&update, from, 2));
    }
    let fixture = Fixture::open(vec![Act::Answer(answers)]);
    let mut events = events(&fixture, Start::Now);
    let mut losses = || {
        let losses = events.next(WAIT).unwrap().losses;
        losses.into_iter().map(|loss| (loss.count, loss.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(losses(), [] as [(u64, String); 0]);
    let missing = |count: u64| {
        let message = format!(
            "{count} accepted events are missing: the kernel's ring of 1.05MB was full, because it was \
             not drained fast enough"
        );
        (count, message)
    };
    assert_eq!(losses(), [missing(2)]);
    assert_eq!(losses(), []);
    let restarted = "the agent was restarted; events before that are missing".to_owned();
    assert_eq!(losses(), [(1, restarted), missing(1)]);
}

#[test]
fn events_that_are_not_buffered_are_a_loss() {
    let (one, late) = (eventful(1..=2), eventful(51..=53));
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&one, EventsFrom::Now, 2),
        answered(&late, after(2), 53),
    ])]);
    let mut events = events(&fixture, Start::Now);
    events.next(WAIT).unwrap();
    let followed = events.next(WAIT).unwrap();
    assert_eq!((followed.events.len(), followed.losses[0].count), (3, 48));
}

#[test]
fn what_is_no_answer_about_events_is_refused() {
    let snapshot = answer("200 OK", conns_api::SNAPSHOT_TYPE, b"");
    let nothing = answer("404 Not Found", "text/plain", b"no");
    let broken = answer("200 OK", EVENTS_TYPE, &[1, 0, 1]);
    for (given, part) in [
        (snapshot, "is no conns agent: it answers with `application/vnd.conns.snapshot`"),
        (nothing, "there is nothing at /api/v1/snapshot/events"),
        (broken, "breaks the format"),
    ] {
        let fixture = Fixture::open(vec![Act::Answer(vec![given])]);
        let error = events(&fixture, Start::Now).next(WAIT).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let body = br#"{"error":{"code":"no-such-namespace","message":"no network namespace `red`"}}"#;
    let given = answer("404 Not Found", "application/json", body);
    let fixture = Fixture::open(vec![Act::Answer(vec![given])]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    assert!(matches!(kept_events(&mut remote, &ask()), Err(AgentError::NotThere(_))));
}

#[test]
fn abilities_are_those_of_the_health_of_an_agent_also_if_it_fails() {
    let body = br#"{"status":"failing","abilities":[
        {"name":"ebpf-events","meaning":"every connection","missing":"no \u001b[31mBTF"},
        {"name":"owners","meaning":"processes","missing":null},
        {"name":7}]}"#;
    for status in ["200 OK", "503 Service Unavailable"] {
        let given = answer(status, "application/json", body);
        let fixture = Fixture::open(vec![Act::Answer(vec![given])]);
        let mut remote = Remote::connect(&target(fixture.url())).unwrap();
        let abilities = remote.abilities().unwrap();
        let listed: Vec<_> = abilities
            .iter()
            .map(|a| (a.kind.name().to_owned(), a.missing.as_ref().map(ToString::to_string)))
            .collect();
        // Its text goes to a terminal.
        assert_eq!(
            listed,
            [
                ("ebpf-events".to_owned(), Some("no  [31mBTF".to_owned())),
                ("owners".to_owned(), None)
            ]
        );
        assert!(fixture.asked().starts_with("GET /api/v1/health HTTP/1.1"));
    }
    let given = answer("200 OK", "text/html", b"<html>");
    let fixture = Fixture::open(vec![Act::Answer(vec![given])]);
    let error =
        Remote::connect(&target(fixture.url())).unwrap().abilities().unwrap_err().to_string();
    assert!(error.contains("is no conns agent"), "{error}");
}

//! What happened elsewhere: each event once, what is missing said once, and what the agent can do.

use std::time::Duration;

use conns_api::{
    Agent, AgentError, Ask, EVENTS_TYPE, EventMark, EventsQuestion, From, View, tell_events,
};
use conns_client::Remote;
use conns_core::model::{DroppedEvents, Loss, LossCause, Source, Update};

use super::sample::eventful;
use super::stage::{Act, Stage, answer};
use super::target;

const WAIT: Duration = Duration::from_millis(250);

fn ask() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

/// What an agent with this beat answers to a question from there on, asked when `latest` was its latest
/// event.
fn told(update: &Update, from: From, latest: u64) -> Vec<u8> {
    let question = EventsQuestion { ask: ask(), from, wait: WAIT };
    let latest = EventMark { instance: update.instance, serial: latest };
    answer("200 OK", EVENTS_TYPE, &tell_events(update, &question, latest).unwrap())
}

fn after(serial: u64) -> From {
    From::After(EventMark { instance: 77, serial })
}

fn dropped(update: &mut Update, count: u64) {
    update.health.losses = vec![Loss {
        source: Source::Ebpf,
        cause: LossCause::RingFull { events: DroppedEvents::Accepted, ring_bytes: 1 << 20 },
        count,
    }];
}

#[test]
fn what_happens_is_told_once() {
    let update = eventful(1..=8);
    let stage = Stage::open(vec![Act::Answer(vec![
        told(&update, From::Now, 5),
        told(&update, after(8), 8),
        told(&eventful(1..=9), after(8), 9),
    ])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let mut serials = || -> Vec<u64> {
        let followed = remote.follow(&ask(), WAIT).unwrap();
        assert_eq!(followed.losses, []);
        followed.events.iter().map(|event| event.serial).collect()
    };
    assert_eq!(serials(), [6, 7, 8]);
    assert_eq!(serials(), [0; 0]);
    assert_eq!(serials(), [9]);
    let first = "GET /api/v1/snapshot/events?view=all&after=now&wait_us=250000 HTTP/1.1";
    assert_eq!(stage.asked().lines().next(), Some(first));
    for _ in 0..2 {
        assert!(stage.asked().contains("?view=all&after=77-8&wait_us=250000 "));
    }
}

#[test]
fn what_is_kept_is_recalled_whole_and_then_followed() {
    let (kept, later) = (eventful(4..=8), eventful(4..=9));
    let stage =
        Stage::open(vec![Act::Answer(vec![told(&kept, From::Kept, 8), told(&later, after(8), 9)])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let recalled = remote.recall(&ask()).unwrap();
    assert_eq!((recalled.events.len(), recalled.losses.len()), (5, 0));
    assert_eq!(remote.follow(&ask(), WAIT).unwrap().events.len(), 1);
    assert!(stage.asked().contains("&after=kept "));
    assert!(stage.asked().contains("&after=77-8&"));
}

#[test]
fn many_events_are_recalled_in_several_answers() {
    let update = eventful(1..=conns_api::EVENTS_TOLD as u64 + 3);
    let last = update.last_event();
    let answers = vec![
        told(&update, From::Kept, last),
        told(&update, after(conns_api::EVENTS_TOLD as u64), last),
    ];
    let stage = Stage::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let recalled = remote.recall(&ask()).unwrap();
    assert_eq!(recalled.events.last().map(|event| event.serial), Some(last));
    assert_eq!(recalled.events.len() as u64, last);
}

#[test]
fn losses_are_those_since_the_answer_before() {
    let mut update = eventful(1..=2);
    let mut answers = Vec::new();
    // Seven before anybody asked, two more, none, and then the agent was started anew.
    for (from, lost, instance) in
        [(From::Now, 7, 77), (after(2), 9, 77), (after(2), 9, 77), (after(2), 1, 78)]
    {
        dropped(&mut update, lost);
        update.instance = instance;
        answers.push(told(&update, from, 2));
    }
    let stage = Stage::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let mut losses = || {
        let losses = remote.follow(&ask(), WAIT).unwrap().losses;
        losses.into_iter().map(|loss| (loss.count, loss.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(losses(), [] as [(u64, String); 0]);
    assert_eq!(losses(), [(2, "2 accepts are missing".to_owned())]);
    assert_eq!(losses(), []);
    let anew = "the agent was started anew: what happened meanwhile is not told".to_owned();
    assert_eq!(losses(), [(1, anew), (1, "1 accepts are missing".to_owned())]);
}

#[test]
fn what_is_not_kept_any_more_is_a_loss() {
    let (one, late) = (eventful(1..=2), eventful(51..=53));
    let stage =
        Stage::open(vec![Act::Answer(vec![told(&one, From::Now, 2), told(&late, after(2), 53)])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.follow(&ask(), WAIT).unwrap();
    let followed = remote.follow(&ask(), WAIT).unwrap();
    assert_eq!((followed.events.len(), followed.losses[0].count), (3, 48));
}

#[test]
fn another_question_begins_from_now() {
    let update = eventful(1..=2);
    let answers = vec![told(&update, From::Now, 2), told(&update, From::Now, 2)];
    let stage = Stage::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.follow(&ask(), WAIT).unwrap();
    remote.follow(&Ask { udp: false, ..ask() }, WAIT).unwrap();
    stage.asked();
    assert!(stage.asked().contains("?view=all&udp=0&after=now&"));
}

#[test]
fn what_is_no_answer_about_events_is_refused() {
    let snapshot = answer("200 OK", conns_api::SNAPSHOT_TYPE, b"");
    let nothing = answer("404 Not Found", "text/plain", b"no");
    let broken = answer("200 OK", EVENTS_TYPE, &[1, 1]);
    for (given, part) in [
        (snapshot, "is no conns agent: it answers with `application/vnd.conns.snapshot`"),
        (nothing, "there is nothing at /api/v1/snapshot/events"),
        (broken, "use the same release"),
    ] {
        let stage = Stage::open(vec![Act::Answer(vec![given])]);
        let mut remote = Remote::connect(&target(stage.url())).unwrap();
        let error = remote.follow(&ask(), WAIT).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let body = br#"{"error":{"code":"no-such-namespace","message":"no network namespace `red`"}}"#;
    let given = answer("404 Not Found", "application/json", body);
    let stage = Stage::open(vec![Act::Answer(vec![given])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    assert!(matches!(remote.recall(&ask()), Err(AgentError::NotThere(_))));
}

#[test]
fn abilities_are_those_of_its_health_also_if_it_fails() {
    let body = br#"{"status":"failing","abilities":[
        {"name":"ebpf-events","meaning":"every connection","missing":"no \u001b[31mBTF"},
        {"name":"owners","meaning":"processes","missing":null},
        {"name":7}]}"#;
    for status in ["200 OK", "503 Service Unavailable"] {
        let given = answer(status, "application/json", body);
        let stage = Stage::open(vec![Act::Answer(vec![given])]);
        let mut remote = Remote::connect(&target(stage.url())).unwrap();
        let abilities = remote.abilities().unwrap();
        let told: Vec<_> = abilities
            .iter()
            .map(|a| (a.kind.name().to_owned(), a.missing.as_ref().map(ToString::to_string)))
            .collect();
        // What it says goes to a terminal.
        assert_eq!(
            told,
            [
                ("ebpf-events".to_owned(), Some("no  [31mBTF".to_owned())),
                ("owners".to_owned(), None)
            ]
        );
        assert!(stage.asked().starts_with("GET /api/v1/health HTTP/1.1"));
    }
    let given = answer("200 OK", "text/html", b"<html>");
    let stage = Stage::open(vec![Act::Answer(vec![given])]);
    let error = Remote::connect(&target(stage.url())).unwrap().abilities().unwrap_err().to_string();
    assert!(error.contains("is no conns agent"), "{error}");
}

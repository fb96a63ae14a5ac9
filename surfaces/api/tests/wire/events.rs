//! Events on the wire: all of them and no others arrive, what is missing is a loss, and no bytes do
//! harm.

use std::sync::Arc;
use std::time::Duration;

use conns_api::{
    AgentError, Ask, Decoder, EventRecords, EventsAnswer, EventsFrom, EventsQuery,
    MAX_EVENTS_PER_ANSWER, ResumeId, VersionRange, View, WireError, encode_events,
};
use conns_core::model::{DroppedEvents, Known, Loss, LossCause, Source};
use proptest::prelude::*;

use super::sample::{Eventful, eventful};

fn ask() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

fn query(from: EventsFrom) -> EventsQuery {
    EventsQuery { ask: ask(), from, ..EventsQuery::default() }
}

fn after(serial: u64) -> EventsFrom {
    EventsFrom::After(ResumeId { instance: 77, sequence: 0, serial })
}

fn encode(agent: &Eventful, query: &EventsQuery) -> Result<Vec<u8>, AgentError> {
    encode_events(&agent.log, &agent.update, query, agent.log.last_serial())
}

fn received(agent: &Eventful, query: &EventsQuery) -> EventsAnswer {
    Decoder::default().decode_events(&encode(agent, query).unwrap()).unwrap()
}

fn serials(answer: &EventsAnswer) -> Vec<u64> {
    answer.events.iter().map(|event| event.serial).collect()
}

/// An answer with something of everything.
pub(crate) fn encoded_whole() -> Vec<u8> {
    let mut update = eventful(3..=8);
    update.add_loss(dropped(3));
    encode(&update, &query(after(0))).unwrap()
}

fn dropped(count: u64) -> Loss {
    Loss {
        source: Source::Ebpf,
        cause: LossCause::RingFull { events: DroppedEvents::Closed, ring_bytes: 1 << 20 },
        count,
    }
}

#[test]
fn events_arrive_as_they_are() {
    let update = eventful(1..=8);
    let answer = received(&update, &query(EventsFrom::Oldest));
    assert_eq!(format!("{:?}", answer.events), format!("{:?}", update.events()));
    assert_eq!(answer.id, ResumeId { instance: 77, sequence: 1, serial: 8 });
    assert!(!answer.has_more && answer.losses.is_empty() && answer.loss_totals.is_empty());
    // As JSON they are the same too.
    let json = |events: &[Arc<conns_core::model::Event>]| {
        let mut records = EventRecords::new(None);
        let mut out = Vec::new();
        for event in events {
            records.append_with_id(&mut out, event);
            out.push(b'\n');
        }
        String::from_utf8(out).unwrap()
    };
    let text = json(&answer.events);
    assert_eq!(text, json(&update.events()));
    let start = r#"{"id":"4026531840-1","event":"closed","at_us":1700000000002000,"serial":2,"proto":"tcp","#;
    assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
}

#[test]
fn the_opener_is_one_process_and_not_the_one_of_proc() {
    let mut decoder = Decoder::default();
    let update = eventful(1..=8);
    let mut decoded = || {
        let bytes = encode(&update, &query(EventsFrom::Oldest)).unwrap();
        decoder.decode_events(&bytes).unwrap()
    };
    let (first, second) = (decoded(), decoded());
    let opener = |answer: &EventsAnswer, at: usize| {
        let opened = answer.events[at].connection.opened.value().unwrap().clone();
        Arc::clone(opened.by.value().unwrap())
    };
    let owner = |answer: &EventsAnswer, at: usize| {
        Arc::clone(&answer.events[at].connection.owners.value().unwrap()[0].process)
    };
    // Of the connection with cookie 1, which process 100 holds as well.
    let one = first.events.iter().position(|e| e.connection.socket.id.cookie == 1).unwrap();
    assert_eq!((opener(&first, one).pid, owner(&first, one).pid), (100, 100));
    assert!(matches!(opener(&first, one).executable, Known::Unknown(_)));
    assert!(matches!(owner(&first, one).executable, Known::Value(..)));
    assert!(Arc::ptr_eq(&opener(&first, one), &opener(&second, one)));
    assert!(Arc::ptr_eq(&owner(&first, one), &owner(&second, one)));
}

#[test]
fn a_later_query_gets_what_came_since() {
    let update = eventful(1..=8);
    assert_eq!(serials(&received(&update, &query(after(5)))), [6, 7, 8]);
    assert_eq!(serials(&received(&update, &query(after(8)))), [0; 0]);
    assert_eq!(serials(&received(&update, &query(EventsFrom::Now))), [0; 0]);
    // Asked when the fifth was the latest.
    let then = 5;
    let now = query(EventsFrom::Now);
    let bytes = encode_events(&update.log, &update.update, &now, then).unwrap();
    assert_eq!(serials(&Decoder::default().decode_events(&bytes).unwrap()), [6, 7, 8]);
    assert!(now.is_due(&update.log, then));
    assert!(!now.is_due(&update.log, 8));
    assert!(query(EventsFrom::Oldest).is_due(&update.log, 8));
    assert!(query(after(7)).is_due(&update.log, 8));
    assert!(!query(after(8)).is_due(&update.log, 8));
}

#[test]
fn events_that_are_not_buffered_are_a_counted_loss() {
    let update = eventful(101..=108);
    let late = received(&update, &query(after(40)));
    assert_eq!(serials(&late), (101..=108).collect::<Vec<_>>());
    assert_eq!((late.losses.len(), late.losses[0].count), (1, 60));
    assert!(late.losses[0].to_string().starts_with("60 events are missing"), "{:?}", late.losses);
    assert!(received(&update, &query(after(100))).losses.is_empty());
    assert!(received(&update, &query(EventsFrom::Oldest)).losses.is_empty());
    let elsewhere = EventsFrom::After(ResumeId { instance: 78, sequence: 1, serial: 104 });
    let anew = received(&update, &query(elsewhere));
    assert_eq!(anew.events.len(), 8);
    assert!(anew.losses[0].to_string().contains("restarted"), "{:?}", anew.losses);
    assert_eq!(anew.id.instance, 77);
}

#[test]
fn an_answer_is_bounded_and_reports_that_there_is_more() {
    let update = eventful(1..=MAX_EVENTS_PER_ANSWER as u64 + 5);
    let first = received(&update, &query(EventsFrom::Oldest));
    assert_eq!((first.events.len(), first.has_more), (MAX_EVENTS_PER_ANSWER, true));
    let second = received(&update, &query(EventsFrom::After(first.id)));
    assert_eq!((second.events.len(), second.has_more), (5, false));
    assert_eq!(second.id.serial, update.log.last_serial());
}

#[test]
fn only_what_was_asked_for_crosses() {
    let update = eventful(1..=8);
    let asked = |change: fn(&mut Ask)| {
        let mut asked = query(EventsFrom::Oldest);
        change(&mut asked.ask);
        let answer = received(&update, &asked);
        assert_eq!(answer.id.serial, 8, "events that do not match are passed by");
        serials(&answer)
    };
    // Whatever the view: what is closed is in none.
    assert_eq!(asked(|ask| ask.view = View::Listening).len(), 8);
    assert_eq!(asked(|ask| ask.ipv4 = false), [1, 3, 5, 7]);
    assert_eq!(asked(|ask| ask.tcp = false), [0; 0]);
    assert_eq!(asked(|ask| ask.namespaces.push("blue".to_owned())), [1, 3, 5, 7]);
    let mut asked = query(EventsFrom::Oldest);
    asked.ask.namespaces.push("red".to_owned());
    let refused = encode(&update, &asked);
    assert!(matches!(refused, Err(AgentError::NotThere(_))));
    // The first query found it, or else it would have been refused.
    asked.from = after(3);
    assert_eq!(serials(&received(&update, &asked)), [0; 0]);
}

#[test]
fn the_polling_fallback_is_a_loss_once_and_totals_are_in_each_answer() {
    let mut update = eventful(1..=2);
    update.add_loss(dropped(3));
    let cause = LossCause::PollingFallback { interval_us: 1, reason: "there is no BTF".into() };
    update.add_loss(Loss { cause, ..dropped(1) });
    let cause = LossCause::EventsNotPublished { capacity: 1 };
    update.add_loss(Loss { source: Source::Derived, cause, count: 7 });
    let first = received(&update, &query(EventsFrom::Now));
    assert!(first.losses[0].to_string().contains("no BTF"), "{:?}", first.losses);
    assert_eq!((first.losses.len(), &first.loss_totals), (1, &vec![dropped(3)]));
    let next = received(&update, &query(after(2)));
    assert_eq!((next.losses.len(), next.loss_totals), (0, vec![dropped(3)]));
}

#[test]
fn what_is_announced_and_does_not_follow_is_refused() {
    let whole = encoded_whole();
    assert!(Decoder::default().decode_events(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Decoder::default().decode_events(&whole[..length]).is_err(), "{length}");
        let mut bytes = whole[..length].to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(Decoder::default().decode_events(&bytes).is_err(), "{length}");
    }
}

#[test]
fn more_events_than_an_answer_has_are_refused() {
    // One more than the bound is announced behind empty tables.
    let update = eventful(1..=1);
    let bytes = encode(&update, &query(EventsFrom::Now)).unwrap();
    // Behind them: no namespaces, processes, events, losses and counts.
    let mut bytes = bytes[..bytes.len() - 3].to_vec();
    bytes.extend(postcard::to_allocvec(&(MAX_EVENTS_PER_ANSWER + 1)).unwrap());
    let error = Decoder::default().decode_events(&bytes).unwrap_err();
    assert!(matches!(error, WireError::TooMany { subject: "events", .. }), "{error}");
}

/// Bytes are refused, or can be shown.
pub(crate) fn survives(bytes: &[u8]) {
    let Ok(answer) = Decoder::default().decode_events(bytes) else { return };
    let mut records = EventRecords::new(None);
    let mut out = Vec::new();
    answer.events.iter().for_each(|event| records.append(&mut out, event));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_answers_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = encoded_whole();
        for (place, byte) in changes {
            let place = 3 + place.index(bytes.len() - 3);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }

    #[test]
    fn a_query_is_read_from_its_text(
        udp in any::<bool>(),
        namespaces in prop::collection::vec(".{0,12}", 0..4),
        from in prop_oneof![
            Just(EventsFrom::Now),
            Just(EventsFrom::Oldest),
            any::<(u64, u64, u64)>().prop_map(|(instance, sequence, serial)| {
                EventsFrom::After(ResumeId { instance, sequence, serial })
            }),
        ],
        wait_us in any::<u64>(),
    ) {
        let query = EventsQuery {
            ask: Ask { udp, namespaces, ..ask() },
            from,
            wait: Duration::from_micros(wait_us),
            versions: VersionRange::new(1, 7).unwrap(),
        };
        let text = query.to_query();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        prop_assert_eq!(EventsQuery::from_query(&text), Ok(query));
    }
}

/// The answer that was decoded, encoded again.
pub(crate) fn encode_again(answer: &EventsAnswer) -> Vec<u8> {
    let mut agent = eventful(1..=1);
    let first = answer.events.first().unwrap().serial;
    agent.log = conns_core::model::EventLog::after(answer.id.instance, first - 1);
    agent.log.append(answer.events.iter().cloned());
    agent.log.losses = answer.loss_totals.clone().into();
    encode(&agent, &query(after(0))).unwrap()
}

//! Events on the wire: all of them and no others arrive, what is missing is told, and whatever arrives
//! does no harm.

use std::sync::Arc;
use std::time::Duration;

use conns_api::{
    AgentError, Ask, EVENTS_TOLD, EventMark, EventRecords, EventsQuestion, From, Happened,
    Interned, View, WireError, tell_events,
};
use conns_core::model::{DroppedEvents, Known, Loss, LossCause, Source, Update};
use proptest::prelude::*;

use super::sample::eventful;

fn ask() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

fn question(from: From) -> EventsQuestion {
    EventsQuestion { ask: ask(), from, wait: Duration::ZERO }
}

fn after(serial: u64) -> From {
    From::After(EventMark { instance: 77, serial })
}

fn told(update: &Update, question: &EventsQuestion) -> Happened {
    let bytes = tell_events(update, question, EventMark::of(update)).unwrap();
    Interned::default().decode_events(&bytes).unwrap()
}

fn serials(happened: &Happened) -> Vec<u64> {
    happened.events.iter().map(|event| event.serial).collect()
}

/// An answer with something of everything.
pub(crate) fn told_whole() -> Vec<u8> {
    let mut update = eventful(3..=8);
    update.health.losses.push(dropped(3));
    tell_events(&update, &question(after(0)), EventMark::of(&update)).unwrap()
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
    let happened = told(&update, &question(From::Kept));
    assert_eq!(format!("{:?}", happened.events), format!("{:?}", update.events));
    assert_eq!(happened.mark, EventMark { instance: 77, serial: 8 });
    assert!(!happened.has_more && happened.losses.is_empty() && happened.counted.is_empty());
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
    let text = json(&happened.events);
    assert_eq!(text, json(&update.events));
    let start = r#"{"id":"4026531840-1","event":"closed","at_us":1700000000002000,"serial":2,"proto":"tcp","#;
    assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
}

#[test]
fn the_opener_is_one_process_and_not_the_one_of_proc() {
    let mut interned = Interned::default();
    let update = eventful(1..=8);
    let mut decoded = || {
        let bytes = tell_events(&update, &question(From::Kept), EventMark::of(&update)).unwrap();
        interned.decode_events(&bytes).unwrap()
    };
    let (first, second) = (decoded(), decoded());
    let opener = |happened: &Happened, at: usize| {
        let opened = happened.events[at].connection.opened.value().unwrap().clone();
        Arc::clone(opened.by.value().unwrap())
    };
    let owner = |happened: &Happened, at: usize| {
        Arc::clone(&happened.events[at].connection.owners.value().unwrap()[0].process)
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
fn whoever_asks_again_is_told_what_came_since() {
    let update = eventful(1..=8);
    assert_eq!(serials(&told(&update, &question(after(5)))), [6, 7, 8]);
    assert_eq!(serials(&told(&update, &question(after(8)))), [0; 0]);
    assert_eq!(serials(&told(&update, &question(From::Now))), [0; 0]);
    // Asked when the fifth was the latest.
    let then = EventMark { instance: 77, serial: 5 };
    let now = question(From::Now);
    let bytes = tell_events(&update, &now, then).unwrap();
    assert_eq!(serials(&Interned::default().decode_events(&bytes).unwrap()), [6, 7, 8]);
    assert!(now.is_due(&update, then));
    assert!(!now.is_due(&update, EventMark::of(&update)));
    assert!(question(From::Kept).is_due(&update, EventMark::of(&update)));
    assert!(question(after(7)).is_due(&update, EventMark::of(&update)));
    assert!(!question(after(8)).is_due(&update, EventMark::of(&update)));
}

#[test]
fn what_is_not_kept_is_told_as_a_loss_of_so_many() {
    let update = eventful(101..=108);
    let late = told(&update, &question(after(40)));
    assert_eq!(serials(&late), (101..=108).collect::<Vec<_>>());
    assert_eq!((late.losses.len(), late.losses[0].count), (1, 60));
    assert!(late.losses[0].to_string().starts_with("60 events are not told"), "{:?}", late.losses);
    assert!(told(&update, &question(after(100))).losses.is_empty());
    assert!(told(&update, &question(From::Kept)).losses.is_empty());
    let elsewhere = From::After(EventMark { instance: 78, serial: 104 });
    let anew = told(&update, &question(elsewhere));
    assert_eq!(anew.events.len(), 8);
    assert!(anew.losses[0].to_string().contains("started anew"), "{:?}", anew.losses);
    assert_eq!(anew.mark.instance, 77);
}

#[test]
fn an_answer_is_bounded_and_says_that_there_is_more() {
    let update = eventful(1..=EVENTS_TOLD as u64 + 5);
    let first = told(&update, &question(From::Kept));
    assert_eq!((first.events.len(), first.has_more), (EVENTS_TOLD, true));
    let second = told(&update, &question(From::After(first.mark)));
    assert_eq!((second.events.len(), second.has_more), (5, false));
    assert_eq!(second.mark, EventMark::of(&update));
}

#[test]
fn only_what_was_asked_for_crosses() {
    let update = eventful(1..=8);
    let asked = |change: fn(&mut Ask)| {
        let mut question = question(From::Kept);
        change(&mut question.ask);
        let happened = told(&update, &question);
        assert_eq!(happened.mark.serial, 8, "what is not told is passed by");
        serials(&happened)
    };
    // Whatever the view: what is closed is in none.
    assert_eq!(asked(|ask| ask.view = View::Listening).len(), 8);
    assert_eq!(asked(|ask| ask.ipv4 = false), [1, 3, 5, 7]);
    assert_eq!(asked(|ask| ask.tcp = false), [0; 0]);
    assert_eq!(asked(|ask| ask.namespaces.push("blue".to_owned())), [1, 3, 5, 7]);
    let mut question = question(From::Kept);
    question.ask.namespaces.push("red".to_owned());
    let refused = tell_events(&update, &question, EventMark::of(&update));
    assert!(matches!(refused, Err(AgentError::NotThere(_))));
    // It was there when it was asked for first, or else that would have been said.
    question.from = after(3);
    assert_eq!(serials(&told(&update, &question)), [0; 0]);
}

#[test]
fn an_agent_without_events_says_so_once_and_its_losses_each_time() {
    let mut update = eventful(1..=2);
    update.health.losses.push(dropped(3));
    let cause = LossCause::PollingFallback { interval_us: 1, reason: "there is no BTF".into() };
    update.health.losses.push(Loss { cause, ..dropped(1) });
    let cause = LossCause::EventsNotPublished { capacity: 1 };
    update.health.losses.push(Loss { source: Source::Derived, cause, count: 7 });
    let first = told(&update, &question(From::Now));
    assert!(first.losses[0].to_string().contains("no BTF"), "{:?}", first.losses);
    assert_eq!((first.losses.len(), &first.counted), (1, &vec![dropped(3)]));
    let next = told(&update, &question(after(2)));
    assert_eq!((next.losses.len(), next.counted), (0, vec![dropped(3)]));
}

#[test]
fn what_is_announced_and_does_not_come_costs_nothing() {
    let whole = told_whole();
    assert!(Interned::default().decode_events(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Interned::default().decode_events(&whole[..length]).is_err(), "{length}");
        let mut bytes = whole[..length].to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(Interned::default().decode_events(&bytes).is_err(), "{length}");
    }
}

#[test]
fn more_events_than_an_answer_has_are_refused() {
    // One more than the bound is announced behind empty tables.
    let update = eventful(1..=1);
    let bytes = tell_events(&update, &question(From::Now), EventMark::of(&update)).unwrap();
    // Behind them: no namespaces, processes, events, losses and counts.
    let mut bytes = bytes[..bytes.len() - 3].to_vec();
    bytes.extend(postcard::to_allocvec(&(EVENTS_TOLD + 1)).unwrap());
    let error = Interned::default().decode_events(&bytes).unwrap_err();
    assert!(matches!(error, WireError::TooMany { subject: "events", .. }), "{error}");
}

/// Whatever arrives is refused, or can be shown.
pub(crate) fn survives(bytes: &[u8]) {
    let Ok(happened) = Interned::default().decode_events(bytes) else { return };
    let mut records = EventRecords::new(None);
    let mut out = Vec::new();
    happened.events.iter().for_each(|event| records.append(&mut out, event));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_answers_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = told_whole();
        for (place, byte) in changes {
            let place = 2 + place.index(bytes.len() - 2);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }

    #[test]
    fn a_question_survives_its_query(
        udp in any::<bool>(),
        namespaces in prop::collection::vec(".{0,12}", 0..4),
        from in prop_oneof![
            Just(From::Now),
            Just(From::Kept),
            any::<(u64, u64)>()
                .prop_map(|(instance, serial)| From::After(EventMark { instance, serial })),
        ],
        wait_us in any::<u64>(),
    ) {
        let question = EventsQuestion {
            ask: Ask { udp, namespaces, ..ask() },
            from,
            wait: Duration::from_micros(wait_us),
        };
        let query = question.to_query();
        prop_assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        prop_assert_eq!(EventsQuestion::from_query(&query), Ok(question));
    }
}

//! Keys, the mouse and what is typed.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::keys::{BINDINGS, markdown};

fn click(session: &mut Session, column: u16, row: u16) {
    let kind = MouseEventKind::Down(MouseButton::Left);
    session.state.mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    session.settle();
}

#[test]
fn an_error_shows_its_place_and_the_last_good_filter_stays() {
    let mut session = Session::new((100, 20));
    session.update(some());
    session.press("/nginx and rtt > ");
    let lines = session.lines();
    assert_eq!(lines[1], "/ nginx and rtt >");
    let caret = lines[2].find('^').unwrap();
    assert_eq!(caret, "/ nginx and rtt > ".len(), "{}", session.text());
    assert!(lines[3].contains("expected"), "{}", lines[3]);
    assert_eq!(session.state.filter_text, "nginx and rt", "the last one without an error");
    session.press("<enter>");
    assert!(session.state.overlay.is_some(), "it is not accepted");
    session.press("<esc>");
    assert_eq!(session.state.filter_text, "", "the one before");
}

#[test]
fn tab_completes_fields_and_values() {
    let mut session = Session::new((100, 20));
    session.update(some());
    session.press("/verd<tab>");
    assert_eq!(session.lines()[1], "/ verdict");
    session.press("== path-lo<tab>");
    assert_eq!(session.state.filter_text.trim(), "verdict == path-loss");
    assert!(session.text().contains("1 connection  out"), "{}", session.text());
    session.press("<ctrl-u>remote_n<tab>");
    assert!(session.text().contains("remote_name_origin"), "{}", session.text());
    session.press("<tab>");
    assert_eq!(session.lines()[1], "/ remote_name_origin");
    session.press("<tab>");
    assert_eq!(session.lines()[1], "/ remote_name");
}

#[test]
fn filters_are_kept_under_a_name() {
    let mut session = Session::new((100, 20));
    session.update(some());
    session.press("/curl<enter>F<enter>downloads<enter>");
    assert!(
        matches!(&session.effects[..], [Effect::Keep(named)] if named.0["downloads"] == "curl")
    );
    session.press("<esc>");
    assert_eq!(session.state.filter_text, "");
    session.press("F<enter>");
    assert_eq!(session.state.filter_text, "curl");
    session.press("Fjd");
    assert!(session.state.named.0.is_empty());
}

#[test]
fn loopback_is_hidden_by_a_filter() {
    let mut session = Session::new((100, 20));
    session.update(some());
    session.press("h");
    assert!(!session.text().contains("sshd") && session.text().contains("without loopback"));
    assert_eq!(session.state.whole_filter_text(), "not addr in (127.0.0.0/8, ::1)");
    session.press("h");
    assert!(session.text().contains("sshd"));
}

#[test]
fn keys_move_as_everywhere() {
    let mut session = Session::new((100, 15));
    session.update((1..=50).map(|at| made(at, "x", "10.0.0.5:443", Class::Idle)).collect());
    let mut at = |keys: &str| {
        session.press(keys);
        session.state.at
    };
    assert_eq!(at("jjk<down>"), 2);
    assert_eq!(at("G"), 49);
    assert_eq!(at("gg"), 0);
    assert_eq!(at("<pgdn>"), 10);
    assert_eq!(at("<ctrl-d>"), 15);
    assert_eq!(at("<ctrl-u><ctrl-b>"), 0);
    assert_eq!(at("kkk"), 0);
}

#[test]
fn the_mouse_chooses_opens_and_sorts() {
    let mut session = Session::new((120, 20));
    session.update(some());
    click(&mut session, 10, 6);
    assert_eq!(session.state.at, 2);
    click(&mut session, 10, 6);
    assert!(session.state.detail.is_some(), "a double click");
    session.press("<esc>");
    let remote = u16::try_from(session.lines()[3].find("REMOTE").unwrap()).unwrap();
    click(&mut session, remote + 1, 3);
    assert_eq!(session.state.sort, "remote");
    click(&mut session, remote + 1, 3);
    assert_eq!(session.state.sort, "-remote");
    click(&mut session, 17, 0);
    assert_eq!(session.state.screen, Screen::Processes);
    session.press("m");
    assert!(matches!(session.effects[..], [Effect::Mouse(false)]));
}

#[test]
fn a_row_a_field_and_an_address_are_copied() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press("yy");
    session.press("yj<enter>");
    session.press("yjj<enter>");
    let copied: Vec<&str> = session
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Copy(text) => text.as_str(),
            _ => "",
        })
        .collect();
    assert!(copied[0].starts_with("curl  502  tcp  ESTAB"), "{copied:?}");
    assert_eq!(copied[1..], ["192.0.2.7:80", "192.0.2.7"]);
}

#[test]
fn what_is_shown_is_written_or_named_as_a_command() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press("/process == curl<enter>e<enter><ctrl-u>/tmp/x.json<enter>");
    let [Effect::Write { path, text }] = &session.effects[..] else { panic!("nothing is written") };
    assert_eq!(path.to_str(), Some("/tmp/x.json"));
    let json: serde_json::Value = serde_json::from_slice(text).unwrap();
    assert_eq!(json["connections"].as_array().unwrap().len(), 2);
    assert_eq!(json["connections"][0]["process"], "curl");
    session.press("ejj<enter>");
    let text = session.text();
    let expected = "conns --agent=http://127.0.0.1:7979 --sort=process,pid,local,remote -- \
                    'process == curl'";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn the_command_of_the_past_names_its_moment() {
    let mut start = start();
    start.agent_flags.clear();
    start.history_flags = vec!["--history=/a b".to_owned()];
    let mut session = Session::of(start, (140, 20));
    session.update(some());
    let live = "conns --sort=process,pid,local,remote";
    assert_eq!(session.state.command(), live);
    session.press("[");
    let at_us = session.state.wanted_us.unwrap();
    let at = Moment { monotonic_us: 1, wall_us: at_us };
    let then = Arc::new(update(snapshot(1, at, some())));
    let read = PastMoment { update: then, events: Vec::new(), time_line: Ok(line(at_us)) };
    session.state.past(at_us, Ok(read));
    session.settle();
    let of = "'--history=/a b' --at=2026-11-26T10:21:11.000000Z";
    assert_eq!(session.state.command(), format!("conns {of} --sort=process,pid,local,remote"));
    session.press("5");
    assert_eq!(session.state.command(), format!("conns streams {of}"));
    session.press("4");
    let since = "--since=2026-11-25T10:21:11.000000Z --to=2026-11-26T10:21:11.000000Z";
    assert_eq!(session.state.command(), format!("conns events '--history=/a b' {since}"));
    session.press("1]");
    assert_eq!(session.state.command(), live);
}

#[test]
fn columns_are_chosen_and_the_order_is_underlined() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press("cj <esc>");
    assert!(!session.lines()[3].contains("PID"), "{}", session.text());
    session.press("s");
    assert!(session.text().contains("Sort by"));
    session.press("j<enter>");
    assert_eq!(session.state.sort, "proto");
}

#[test]
fn every_action_is_in_help_and_in_the_documentation() {
    let mut session = Session::new((100, 50));
    session.press("?");
    let text = session.text();
    for binding in BINDINGS {
        let start: String = binding.meaning.chars().take(30).collect();
        assert!(text.contains(&start), "{}", binding.name);
    }
    session.press("<esc>");
    assert!(session.state.overlay.is_none());
    let page = include_str!("../../../../docs/top.md");
    assert!(page.contains(&markdown()), "docs/top.md needs this table:\n{}", markdown());
}

#[test]
fn flags_that_are_wrong_are_refused() {
    let refused = |change: fn(&mut Start)| {
        let mut start = start();
        change(&mut start);
        State::new(start, (80, 24)).err().unwrap()
    };
    assert!(refused(|start| start.filter = "rtt >".to_owned()).contains("expected"));
    assert!(refused(|start| start.sort = Some("rrt".to_owned())).contains("did you mean"));
    assert!(refused(|start| start.columns = Some("rrt".to_owned())).contains("did you mean"));
    assert!(refused(|start| start.group_by = Some("proces".to_owned())).contains("process"));
}

#[test]
fn steps_go_into_the_history_and_back_to_the_present() {
    let mut session = Session::new((120, 20));
    session.update(some());
    let now_us = session.state.latest.as_ref().unwrap().snapshot.at.wall_us;
    let wanted = |session: &Session| match session.effects.last() {
        Some(Effect::Past(at_us)) => *at_us,
        other => panic!("{other:?}"),
    };
    let past = |at_us: i64, connections: Vec<Connection>| {
        let at = Moment { monotonic_us: 1, wall_us: at_us };
        PastMoment {
            update: Arc::new(update(snapshot(1, at, connections))),
            events: Vec::new(),
            time_line: Ok(Timeline::default()),
        }
    };
    session.press("]");
    assert!(session.effects.is_empty() && session.text().contains("this is the present"));
    session.press("[[");
    assert_eq!(wanted(&session), now_us - 120_000_000, "two steps, before either was read");
    // The answer to the first step is not wanted any more.
    session.state.past(now_us - 60_000_000, Ok(past(now_us - 60_000_000, Vec::new())));
    assert!(session.state.frozen.is_none());
    let then = now_us - 120_000_000;
    session.state.past(then, Ok(past(then, some().into_iter().take(1).collect())));
    session.settle();
    assert!(session.text().contains("HISTORY"), "{}", session.text());
    assert!(session.text().contains("2m"), "{}", session.text());
    assert_eq!(session.list.lines.len(), 1);
    // What comes meanwhile changes nothing.
    session.update(some());
    assert_eq!(session.list.lines.len(), 1);
    session.press("}");
    assert!(session.state.frozen.is_none(), "an hour on is the present");
    assert_eq!(session.list.lines.len(), some().len());
    session.press("{");
    let latest_us = session.state.latest.as_ref().unwrap().snapshot.at.wall_us;
    assert_eq!(wanted(&session), latest_us - 3_600_000_000);
    session.state.past(latest_us - 3_600_000_000, Err("no agent sampled then".to_owned()));
    session.settle();
    assert!(session.text().contains("no agent sampled then") && session.state.frozen.is_none());
}

#[test]
fn the_past_has_a_time_line_and_the_events_up_to_its_moment() {
    let mut session = Session::new((160, 20));
    session.update(some());
    session.event(1, EventKind::Closed, made(9, "live", "10.0.0.5:443", Class::Healthy));
    let rows = session.state.regions().body.height;
    session.press("[");
    let at_us = session.state.wanted_us.unwrap();
    let at = Moment { monotonic_us: 1, wall_us: at_us };
    let ended = made(8, "expired", "10.0.0.5:443", Class::Healthy);
    let event =
        |serial| Arc::new(Event { serial, at, kind: EventKind::Closed, connection: ended.clone() });
    let moment = |time_line| PastMoment {
        update: Arc::new(update(snapshot(1, at, some()))),
        events: vec![event(1), event(2)],
        time_line,
    };
    session.state.past(at_us, Ok(moment(Ok(line(at_us)))));
    session.settle();
    let drawn = session.lines()[3].clone();
    assert!(drawn.contains(": 30 open 0 problems 7 ended 0 failed"), "{drawn}");
    let bars: String = drawn.chars().filter(|c| ('\u{2581}'..='\u{2588}').contains(c)).collect();
    assert_eq!((bars.chars().count(), drawn.matches('\u{2503}').count()), (49, 1), "{drawn}");
    assert_eq!(session.state.regions().body.height, rows - 1);
    session.press("4");
    let text = session.text();
    assert!(text.matches("expired").count() == 2 && !text.contains("live"), "{text}");
    session.press(" ");
    let text = session.text();
    assert!(text.contains("live") && !text.contains("expired"), "{text}");
    assert_eq!(session.state.regions().body.height, rows);
    // In ASCII, where it is narrow, and where there is none.
    session.state.theme.ascii = true;
    session.press("1[");
    let at_us = session.state.wanted_us.unwrap();
    session.state.past(at_us, Ok(moment(Ok(line(at_us)))));
    session.settle();
    assert!(session.lines()[3].is_ascii() && session.lines()[3].contains('|'));
    session.state.resize((40, 12));
    let narrow = session.lines()[3].clone();
    assert_eq!((narrow.len(), narrow.matches('|').count()), (40, 1), "{narrow}");
    session.press("[");
    let at_us = session.state.wanted_us.unwrap();
    session.state.past(at_us, Ok(moment(Err("it takes too long".to_owned()))));
    session.settle();
    assert!(session.lines()[3].contains("no time line: it takes too long"));
}

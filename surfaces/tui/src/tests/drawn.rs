//! Pictures of states at several sizes, and what must hold in each.

use conns_core::model::{Ability, AbilityKind, Cost, Loss, LossCause, Missing};
use conns_fixtures::{published, transfer};
use insta::assert_snapshot;
use ratatui::style::Color;

use super::*;

#[test]
fn the_list_at_several_sizes() {
    for (width, height) in [(140, 14), (80, 12), (40, 10)] {
        let mut session = Session::new((width, height));
        session.update(some());
        assert_snapshot!(format!("list-{width}x{height}"), session.text());
    }
    let session = Session::new((39, 9));
    assert_snapshot!("too-small", session.text());
}

#[test]
fn one_connection_is_opened() {
    let mut session = Session::new((100, 24));
    session.update(some());
    session.update(some());
    let curl = made(2, "curl", "192.0.2.7:80", Class::PathLoss);
    session.event(1, EventKind::Opened, curl);
    session.press("<enter>");
    assert_snapshot!("detail", session.text());
}

#[test]
fn other_screens() {
    let mut session = Session::new((100, 12));
    session.update(some());
    session.press("2l");
    assert_snapshot!("processes", session.text());
    session.press("5");
    assert_snapshot!("streams", session.text());
    session.press("6");
    assert_snapshot!("transfers", session.text());
}

#[test]
fn the_past_with_its_time_line() {
    let mut session = Session::new((140, 12));
    session.update(some());
    session.press("[");
    let at_us = session.state.wanted_us.unwrap();
    let at = Moment { monotonic_us: 1, wall_us: at_us };
    let mut publisher = made(5, "nginx", "10.0.0.7:51000", Class::Healthy);
    publisher.application = published("street");
    let mut then = update(snapshot(1, at, vec![some().remove(0), publisher]));
    then.transfers = [transfer()].into();
    let read =
        PastMoment { update: Arc::new(then), events: Vec::new(), time_line: Ok(line(at_us)) };
    session.state.past(at_us, Ok(read));
    session.settle();
    assert_snapshot!("past", session.text());
    session.press("5");
    assert_snapshot!("past-streams", session.text());
    session.press("6");
    assert_snapshot!("past-transfers", session.text());
    session.press("]");
    assert!(session.text().contains("no transfer"), "{}", session.text());
    session.press("5");
    assert!(session.text().contains("no media stream"), "{}", session.text());
}

#[test]
fn an_address_is_never_cut_at_its_port() {
    for width in 40..160 {
        let mut session = Session::new((width, 12));
        session.update(some());
        let lines = session.lines();
        if !lines[3].contains("REMOTE") {
            continue;
        }
        for port in [":443", ":80", ":51413", ":22"] {
            assert!(
                lines.iter().any(|line| line.split_whitespace().any(|w| w.ends_with(port))),
                "{port} at {width}:\n{}",
                session.text()
            );
        }
    }
}

#[test]
fn hostile_names_reach_no_terminal() {
    // A copy to the clipboard (OSC 52), a turn of the direction, a line end, markup.
    let names = [
        "\u{1b}]52;c;cm0gLXJm\u{7}",
        "a\u{202e}b\u{2066}c",
        "x\ny\rz",
        "<img onerror>",
        "\u{9b}31m",
    ];
    let rows = || -> Vec<Connection> {
        (1..).zip(names).map(|(at, name)| made(at, name, "10.0.0.5:443", Class::Stalled)).collect()
    };
    let mut session = Session::new((120, 40));
    session.update(rows());
    for (serial, one) in (1..).zip(rows()) {
        session.event(serial, EventKind::Failed, one);
    }
    for keys in ["", "<enter>", "<esc>y", "<esc>2l", "4", "<enter>", "<esc>1/\u{1b}", "<esc>i"] {
        session.press(keys);
        let text = session.text();
        let harmful = |c: char| c != '\n' && c.is_control() || "\u{202e}\u{2066}".contains(c);
        assert!(!text.contains(harmful), "{keys:?}: {text:?}");
    }
    session.press("<esc>1");
    assert!(session.text().contains("\\u{1b}]52;"), "{}", session.text());
    session.press("yy");
    let Some(Effect::Copy(row)) = session.effects.last() else { panic!("nothing is copied") };
    assert!(!row.contains(char::is_control), "{row:?}");
}

#[test]
fn ascii_and_no_colours_are_honoured() {
    let mut start = start();
    start.settings.theme.ascii = true;
    start.settings.theme.coloured = false;
    let mut session = Session::of(start, (60, 24));
    let mut rows = some();
    rows.push(made(5, "naïve-日本", "10.0.0.5:443", Class::Stalled));
    session.update(rows);
    for keys in ["", "2l", "1?", "<esc>i", "<esc><enter>", "<esc>/re<tab>"] {
        session.press(keys);
        let terminal = session.terminal();
        for cell in &terminal.backend().buffer().content {
            assert!(cell.symbol().is_ascii(), "{keys}: {}", cell.symbol());
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{keys}");
        }
    }
}

#[test]
fn only_what_is_wrong_is_coloured_and_has_a_sign() {
    let mut session = Session::new((120, 20));
    session.update(some());
    let terminal = session.terminal();
    let buffer = terminal.backend().buffer();
    let lines = session.lines();
    for (y, line) in (4..8).map(|y| (y, &lines[y])) {
        let is_wrong = line.contains("path-loss") || line.contains("stalled");
        let row = &buffer.content[y * 120..(y + 1) * 120];
        let is_coloured = row.iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(is_coloured, is_wrong, "{line}");
        assert_eq!(line.starts_with(['!', '#']), is_wrong, "{line}");
    }
}

#[test]
fn the_status_has_what_is_missing_and_turns_loud() {
    let mut session = Session::new((200, 24));
    let mut update = update(snapshot(1, Moment::default(), some()));
    let not_read = Loss::one(Source::Procfs, LossCause::ProcessesNotPermitted);
    Arc::make_mut(&mut update.snapshot).losses =
        vec![not_read.clone(), Loss::one(Source::Derived, LossCause::HistoryFull { bound: 5 })];
    let missing = Some(Missing::Loss(not_read));
    update.health.abilities = vec![Ability { kind: AbilityKind::OwnersOfOthers, missing }];
    update.health.cost = Cost { resident_bytes: 12_000_000, ..Cost::default() };
    session.update_of(update);
    session.state.warnings = vec!["top.toml: keys.quti: there is no such action".to_owned()];
    session.state.tick(Duration::from_secs(7));
    let status = session.lines()[23].clone();
    for part in ["7s old", "1 loss (i)", "owners-of-others", "agent 12MB", "configuration is wrong"]
    {
        assert!(status.contains(part), "{part}: {status}");
    }
    session.press("i");
    assert!(session.text().contains("keys.quti"), "{}", session.text());
    session.press("<esc>");
    session.state.lost("connection refused".to_owned());
    session.state.tick(Duration::from_secs(12));
    let status = session.lines()[23].clone();
    assert!(status.starts_with("NO ANSWER from http://127.0.0.1:7979 for 5s"), "{status}");
    let terminal = session.terminal();
    let first = &terminal.backend().buffer().content[23 * 200];
    assert!(first.modifier.contains(ratatui::style::Modifier::REVERSED) && first.fg == Color::Red);
    session.update(some());
    assert!(!session.lines()[23].contains("NO ANSWER"), "it resumes");
}

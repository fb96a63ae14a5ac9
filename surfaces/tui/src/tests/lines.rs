//! Rows hold still, and the choice follows the connection.

use super::*;

/// The words before the columns of numbers: the process of each row, in order.
fn processes(session: &Session) -> Vec<String> {
    let lines = session.lines();
    let header = lines.iter().position(|line| line.contains("PROCESS")).unwrap();
    let rows = lines[header + 1..lines.len() - 1].iter().filter(|line| !line.is_empty());
    rows.map(|line| line[2..].split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn rows_keep_their_place_until_they_are_sorted_anew() {
    let mut session = Session::new((120, 20));
    session.update(some());
    assert_eq!(processes(&session), ["curl", "curl", "nginx", "sshd"]);
    // One closes, one comes that would be sorted first.
    let mut next = some();
    next.remove(0);
    next.push(made(9, "aria2", "10.0.0.6:80", Class::Healthy));
    session.update(next.clone());
    assert_eq!(processes(&session), ["curl", "curl", "nginx", "sshd", "aria2"]);
    let nginx = session.lines().into_iter().find(|line| line.contains("nginx")).unwrap();
    assert!(nginx.starts_with("x ") && nginx.ends_with("closed"), "{nginx}");
    assert!(session.text().contains("4 connections (+1 closed)"));
    session.update(next);
    assert_eq!(processes(&session).len(), 5, "it stays closed");
    session.press("r");
    assert_eq!(processes(&session), ["aria2", "curl", "curl", "sshd"]);
}

#[test]
fn the_choice_follows_the_connection() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press("jj");
    let id = session.state.chosen_connection().unwrap().id();
    session.press("S");
    assert_eq!(session.state.chosen_connection().unwrap().id(), id);
    assert_eq!(session.state.at, 1, "nginx is the second from the end");
    session.press("<enter>");
    assert!(session.lines()[1].starts_with("nginx[501] tcp 10.0.0.9:50000"), "{}", session.text());
    session.press("<esc>");
    assert_eq!((session.state.chosen_connection().unwrap().id(), session.state.at), (id, 1));
}

#[test]
fn a_row_that_does_not_match_any_more_is_marked() {
    let mut start = start();
    start.filter = "verdict == path-loss".to_owned();
    let mut session = Session::of(start, (120, 20));
    session.update(some());
    assert_eq!(processes(&session), ["curl"]);
    let mut next = some();
    next[1].verdict.class = Class::Healthy;
    session.update(next);
    assert!(session.lines()[4].starts_with("~ curl"), "{}", session.text());
    assert!(session.text().contains("0 connections"), "it is not counted");
    session.press("r");
    assert!(session.text().contains("no connection matches"));
}

#[test]
fn closed_rows_are_bounded() {
    let mut session = Session::new((80, 24));
    let many = |from: u64| -> Vec<Connection> {
        (from..from + 800).map(|at| made(at, "x", "10.0.0.5:443", Class::Idle)).collect()
    };
    session.update(many(1));
    session.update(many(1001));
    session.update(many(2001));
    assert_eq!((session.list.closed, session.list.lines.len()), (1000, 1800));
}

#[test]
fn groups_open_and_keep_their_order() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press("gj<enter>");
    let text = session.text();
    assert!(text.contains("by process") && text.contains("PROCESS"), "{text}");
    let groups = |session: &Session| -> Vec<String> {
        session.list.groups.iter().map(|group| group.key.to_string()).collect()
    };
    assert_eq!(groups(&session), ["curl", "nginx", "sshd"]);
    session.press("l");
    assert_eq!(session.list.lines.len(), 5, "curl has two");
    let mut next = some();
    next.extend((10..20).map(|at| made(at, "sshd", "10.0.0.8:22", Class::Idle)));
    session.update(next);
    assert_eq!(groups(&session), ["curl", "nginx", "sshd"], "though sshd has more now");
    session.press("jj<left>");
    assert_eq!((session.state.at, session.list.lines.len()), (0, 3), "closed from within");
    session.press("r");
    assert_eq!(groups(&session), ["sshd", "curl", "nginx"]);
}

#[test]
fn freezing_keeps_what_happens_meanwhile() {
    let mut session = Session::new((120, 20));
    session.update(some());
    session.press(" ");
    session.update(vec![made(7, "late", "10.0.0.5:1", Class::Healthy)]);
    session.event(1, EventKind::Failed, made(8, "brief", "10.0.0.5:2", Class::Unknown));
    let text = session.text();
    assert_eq!(processes(&session).len(), 4, "{text}");
    assert!(text.contains("FROZEN at 2026-11-26T10:22:11, +1 updates, +1 events"), "{text}");
    // Narrowing works on what stands still.
    session.press("/nginx<enter>");
    assert_eq!(processes(&session), ["nginx"]);
    session.press("4");
    assert!(session.text().contains("no event yet"));
    session.press(" ");
    session.press("<esc>");
    assert!(session.text().contains("failed   brief(508)"), "{}", session.text());
    session.press("1");
    assert_eq!(processes(&session), ["late"]);
}

#[test]
fn a_list_that_was_on_its_way_is_of_the_second_that_is_named() {
    let mut session = Session::new((120, 20));
    session.update(some());
    // The second update has come, its list has not.
    let at = Moment { monotonic_us: 2_000_000, wall_us: 1_795_688_532_000_000 };
    let second = update(snapshot(2, at, vec![made(7, "second", "10.0.0.5:1", Class::Idle)]));
    session.state.update(Arc::new(second));
    session.press(" ");
    session.update(vec![made(8, "third", "10.0.0.5:1", Class::Idle)]);
    let text = session.text();
    assert!(text.contains("FROZEN at 2026-11-26T10:22:12"), "{text}");
    assert!(text.contains("second") && !text.contains("third"), "{text}");
}

#[test]
fn events_are_followed_at_the_end_and_hold_still_elsewhere() {
    let mut session = Session::new((100, 12));
    session.press("4");
    for serial in 1..=30 {
        session.event(
            serial,
            EventKind::Opened,
            made(serial, "curl", "10.0.0.5:80", Class::Unknown),
        );
    }
    assert_eq!(session.state.at, 29);
    session.press("kk");
    let before = session.lines()[4..10].to_vec();
    session.event(31, EventKind::Failed, made(31, "curl", "10.0.0.5:80", Class::Unknown));
    assert_eq!(session.lines()[4..10].to_vec(), before);
    session.press("G");
    assert!(session.lines()[10].starts_with("# "), "{}", session.text());
}

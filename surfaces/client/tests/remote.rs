//! The remote agent by what goes over the wire: what it asks, how changes are applied, and its errors
//! for whatever else may answer there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "remote/events.rs"]
mod events;
#[path = "remote/fixture.rs"]
mod fixture;
#[path = "remote/refusals.rs"]
mod refusals;
#[allow(dead_code, reason = "a machine for the tests of the wire; some of it is enough here")]
#[path = "../../api/tests/wire/sample.rs"]
mod sample;
#[path = "remote/secure.rs"]
mod secure;

use std::sync::Arc;
use std::time::Duration;

use conns_api::{
    Agent, AgentError, Ask, Pace, ResumeId, UpdateQuery, Updates, View, next_update, observe,
    sample_once,
};
use conns_client::{Remote, RemoteError, Target, Timeouts};
use conns_core::model::{Snapshot, Update};
use fixture::{Act, Fixture, answered};
use sample::{Agent as SampleAgent, listener, socket};

fn target(url: impl Into<String>) -> Target {
    Target { url: url.into(), ..Target::default() }
}

fn all() -> UpdateQuery {
    UpdateQuery { ask: Ask { view: View::All, ..Ask::default() }, ..UpdateQuery::default() }
}

fn updates(remote: &mut Remote) -> Box<dyn Updates> {
    remote.updates(&all().ask, Pace::default()).unwrap()
}

fn next(updates: &mut Box<dyn Updates>) -> Arc<Snapshot> {
    Arc::clone(&next_update(&mut **updates).unwrap().snapshot)
}

fn after(update: &Update) -> UpdateQuery {
    UpdateQuery { after: Some(ResumeId::new(update, 0)), ..all() }
}

fn cookies(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.connections.iter().map(|connection| connection.socket.id.cookie).collect()
}

/// Three updates: a connection more, and one less.
fn samples() -> [Update; 3] {
    let web = || socket(1, "10.0.0.5:443", "192.0.2.7:51000", 1000);
    let late = || socket(2, "10.0.0.5:443", "192.0.2.7:51001", 7);
    let listener = || listener(3, "0.0.0.0:443");
    let mut agent = SampleAgent::new();
    let held = &[(100, 1), (100, 2), (100, 3)];
    [
        agent.update(vec![web(), listener()], held),
        agent.update(vec![web(), late(), listener()], held),
        agent.update(vec![late(), listener()], held),
    ]
}

#[test]
fn the_state_is_fetched_once_and_then_the_changes() {
    let [one, two, three] = samples();
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&one, &all()),
        answered(&two, &after(&one)),
        answered(&three, &after(&two)),
    ])]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let mut updates = updates(&mut remote);
    let first = next(&mut updates);
    assert_eq!(cookies(&first), [1, 3]);
    assert_eq!(cookies(&next(&mut updates)), [1, 3, 2]);
    assert_eq!(cookies(&next(&mut updates)), [3, 2]);
    // What was handed out stays as it was.
    assert_eq!(cookies(&first), [1, 3]);

    let head = fixture.asked();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "GET /api/v1/snapshot?view=all&versions=1 HTTP/1.1");
    assert!(lines.contains(&&*format!("host: {}", fixture.address)), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    assert!(
        fixture
            .asked()
            .starts_with("GET /api/v1/snapshot?view=all&after=000000000000004d-1-0&versions=1 ")
    );
    assert!(
        fixture
            .asked()
            .starts_with("GET /api/v1/snapshot?view=all&after=000000000000004d-2-0&versions=1 ")
    );
}

#[test]
fn everything_in_the_query_crosses() {
    let fixture = Fixture::open(vec![Act::Answer(vec![answered(&samples()[0], &all())])]);
    let ask = Ask {
        view: View::Listening,
        udp: false,
        ipv6: false,
        namespaces: vec!["blue & red".to_owned(), "net:[7]".to_owned()],
        ..Ask::default()
    };
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    sample_once(&mut remote, &ask).unwrap();
    let head = fixture.asked();
    let query = head.split([' ', '?']).nth(2).unwrap();
    assert_eq!(
        UpdateQuery::from_query(query).unwrap(),
        UpdateQuery { ask, ..UpdateQuery::default() }
    );
}

#[test]
fn another_channel_starts_from_nothing() {
    let [one, two, _] = samples();
    let answers = vec![answered(&one, &all()), answered(&two, &UpdateQuery::default())];
    let acts = answers.into_iter().map(|answer| Act::Answer(vec![answer])).collect();
    let fixture = Fixture::open(acts);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let mut first = updates(&mut remote);
    next(&mut first);
    // A channel of its own, on a connection of its own.
    assert_eq!(cookies(&sample_once(&mut remote, &Ask::default()).unwrap()), [1, 2]);
    fixture.asked();
    assert!(fixture.asked().starts_with("GET /api/v1/snapshot?view=connections&versions=1 "));
}

#[test]
fn a_connection_that_was_closed_is_opened_again() {
    let [one, two, _] = samples();
    let fixture = Fixture::open(vec![
        Act::Answer(vec![answered(&one, &all())]),
        Act::Answer(vec![answered(&two, &after(&one))]),
    ]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let mut updates = updates(&mut remote);
    next(&mut updates);
    assert_eq!(cookies(&next(&mut updates)), [1, 3, 2]);
}

#[test]
fn a_restarted_agent_sends_everything() {
    let [one, mut two, _] = samples();
    two.instance = 78;
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&one, &all()),
        answered(&two, &after(&one)),
    ])]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let mut updates = updates(&mut remote);
    next(&mut updates);
    assert_eq!(cookies(&next(&mut updates)), [1, 2, 3]);
}

#[test]
fn changes_that_were_not_asked_for_are_refused_and_the_state_is_fetched_again() {
    let [one, two, three] = samples();
    let fixture = Fixture::open(vec![Act::Answer(vec![
        answered(&one, &all()),
        answered(&three, &after(&two)),
        answered(&three, &all()),
    ])]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let mut updates = updates(&mut remote);
    next(&mut updates);
    let error = next_update(&mut *updates).unwrap_err().to_string();
    assert!(error.contains("was not asked about"), "{error}");
    assert_eq!(cookies(&next(&mut updates)), [2, 3]);
    for _ in 0..2 {
        fixture.asked();
    }
    assert!(!fixture.asked().contains("after="));
}

#[test]
fn a_span_that_the_agent_has_observed_is_answered_at_once_and_another_awaited() {
    let [one, two, three] = samples();
    // The first two of these were made before the span was over.
    let answers =
        vec![answered(&one, &all()), answered(&two, &after(&one)), answered(&three, &after(&two))];
    let fixture = Fixture::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    let (span, interval) = (Duration::from_secs(2), Duration::from_millis(100));
    let snapshot = observe(&mut remote, &all().ask, span, interval).unwrap();
    assert_eq!(snapshot.sequence, 3);
    for _ in 0..3 {
        fixture.asked();
    }
    assert!(fixture.was_asked_no_more());
}

#[test]
#[cfg(unix)]
fn a_socket_file_is_an_agent_too() {
    use std::os::unix::net::UnixListener;

    let folder = std::env::temp_dir().join(format!("conns-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answer = answered(&samples()[0], &all());
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(fixture::DEADLINE)).unwrap();
        let (asked, heads) = std::sync::mpsc::channel();
        fixture::play(stream, Act::Answer(vec![answer]), |head| asked.send(head).unwrap());
        heads.recv().unwrap()
    });
    let url = format!("unix:{}", path.display());
    let token = Some("conns_x".to_owned());
    let mut remote = Remote::connect(&Target { url, token, ca: None }).unwrap();
    assert_eq!(cookies(&sample_once(&mut remote, &all().ask).unwrap()), [1, 3]);
    let head = serving.join().unwrap();
    assert!(head.contains("\r\nhost: localhost\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: Bearer conns_x\r\n"), "{head}");

    // Now there is a file, but no listener behind it; then no file.
    let refused = |url: String| Remote::connect(&target(url)).err().unwrap().to_string();
    let url = format!("unix:{}", path.display());
    assert!(refused(url.clone()).contains("Is it running? Start it there with `conns serve`"));
    std::fs::remove_dir_all(&folder).unwrap();
    let message = refused(url.clone());
    assert!(
        message.starts_with(&format!("cannot reach the agent {url}: No such file")),
        "{message}"
    );
}

#[test]
fn an_unknown_namespace_is_an_error_of_the_query() {
    let body = br#"{"error":{"code":"no-such-namespace","message":"no network namespace `red`"}}"#;
    let answer = fixture::answer("404 Not Found", "application/json", body);
    let fixture = Fixture::open(vec![Act::Answer(vec![answer])]);
    let mut remote = Remote::connect(&target(fixture.url())).unwrap();
    match sample_once(&mut remote, &all().ask) {
        Err(AgentError::NotThere(message)) => assert_eq!(message, "no network namespace `red`"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn waiting_has_an_end() {
    let timeouts = Timeouts { connect: fixture::DEADLINE, answer: Duration::from_millis(100) };
    // Nothing, a head that never ends, a body that never comes.
    let partial = fixture::answer("200 OK", conns_api::SNAPSHOT_TYPE, &[1; 100]);
    for act in [
        Act::Silence,
        Act::Send(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        Act::Send(partial[..partial.len() - 1].to_vec()),
    ] {
        let fixture = Fixture::open(vec![act]);
        let mut remote = Remote::connect_within(&target(fixture.url()), timeouts).unwrap();
        let error = sample_once(&mut remote, &all().ask).unwrap_err().to_string();
        assert!(error.contains("did not answer within 0.1 s"), "{error}");
    }
    let timeouts = Timeouts { connect: Duration::from_millis(100), answer: fixture::DEADLINE };
    let fixture = Fixture::open(vec![Act::Silence]);
    let url = format!("https://{}", fixture.address);
    let error = Remote::connect_within(&target(url), timeouts).err().unwrap();
    assert!(matches!(error, RemoteError::TooSlow { .. }), "{error}");
}

//! The `Agent` of an agent elsewhere, held to what goes over the wire: what it asks, how it keeps up,
//! and what it says of whatever else may answer there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking what went wrong"
)]

#[path = "remote/events.rs"]
mod events;
#[path = "remote/refusals.rs"]
mod refusals;
#[allow(dead_code, reason = "a machine for the tests of the wire; some of it is enough here")]
#[path = "../../api/tests/wire/sample.rs"]
mod sample;
#[path = "remote/secure.rs"]
mod secure;
#[path = "remote/stage.rs"]
mod stage;

use std::sync::Arc;
use std::time::Duration;

use conns_api::{Agent, AgentError, Ask, Mark, Question, View};
use conns_client::{Patience, Remote, RemoteError, Target};
use conns_core::model::{Snapshot, Update};
use sample::{Agent as SampleAgent, listener, socket};
use stage::{Act, Stage, told};

fn target(url: impl Into<String>) -> Target {
    Target { url: url.into(), ..Target::default() }
}

fn all() -> Question {
    Question { ask: Ask { view: View::All, ..Ask::default() }, ..Question::default() }
}

fn after(update: &Update) -> Question {
    Question { after: Some(Mark::of(update)), ..all() }
}

fn cookies(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.connections.iter().map(|connection| connection.socket.id.cookie).collect()
}

/// Three looks: a connection more, and one less.
fn looks() -> [Update; 3] {
    let web = || socket(1, "10.0.0.5:443", "192.0.2.7:51000", 1000);
    let late = || socket(2, "10.0.0.5:443", "192.0.2.7:51001", 7);
    let listener = || listener(3, "0.0.0.0:443");
    let mut agent = SampleAgent::new();
    let held = &[(100, 1), (100, 2), (100, 3)];
    [
        agent.look(vec![web(), listener()], held),
        agent.look(vec![web(), late(), listener()], held),
        agent.look(vec![late(), listener()], held),
    ]
}

#[test]
fn the_state_is_fetched_once_and_then_what_changed() {
    let [one, two, three] = looks();
    let stage = Stage::open(vec![Act::Answer(vec![
        told(&one, &all()),
        told(&two, &after(&one)),
        told(&three, &after(&two)),
    ])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let first = remote.look(&all().ask).unwrap();
    assert_eq!(cookies(&first), [1, 3]);
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [1, 3, 2]);
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [3, 2]);
    // What was handed out stays as it was.
    assert_eq!(cookies(&first), [1, 3]);

    let head = stage.asked();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "GET /api/v1/snapshot?view=all HTTP/1.1");
    assert!(lines.contains(&&*format!("host: {}", stage.address)), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    assert!(stage.asked().starts_with("GET /api/v1/snapshot?view=all&after=77-1 "));
    assert!(stage.asked().starts_with("GET /api/v1/snapshot?view=all&after=77-2 "));
}

#[test]
fn everything_in_the_question_crosses() {
    let stage = Stage::open(vec![Act::Answer(vec![told(&looks()[0], &all())])]);
    let ask = Ask {
        view: View::Listening,
        udp: false,
        ipv6: false,
        namespaces: vec!["blue & red".to_owned(), "net:[7]".to_owned()],
        ..Ask::default()
    };
    Remote::connect(&target(stage.url())).unwrap().look(&ask).unwrap();
    let head = stage.asked();
    let query = head.split([' ', '?']).nth(2).unwrap();
    assert_eq!(Question::from_query(query).unwrap(), Question { ask, ..Question::default() });
}

#[test]
fn another_question_starts_from_nothing() {
    let [one, two, _] = looks();
    let answers = vec![told(&one, &all()), told(&two, &Question::default())];
    let stage = Stage::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.look(&all().ask).unwrap();
    assert_eq!(cookies(&remote.look(&Ask::default()).unwrap()), [1, 2]);
    stage.asked();
    assert!(stage.asked().starts_with("GET /api/v1/snapshot?view=connections "));
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_opened_anew() {
    let [one, two, _] = looks();
    let stage = Stage::open(vec![
        Act::Answer(vec![told(&one, &all())]),
        Act::Answer(vec![told(&two, &after(&one))]),
    ]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.look(&all().ask).unwrap();
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [1, 3, 2]);
}

#[test]
fn an_agent_that_was_started_anew_tells_everything() {
    let [one, mut two, _] = looks();
    two.instance = 78;
    let stage = Stage::open(vec![Act::Answer(vec![told(&one, &all()), told(&two, &after(&one))])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.look(&all().ask).unwrap();
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [1, 2, 3]);
}

#[test]
fn changes_nobody_asked_for_are_refused_and_forgotten() {
    let [one, two, three] = looks();
    let stage = Stage::open(vec![Act::Answer(vec![
        told(&one, &all()),
        told(&three, &after(&two)),
        told(&three, &all()),
    ])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    remote.look(&all().ask).unwrap();
    let error = remote.look(&all().ask).unwrap_err().to_string();
    assert!(error.contains("was not asked about"), "{error}");
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [2, 3]);
    for _ in 0..2 {
        stage.asked();
    }
    assert!(!stage.asked().contains("after="));
}

#[test]
fn a_span_the_agent_has_watched_is_answered_at_once_and_another_awaited() {
    let looks = looks();
    let span = Duration::from_secs(2);
    let question = Question { span, ..all() };
    // The first two of these have not watched for so long: the agent let the time run out.
    let answers = looks.iter().map(|update| told(update, &question)).collect();
    let stage = Stage::open(vec![Act::Answer(answers)]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let snapshot = remote.watch(&all().ask, span, Duration::from_millis(100)).unwrap();
    assert_eq!(snapshot.sequence, 3);
    for _ in 0..3 {
        assert!(stage.asked().contains("?view=all&span_us=2000000 "));
    }
    assert!(stage.was_asked_no_more());
}

#[test]
#[cfg(unix)]
fn a_socket_file_is_an_agent_too() {
    use std::os::unix::net::UnixListener;

    let folder = std::env::temp_dir().join(format!("conns-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answer = told(&looks()[0], &all());
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(stage::DEADLINE)).unwrap();
        let (asked, heads) = std::sync::mpsc::channel();
        stage::play(stream, Act::Answer(vec![answer]), |head| asked.send(head).unwrap());
        heads.recv().unwrap()
    });
    let url = format!("unix:{}", path.display());
    let token = Some("conns_x".to_owned());
    let mut remote = Remote::connect(&Target { url, token, ca: None }).unwrap();
    assert_eq!(cookies(&remote.look(&all().ask).unwrap()), [1, 3]);
    let head = serving.join().unwrap();
    assert!(head.contains("\r\nhost: localhost\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: Bearer conns_x\r\n"), "{head}");

    // Now there is a file, but nobody behind it; then no file.
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
fn what_was_handed_out_is_shared_not_copied() {
    let stage = Stage::open(vec![Act::Answer(vec![told(&looks()[0], &all())])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    let snapshot = remote.look(&all().ask).unwrap();
    assert_eq!(Arc::strong_count(&snapshot), 2);
}

#[test]
fn a_namespace_that_is_not_there_is_the_askers_fault() {
    let body = br#"{"error":{"code":"no-such-namespace","message":"no network namespace `red`"}}"#;
    let answer = stage::answer("404 Not Found", "application/json", body);
    let stage = Stage::open(vec![Act::Answer(vec![answer])]);
    let mut remote = Remote::connect(&target(stage.url())).unwrap();
    match remote.look(&all().ask) {
        Err(AgentError::NotThere(message)) => assert_eq!(message, "no network namespace `red`"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn waiting_has_an_end() {
    let patience = Patience { connect: stage::DEADLINE, answer: Duration::from_millis(100) };
    // Nothing, a head that never ends, a body that never comes.
    let partial = stage::answer("200 OK", conns_api::SNAPSHOT_TYPE, &[1; 100]);
    for act in [
        Act::Silence,
        Act::Say(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        Act::Say(partial[..partial.len() - 1].to_vec()),
    ] {
        let stage = Stage::open(vec![act]);
        let mut remote = Remote::connect_within(&target(stage.url()), patience).unwrap();
        let error = remote.look(&all().ask).unwrap_err().to_string();
        assert!(error.contains("did not answer within 0.1 s"), "{error}");
    }
    let patience = Patience { connect: Duration::from_millis(100), answer: stage::DEADLINE };
    let stage = Stage::open(vec![Act::Silence]);
    let url = format!("https://{}", stage.address);
    let error = Remote::connect_within(&target(url), patience).err().unwrap();
    assert!(matches!(error, RemoteError::TooSlow { .. }), "{error}");
}

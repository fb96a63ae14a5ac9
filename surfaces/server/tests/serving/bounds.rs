//! Limits on clients.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use conns_server::Limits;

use crate::agent::{Agent, HUGE, LONGEST, PATIENCE, eventually};
use crate::client::Client;

const SHORT: Duration = Duration::from_millis(200);

/// Other clients are served.
fn still_serves(agent: &Agent) {
    assert_eq!(Client::connect(agent.address()).get("/a").status(), 200);
}

#[test]
fn a_slow_head_is_not_waited_for() {
    let agent = Agent::with_limits(&["1e=:0"], Limits { head_time: SHORT, ..Limits::default() });
    let mut client = Client::connect(agent.address());
    // A byte now and then does not help.
    let drip = "GET /".to_owned() + &"a".repeat(2000);
    let begun = Instant::now();
    for byte in drip.bytes() {
        if client.stream.get_mut().write_all(&[byte]).is_err() {
            break;
        }
        if agent.refused("head-too-slow") > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(client.rest(), 0);
    agent.eventually_refused("head-too-slow", 1);
    still_serves(&agent);
}

#[test]
fn a_slow_body_is_not_waited_for() {
    let agent = Agent::with_limits(&["1e=:0"], Limits { body_time: SHORT, ..Limits::default() });
    let mut client = Client::connect(agent.address());
    client.ask("POST /a", "Content-Length: 10\r\n");
    client.send("abc");
    assert_eq!(client.rest(), 0);
    agent.eventually_refused("body-too-slow", 1);
    still_serves(&agent);
}

#[test]
fn idle_clients_are_closed() {
    let limits = Limits { idle_time: SHORT, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0"], limits);
    let mut silent = Client::connect(agent.address());
    let mut asked = Client::connect(agent.address());
    assert_eq!(asked.get("/a").status(), 200);
    assert_eq!((silent.rest(), asked.rest()), (0, 0));
    agent.eventually_refused("idle-too-long", 2);
    still_serves(&agent);
}

#[test]
fn a_reader_that_reads_nothing_is_closed() {
    let limits = Limits { write_time: SHORT, answer_rate: 1, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0", "ems-json=:0"], limits);
    let mut stuck = Client::with_small_buffer(agent.address());
    stuck.ask("GET /huge", "");
    let mut lines = Client::with_small_buffer(agent.addresses[1]);
    lines.send("huge\n");
    agent.eventually_refused("reader-too-slow", 2);
    assert!(stuck.rest() < HUGE && lines.rest() < HUGE);
    assert_eq!(agent.refused("reader-too-slow"), 2);
    // A client that reads gets all of it; with time enough for one that the scheduler delays.
    let patient = Agent::with_limits(&["1e=:0"], Limits::default());
    assert_eq!(Client::connect(patient.address()).get("/huge").body.len(), HUGE + 2);
    assert_eq!(patient.refused("reader-too-slow"), 0);
}

#[test]
fn a_reader_below_the_minimum_rate_is_closed() {
    // Time enough for a reader of 100 MB/s.
    let limits = Limits { write_time: SHORT, answer_rate: 100 << 20, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0"], limits);
    let mut sips = Client::with_small_buffer(agent.address());
    sips.ask("GET /huge", "");
    let mut sip = [0; 2048];
    eventually("dropped", || {
        let _ = sips.stream.get_mut().read(&mut sip);
        agent.refused("reader-too-slow") == 1
    });
    assert!(sips.rest() < HUGE);
    still_serves(&agent);
}

#[test]
fn slow_readers_of_old_lists_are_closed_over_the_budget() {
    let limits = Limits { in_flight_bytes: HUGE + 1, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0"], limits);
    let asks = || {
        let mut client = Client::with_small_buffer(agent.address());
        client.ask("GET /huge/other", "");
        assert!(client.head().starts_with("HTTP/1.1 200"));
        client
    };
    let (mut first, mut second) = (asks(), asks());
    // Two lists are sent, even if they exceed the budget.
    assert_eq!(agent.refused("in-flight-full"), 0);
    let mut third = Client::connect(agent.address());
    assert_eq!(third.get("/huge/other").body.len(), HUGE);
    agent.eventually_refused("in-flight-full", 1);
    assert!(first.rest() < HUGE);
    second.stream.read_exact(&mut vec![0; HUGE]).expect("the whole list");
    still_serves(&agent);
}

#[test]
fn bodies_that_are_too_long_are_not_read() {
    let agent = Agent::with_limits(&["1e=:0", "monero=:0", ":0"], Limits::default());
    // The dialect decides the response.
    let announced = format!("Content-Length: {}\r\n", LONGEST + 1);
    let mut client = Client::connect(agent.address());
    client.ask("POST /a", &announced);
    assert_eq!(client.answer().text(), "too long");
    let mut client = Client::connect(agent.addresses[1]);
    client.ask("POST /a", &announced);
    assert_eq!(client.rest(), 0);
    let mut client = Client::connect(agent.addresses[2]);
    client.ask("POST /health", &announced);
    assert_eq!(client.answer().status(), 413);
    assert_eq!(agent.refused("body-too-long"), 3);
    let mut client = Client::connect(agent.address());
    client.ask("POST /a", "Transfer-Encoding: chunked\r\n");
    client.send(format!("{:x}\r\n{}", LONGEST + 1, "x".repeat(LONGEST + 1)));
    assert_eq!(client.answer().text(), "too long");
    agent.eventually_refused("body-too-long", 4);
    still_serves(&agent);
}

#[test]
fn all_bodies_together_are_limited() {
    let limits = Limits { bodies_bytes: 1000, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0"], limits);
    let post = || {
        let mut client = Client::connect(agent.address());
        client.ask("POST /a", "Content-Length: 901\r\n");
        client.send("x".repeat(900));
        client
    };
    // There is room for one of them, whichever is read first.
    let both = [post(), post()];
    agent.eventually_refused("bodies-full", 1);
    let mut statuses = both.map(|mut client| {
        // To the refused one it may be closed already.
        let _ = client.stream.get_mut().write(b"z");
        client.answer().status()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let mut later = post();
    later.send("z");
    assert_eq!(later.answer().status(), 200);
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let agent = Agent::with_limits(&["1e=:0"], Limits::default());
    let long = format!("X: {}\r\n", "x".repeat(Limits::HEAD_BYTES));
    let many = "X: y\r\n".repeat(200);
    let path = format!("GET /{}", "p".repeat(Limits::HEAD_BYTES));
    for (request, more) in [("GET /a", &*long), ("GET /a", &*many), (&*path, "")] {
        let mut client = Client::connect(agent.address());
        client.ask(request, more);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 431") || head.starts_with("HTTP/1.1 414"), "{head}");
        client.rest();
    }
    agent.eventually_refused("head-too-long", 3);
    still_serves(&agent);
}

#[test]
fn when_all_slots_are_taken_the_longest_idle_client_is_evicted() {
    let agent = Agent::with_limits(&["1e=:0"], Limits { clients: 3, ..Limits::default() });
    let mut clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = Client::connect(agent.address());
            assert_eq!(client.get("/a").status(), 200);
            client
        })
        .collect();
    // The first was used since, so the second is evicted.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(clients[0].get("/a").status(), 200);
    let mut fourth = Client::connect(agent.address());
    assert_eq!(fourth.get("/a").status(), 200);
    assert_eq!(clients[1].rest(), 0);
    agent.eventually_refused("idle-client-evicted", 1);
    assert_eq!(clients[0].get("/a").status(), 200);
    assert_eq!(clients[2].get("/a").status(), 200);
}

#[test]
fn when_all_slots_are_taken_by_active_clients_new_ones_are_refused() {
    let limits = Limits { clients_per_listener: 2, ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0", "1e=:0", "ems-json=:0"], limits);
    let mut busy: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Client::connect(agent.address());
            client.ask("POST /a", "Content-Length: 1\r\nExpect: 100-continue\r\n");
            assert!(client.head().starts_with("HTTP/1.1 100"));
            client
        })
        .collect();
    let mut refused = Client::connect(agent.address());
    assert_eq!(refused.answer().status(), 503);
    assert_eq!(refused.rest(), 0);
    agent.eventually_refused("listener-clients-full", 1);
    // Other listeners have slots of their own.
    assert_eq!(Client::connect(agent.addresses[1]).get("/a").status(), 200);
    for client in &mut busy {
        client.send("x");
        assert_eq!(client.answer().status(), 200);
    }
    still_serves(&agent);
}

#[test]
fn streams_are_limited_by_the_setting_and_end_with_the_agent() {
    let limits = Limits {
        streams: 2,
        stop_time: Duration::from_millis(300),
        // None of these applies to an active stream.
        idle_time: SHORT,
        work_time: SHORT,
        write_time: SHORT,
        ..Limits::default()
    };
    let mut agent = Agent::with_limits(&[":0"], limits);
    let open = || {
        let mut client = Client::connect(agent.address());
        client.ask("GET /api/v1/changes", "");
        let head = client.head();
        (client, head)
    };
    let (first, second) = (open(), open());
    for (_, head) in [&first, &second] {
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    }
    assert!(open().1.starts_with("HTTP/1.1 503"));
    assert_eq!(agent.refused("streams-full"), 1);
    drop(first);
    let mut sequence = 1;
    eventually("its slot is free", || {
        // A write shows that the client has left.
        sequence += 1;
        agent.publish.send(crate::agent::update(sequence)).unwrap();
        open().1.starts_with("HTTP/1.1 200")
    });
    std::thread::sleep(4 * SHORT);
    let (mut second, _) = second;
    agent.ended();
    second.rest();
    assert_eq!(agent.refused("reader-too-slow") + agent.refused("idle-too-long"), 0);
}

#[test]
fn vanished_clients_free_their_slots() {
    let limits = Limits { clients: 20, idle_time: Duration::from_secs(60), ..Limits::default() };
    let agent = Agent::with_limits(&["1e=:0"], limits);
    for at in 0..200 {
        let mut client = Client::connect(agent.address());
        match at % 4 {
            0 => client.send("GET /a HT"),
            1 => client.ask("POST /a", "Content-Length: 5\r\n"),
            2 => client.ask("GET /huge", ""),
            _ => {}
        }
        if at % 8 > 3 {
            // A reset instead of an end.
            socket2::SockRef::from(client.stream.get_ref())
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }
    // Had any of these slots leaked, there would be no room for twenty.
    eventually("room for twenty at work", || {
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(agent.address())).collect();
        clients.iter_mut().all(|client| {
            client.ask("GET /a", "");
            let mut answer = [0; 12];
            client.stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
        })
    });
}

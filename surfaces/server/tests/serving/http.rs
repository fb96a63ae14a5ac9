//! HTTP.

use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use conns_server::{Access, Limits};

use crate::agent::{Agent, HUGE, LONGEST, eventually, update};
use crate::client::Client;

#[test]
fn one_port_has_everything_by_its_path() {
    let agent = Agent::start(&[":0"], Access::default());
    let mut client = Client::connect(agent.address());
    for (path, text) in [
        ("/1e", "1e GET / 0 false"),
        ("/1e/", "1e GET / 0 false"),
        ("/1e?a=b", "1e GET /?a=b 0 false"),
        ("/monero/json_rpc", "monero GET /json_rpc 0 false"),
        ("/ems/listConnections?params=YQ==", "ems-http GET /listConnections?params=YQ== 0 false"),
        ("/jetstream", "jetstream-http GET / 0 false"),
    ] {
        assert_eq!(client.get(path).text(), text);
    }
    for path in ["/1ex", "/monerox/json_rpc", "/nothing"] {
        assert_eq!(client.get(path).status(), 404, "{path}");
    }
}

#[test]
fn classic_ports_have_one_dialect_each() {
    let specs = ["1e=:0", "monero=:0", "ems-http=:0", "jetstream=:0"];
    let agent = Agent::start(&specs, Access::default());
    let names = ["1e", "monero", "ems-http", "jetstream-http"];
    for (address, name) in agent.addresses.iter().zip(names) {
        let mut client = Client::connect(*address);
        assert_eq!(client.get("/monero/a?b").text(), format!("{name} GET /monero/a?b 0 false"));
        // Of an absolute request the dialect sees what a proxy would pass on, and no more.
        client.ask("GET http://localhost/x", "");
        assert!(client.answer().text().contains("/x 0"));
    }
}

#[test]
fn classic_ports_write_heads_as_the_real_systems_do() {
    let agent = Agent::start(&["monero=:0", "ems-http=:0", ":0"], Access::default());
    let head = |at: usize, path| Client::connect(agent.addresses[at]).get(path).head;
    let text = head(0, "/json_rpc");
    assert_eq!(text, "HTTP/1.1 200 Ok\r\nContent-Length: 28\r\n\r\n");
    assert_eq!(head(1, "/x"), "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n");
    let text = head(2, "/monero/x");
    assert!(text.starts_with("HTTP/1.1 200 Ok\r\n"), "{text}");
    assert!(!text.to_lowercase().contains("access-control"), "{text}");
}

#[test]
fn any_verb_and_any_body_reach_the_dialect() {
    let agent = Agent::start(&["monero=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    for verb in ["PATCH", "OPTIONS", "FROBNICATE", "PUT"] {
        client.ask(&format!("{verb} /a"), "Content-Length: 3\r\n");
        client.send("abc");
        assert_eq!(client.answer().text(), format!("monero {verb} /a 3 false"));
    }
    client.ask("POST /a", "Transfer-Encoding: chunked\r\n");
    client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "monero POST /a 5 true");
    let body = vec![b'x'; LONGEST];
    client.ask("POST /a", &format!("Content-Length: {LONGEST}\r\n"));
    client.send(&body);
    assert_eq!(client.answer().text(), format!("monero POST /a {LONGEST} false"));
}

#[test]
fn expect_continue_is_answered() {
    let agent = Agent::start(&["1e=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    client.ask("POST /a", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    assert_eq!(client.answer().text(), "1e POST /a 3 false");
}

#[test]
fn a_head_alone_comes_without_a_body() {
    let agent = Agent::start(&["monero=:0", ":0"], Access::default());
    for (address, path) in agent.addresses.iter().zip(["/abc", "/monero/abc"]) {
        let mut client = Client::connect(*address);
        client.ask(&format!("HEAD {path}"), "");
        let head = client.head();
        assert!(head.to_lowercase().contains("content-length: 24\r\n"), "{head}");
        // What comes next is the next answer.
        assert_eq!(client.get(path).text(), "monero GET /abc 0 false");
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let agent = Agent::start(&[":0"], Access::default());
    let mut client = Client::connect(agent.address());
    let ask = |at| format!("GET /1e/{at} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.send((0..100).map(ask).collect::<String>());
    for at in 0..100 {
        assert_eq!(client.answer().text(), format!("1e GET /{at} 0 false"));
    }
    assert_eq!(client.get("/1e").status(), 200);
}

#[test]
fn connections_are_kept_alive_unless_the_client_closes() {
    let agent = Agent::start(&[":0"], Access::default());
    let mut client = Client::connect(agent.address());
    client.ask("GET /1e", "Connection: close\r\n");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.rest(), 0);
    let mut old = Client::connect(agent.address());
    old.send("GET /1e HTTP/1.0\r\n\r\n");
    let answer = old.answer();
    assert!(answer.head.starts_with("HTTP/1.0 200"), "{}", answer.head);
    assert_eq!(old.rest(), 0);
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let agent = Agent::start(&["monero=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    client.ask("GET /huge", "");
    client.half_close();
    assert_eq!(client.answer().body.len(), HUGE + 2);
    assert_eq!(client.rest(), 0);
}

#[test]
fn a_connection_continues_after_its_buffers_were_released() {
    let agent = Agent::start(&["1e=:0", "ems-json=:0"], Access::default());
    // The sweeper releases the buffers of clients that were idle for two seconds.
    let quiet = Duration::from_millis(3500);
    let mut asked = Client::connect(agent.address());
    assert_eq!(asked.get("/a").status(), 200);
    let mut begun = Client::connect(agent.address());
    assert_eq!(begun.get("/a").status(), 200);
    begun.send("GET /b HTT");
    let mut lines = Client::connect(agent.addresses[1]);
    lines.send("a\n");
    assert_eq!(lines.line(), "ems-json a\n");
    // One that was answered before all of its body was read: what comes later is still body.
    let mut owes = Client::connect(agent.address());
    let body = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(LONGEST / 40 + 1);
    owes.ask("POST /a", &format!("Content-Length: {}\r\n", body.len()));
    assert_eq!(owes.answer().text(), "too long");
    std::thread::sleep(quiet);
    assert_eq!(asked.get("/b").text(), "1e GET /b 0 false");
    begun.send("P/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(begun.answer().text(), "1e GET /b 0 false");
    lines.send("b\n");
    assert_eq!(lines.line(), "ems-json b\n");
    // It may be closed by now.
    let _ = owes.stream.get_mut().write_all(body.as_bytes());
    let _ = owes.stream.get_mut().shutdown(std::net::Shutdown::Write);
    assert_eq!(owes.rest(), 0);
    std::thread::sleep(quiet);
    asked.send(
        "GET /c HTTP/1.1\r\nHost: localhost\r\n\r\nGET /d HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(asked.answer().text(), "1e GET /c 0 false");
    assert_eq!(asked.answer().text(), "1e GET /d 0 false");
}

#[test]
fn a_hangup_sends_nothing() {
    let agent = Agent::start(&["monero=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    assert_eq!(client.get("/a").status(), 200);
    client.ask("GET /hang", "");
    assert_eq!(client.rest(), 0);
    assert_eq!(Client::connect(agent.address()).get("/a").status(), 200);
}

#[test]
fn a_large_answer_reaches_many_clients_whole() {
    let agent = Agent::start(&["monero=:0"], Access::default());
    let address = agent.address();
    let read = move || {
        let mut client = Client::connect(address);
        for _ in 0..2 {
            let body = client.get("/huge").body;
            assert_eq!((body.len(), body[0], body[HUGE + 1]), (HUGE + 2, b'[', b']'));
            assert!(body[1..=HUGE].iter().all(|byte| *byte == b'h'));
        }
    };
    let readers: Vec<_> = (0..4).map(|_| std::thread::spawn(read)).collect();
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(agent.refusals.list().iter().all(|(_, count)| *count == 0));
}

#[test]
fn a_length_that_is_wrong_is_not_sent() {
    let agent = Agent::start(&["1e=:0"], Access::default());
    let answer = Client::connect(agent.address()).get("/liar");
    assert_eq!((answer.header("content-length"), answer.text()), (Some("3"), "abc".to_owned()));
}

#[test]
fn an_answer_without_content_has_no_length() {
    let agent = Agent::start(&["jetstream=:0", ":0"], Access::default());
    for (address, path) in agent.addresses.iter().zip(["/empty", "/jetstream/empty"]) {
        let mut client = Client::connect(*address);
        client.ask(&format!("GET {path}"), "");
        let head = client.head().to_lowercase();
        assert!(head.starts_with("http/1.1 204 ") && !head.contains("content-length"), "{head}");
        assert_eq!(client.get(path.strip_suffix("empty").unwrap()).status(), 200);
    }
}

#[test]
fn every_dialect_receives_every_update() {
    let agent = Agent::start(&[":0"], Access::default());
    eventually("the first update is counted", || agent.updates.load(Relaxed) == 8);
    agent.publish.send(update(2)).unwrap();
    eventually("the second update is counted", || agent.updates.load(Relaxed) == 16);
}

#[test]
fn malformed_requests_are_refused_and_counted() {
    let agent = Agent::start(&[":0"], Access::default());
    let nonsense: [&[u8]; 5] = [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /1e HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    ];
    for bytes in nonsense {
        let mut client = Client::connect(agent.address());
        client.send(bytes);
        client.half_close();
        client.rest();
    }
    agent.eventually_refused("malformed-request", 5);
    assert_eq!(Client::connect(agent.address()).get("/1e").status(), 200);
}

#[test]
fn malformed_requests_are_answered_with_what_is_wrong() {
    let agent = Agent::start(&[":0", "monero=:0"], Access::default());
    let line = "GET /1e?filter=rtt > 50ms HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // At once, and behind a request that was answered.
    for asks_before in [false, true] {
        let mut client = Client::connect(agent.address());
        if asks_before {
            assert_eq!(client.get("/1e").status(), 200);
        }
        client.send(line);
        let answer = client.answer();
        assert_eq!(answer.status(), 400);
        assert!(answer.head.contains("content-type: application/json\r\n"), "{}", answer.head);
        assert!(answer.head.contains("date: "), "{}", answer.head);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"]["code"], "malformed-request");
        assert_eq!(body["error"]["message"], "the address in the request line has a space");
        assert_eq!(client.rest(), 0, "the connection is closed");
    }
    agent.eventually_refused("malformed-request", 2);
    // The ports of other systems answer as those do.
    let mut client = Client::connect(agent.addresses[1]);
    client.send(line);
    assert_eq!(client.answer().text(), "");
}

#[test]
fn five_hundred_idle_clients_cost_little() {
    let agent = Agent::with_limits(&[":0"], Limits::default());
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    let mut fresh = Client::connect(agent.address());
    assert_eq!(fresh.get("/1e").status(), 200);
    let before = resident();
    let idle = |asks: bool| {
        let mut client = std::net::TcpStream::connect(agent.address()).unwrap();
        if asks {
            use std::io::Read as _;
            client.write_all(b"GET /1e HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            assert!(client.read(&mut [0; 64]).unwrap() > 0);
        }
        client
    };
    // Half of them have asked something before.
    let clients: Vec<_> = (0..500).map(|at| idle(at % 2 == 0)).collect();
    assert_eq!(fresh.get("/1e").status(), 200);
    assert_eq!(Client::connect(agent.address()).get("/1e").status(), 200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 500 * 24, "{} clients took {grown} kB", clients.len());
    assert!(agent.refusals.list().iter().all(|(_, count)| *count == 0));
}

//! Dialects in lines.

use std::time::Duration;

use conns_server::{Access, Limits};

use crate::agent::{Agent, HUGE, LONGEST};
use crate::client::Client;

#[test]
fn lines_are_answered_one_by_one_and_the_connection_stays() {
    let agent = Agent::start(&["ems-json=:0", "ems-ascii=:0"], Access::default());
    for (address, name) in agent.addresses.iter().zip(["ems-json", "ems-ascii"]) {
        let mut client = Client::connect(*address);
        client.send("a\nb\r\n\n\nc");
        assert_eq!((client.line(), client.line()), (format!("{name} a\n"), format!("{name} b\n")));
        client.send("d\n");
        assert_eq!(client.line(), format!("{name} cd\n"));
        client.send((0..1000).map(|at| format!("{at}\n")).collect::<String>());
        for at in 0..1000 {
            assert_eq!(client.line(), format!("{name} {at}\n"));
        }
        client.send("huge\nafter\n");
        assert_eq!(client.line().len(), HUGE + 1);
        assert_eq!(client.line(), format!("{name} after\n"));
        client.send("quit\nnever\n");
        assert_eq!(client.line(), "bye\n");
        assert_eq!(client.rest(), 0);
    }
}

#[test]
fn a_half_closed_client_still_gets_its_answers() {
    let agent = Agent::start(&["ems-json=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    client.send("a\nhuge\nno end");
    client.half_close();
    assert_eq!(client.line(), "ems-json a\n");
    assert_eq!(client.rest(), HUGE + 1);
}

#[test]
fn the_first_byte_decides_the_protocol_of_jetstream() {
    let agent = Agent::start(&["jetstream=:0"], Access::default());
    for begin in ["{", "[", " {", "1", "\"", "\n{", "\0"] {
        let mut client = Client::connect(agent.address());
        client.send(format!("{begin}\n"));
        assert_eq!(client.line(), format!("jetstream-lines {}\n", begin.trim_start_matches('\n')));
    }
    for method in ["GET", "POST", "DELETE", "get"] {
        let mut client = Client::connect(agent.address());
        client.ask(&format!("{method} /"), "");
        assert_eq!(client.answer().text(), format!("jetstream-http {method} / 0 false"));
    }
    // The byte alone decides already, and then waits for the rest.
    let mut client = Client::connect(agent.address());
    client.send("G");
    std::thread::sleep(Duration::from_millis(20));
    client.send("ET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn lines_that_are_too_long_are_refused_and_skipped() {
    let agent = Agent::start(&["ems-json=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    let longest = "x".repeat(LONGEST);
    client.send(format!("{longest}\n"));
    assert_eq!(client.line(), format!("ems-json {longest}\n"));
    // One byte more, at once; and far more, which is not kept.
    client.send(format!("{longest}y\nshort\n"));
    assert_eq!((client.line(), client.line()), ("too long\n".into(), "ems-json short\n".into()));
    client.send(longest.repeat(100) + "\nshort\n");
    assert_eq!((client.line(), client.line()), ("too long\n".into(), "ems-json short\n".into()));
    assert_eq!(agent.refused("line-too-long"), 2);
}

#[test]
fn a_page_in_a_browser_cannot_send_lines() {
    let agent = Agent::start(&["ems-json=:0", "ems-ascii=:0"], Access::default());
    for address in &agent.addresses {
        let mut client = Client::connect(*address);
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nresetMaxFdCounters\r\n");
        assert_eq!(client.rest(), 0);
    }
    agent.eventually_refused("http-on-line-port", 2);
    let mut client = Client::connect(agent.address());
    client.send("a\nPOST / HTTP/1.1\n");
    assert_eq!(client.line(), "ems-json a\n");
    assert_eq!(client.line(), "ems-json POST / HTTP/1.1\n");
}

#[test]
fn line_clients_have_time_limits_of_their_own() {
    let short = Duration::from_millis(200);
    let limits = Limits {
        line_idle_time: short,
        line_time: short * 2,
        // The limits of HTTP do not apply.
        idle_time: Duration::from_secs(60),
        head_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let agent = Agent::with_limits(&["ems-json=:0"], limits);
    let mut idle = Client::connect(agent.address());
    idle.send("a\n");
    assert_eq!(idle.line(), "ems-json a\n");
    let mut begun = Client::connect(agent.address());
    begun.send("no end");
    assert_eq!((idle.rest(), begun.rest()), (0, 0));
    agent.eventually_refused("idle-too-long", 1);
    agent.eventually_refused("head-too-slow", 1);
}

#[test]
fn random_bytes_end_only_their_own_connection() {
    let specs = ["ems-json=:0", "ems-ascii=:0", "jetstream=:0", "monero=:0"];
    let agent = Agent::start(&specs, Access::default());
    let mut state = 1_u64;
    for at in 0..200 {
        let mut client = Client::connect(agent.addresses[at % specs.len()]);
        let bytes: Vec<u8> = (0..4096)
            .map(|_| {
                // xorshift64 (Marsaglia 2003): the same bytes in each run.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        // It may have been closed by then.
        let _ = std::io::Write::write_all(client.stream.get_mut(), &bytes);
    }
    for address in &agent.addresses[..2] {
        let mut client = Client::connect(*address);
        client.send("a\n");
        assert!(client.line().ends_with(" a\n"));
    }
    for address in &agent.addresses[2..] {
        assert_eq!(Client::connect(*address).get("/").status(), 200);
    }
}

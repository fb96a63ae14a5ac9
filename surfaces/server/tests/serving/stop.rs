//! Shutdown.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use conns_server::{Access, Limits};

use crate::agent::{Agent, HUGE, eventually};
use crate::client::Client;

#[test]
fn requests_in_progress_finish_and_idle_clients_are_closed() {
    let mut agent = Agent::start(&["1e=:0", "ems-json=:0"], Access::default());
    let mut silent = Client::connect(agent.address());
    let mut idle = Client::connect(agent.address());
    assert_eq!(idle.get("/a").status(), 200);
    let mut lines = Client::connect(agent.addresses[1]);
    lines.send("a\n");
    assert_eq!(lines.line(), "ems-json a\n");
    let mut reads = Client::with_small_buffer(agent.address());
    reads.ask("GET /huge", "");
    assert!(reads.head().starts_with("HTTP/1.1 200"));
    let mut asks = Client::connect(agent.address());
    asks.ask("POST /a", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    assert!(asks.head().starts_with("HTTP/1.1 100"));
    agent.stop();
    assert_eq!((silent.rest(), idle.rest(), lines.rest()), (0, 0, 0));
    let address = agent.address();
    eventually("new clients are refused", || TcpStream::connect(address).is_err());
    asks.send("abc");
    assert_eq!(asks.answer().text(), "1e POST /a 3 false");
    assert_eq!(asks.rest(), 0);
    assert!(!agent.has_ended());
    assert_eq!(reads.rest(), HUGE + 2);
    agent.ended();
}

#[test]
fn requests_beyond_the_stop_time_are_closed() {
    let stop_time = Duration::from_millis(300);
    let limits = Limits { stop_time, ..Limits::default() };
    let mut agent = Agent::with_limits(&["1e=:0"], limits);
    let mut reads = Client::with_small_buffer(agent.address());
    reads.ask("GET /huge", "");
    let mut asks = Client::connect(agent.address());
    asks.ask("POST /a", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    assert!(asks.head().starts_with("HTTP/1.1 100"));
    assert!(reads.head().starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    agent.ended();
    let took = begun.elapsed();
    assert!(took >= stop_time && took < stop_time + Duration::from_secs(3), "{took:?}");
    assert_eq!(asks.rest(), 0);
    assert!(reads.rest() < HUGE);
}

#[test]
fn its_port_is_free_after_shutdown() {
    let mut agent = Agent::start(&["1e=:0"], Access::default());
    let mut client = Client::connect(agent.address());
    assert_eq!(client.get("/a").status(), 200);
    let place = format!("1e={}", agent.address());
    agent.ended();
    let again = Agent::start(&[&place], Access::default());
    assert_eq!(Client::connect(again.address()).get("/a").status(), 200);
}

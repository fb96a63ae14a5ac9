//! Requests that take long, and those that must not wait for them.

use std::sync::atomic::Ordering::Relaxed;

use conns_server::Access;

use crate::agent::{Agent, PATIENCE, eventually};
use crate::client::Client;

/// Clients of the same list: more than there are serving threads and blocking threads.
const CLIENTS: usize = 8;

#[test]
fn clients_of_a_list_being_written_block_neither_health_nor_other_dialects() {
    let agent = Agent::start(&[":0", "ems-json=:0"], Access::default());
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| {
            let mut client = Client::connect(agent.address());
            client.ask("GET /monero/gated", "");
            client
        })
        .collect();
    assert_eq!(agent.gated.begun.recv_timeout(PATIENCE), Ok("monero"));
    eventually("all requests are read", || agent.gated.requests.load(Relaxed) == CLIENTS);
    let mut other = Client::connect(agent.address());
    for path in ["/health", "/metrics", "/api/v1/connections", "/api/v1/connections", "/1e/x"] {
        assert_eq!(other.get(path).status(), 200, "{path}");
    }
    let mut lines = Client::connect(agent.addresses[1]);
    lines.send("a\n");
    assert_eq!(lines.line(), "ems-json a\n");
    agent.gated.go_on.send(()).unwrap();
    for client in &mut clients {
        assert_eq!(client.answer().text(), "monero gated\n");
    }
    // One of them wrote it.
    assert!(agent.gated.begun.try_recv().is_err());
}

#[test]
fn lists_that_take_all_threads_for_answers_delay_neither_health_nor_metrics_nor_streams() {
    let agent = Agent::start(&[":0", "ems-json=:0"], Access::default());
    let mut http = Client::connect(agent.address());
    http.ask("GET /monero/gated", "");
    assert_eq!(agent.gated.begun.recv_timeout(PATIENCE), Ok("monero"));
    let mut lines = Client::connect(agent.addresses[1]);
    lines.send("gated\n");
    assert_eq!(agent.gated.begun.recv_timeout(PATIENCE), Ok("ems-json"));
    // Both threads for answers are taken: this one queues.
    let mut queued = Client::connect(agent.address());
    queued.ask("GET /1e/x", "");
    let mut other = Client::connect(agent.address());
    for path in ["/health", "/metrics", "/api/v1/fields", "/openapi.json"] {
        assert_eq!(other.get(path).status(), 200, "{path}");
    }
    let mut stream = Client::connect(agent.address());
    stream.ask("GET /api/v1/changes", "");
    assert!(stream.head().contains("text/event-stream"));
    eventually("the stream begins", || stream.line().starts_with("event: "));
    agent.gated.go_on.send(()).unwrap();
    agent.gated.go_on.send(()).unwrap();
    assert_eq!(http.answer().text(), "monero gated\n");
    assert_eq!(lines.line(), "ems-json gated\n");
    assert_eq!(queued.answer().text(), "1e GET /x 0 false");
}

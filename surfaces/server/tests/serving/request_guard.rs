//! The request guard over TCP.

use conns_server::{Access, TokenHash, new_token};

use crate::agent::Agent;
use crate::client::Client;

fn status(agent: &Agent, at: usize, head: &str) -> u16 {
    let mut client = Client::connect(agent.addresses[at]);
    client.send(format!("{head}\r\n\r\n"));
    client.answer().status()
}

#[test]
fn foreign_names_and_sites_are_refused_on_every_port() {
    let specs = [":0", "monero=:0", "ems-http=:0", "jetstream=:0", "1e=:0"];
    let access = Access { hosts: vec!["agent.example".into()], ..Access::default() };
    let agent = Agent::start(&specs, access);
    for at in 0..specs.len() {
        let ask = |headers: &str| status(&agent, at, &format!("GET /ems/x HTTP/1.1\r\n{headers}"));
        let port = agent.addresses[at].port();
        assert_eq!(ask("Host: localhost"), 200);
        assert_eq!(ask(&format!("Host: 127.0.0.1:{port}")), 200);
        assert_eq!(ask("Host: agent.example"), 200);
        assert_eq!(ask("Host: evil.example"), 421);
        assert_eq!(ask("X: y"), 400);
        assert_eq!(ask("Host: localhost\r\nSec-Fetch-Site: cross-site"), 403);
        assert_eq!(ask("Host: localhost\r\nOrigin: http://evil.example"), 403);
        assert_eq!(ask("Host: localhost\r\nOrigin: http://localhost"), 200);
    }
    assert_eq!(agent.refused("host-not-ours"), 5);
    assert_eq!(agent.refused("cross-site"), 10);
    assert_eq!(agent.refused("malformed-request"), 5);
}

#[test]
fn a_refusal_ends_the_connection_and_allows_no_other_site() {
    let agent = Agent::start(&[":0"], Access::default());
    let mut client = Client::connect(agent.address());
    client.ask(
        "OPTIONS /1e",
        "Origin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\n",
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 403);
    assert!(!answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
    assert_eq!(client.rest(), 0);
}

#[test]
fn a_token_is_required_unless_the_configuration_allows_none() {
    let (token, hash) = new_token().unwrap();
    let access = Access { tokens: vec![TokenHash::of(b"other"), hash], ..Access::default() };
    let agent = Agent::start(&[":0", "jetstream=:0"], access);
    let right = format!("Authorization: Bearer {token}\r\n");
    let mut client = Client::connect(agent.address());
    for _ in 0..2 {
        client.ask("GET /1e", &right);
        assert_eq!(client.answer().status(), 200);
    }
    for (path, header) in [
        ("/1e", ""),
        ("/health", "Authorization: Bearer x\r\n"),
        ("/nothing", "Authorization: Basic x\r\n"),
    ] {
        let mut client = Client::connect(agent.address());
        client.ask(&format!("GET {path}"), header);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(client.rest(), 0);
    }
    assert_eq!(agent.refused("token-missing-or-wrong"), 3);
    // A port where lines need none.
    assert_eq!(Client::connect(agent.addresses[1]).get("/").status(), 200);
    // A reload replaces the token also for connected clients.
    agent.access.replace(Access { tokens: vec![TokenHash::of(b"new")], ..Access::default() });
    client.ask("GET /1e", &right);
    assert_eq!(client.answer().status(), 401);
    let mut client = Client::connect(agent.address());
    client.ask("GET /1e", "Authorization: Bearer new\r\n");
    assert_eq!(client.answer().status(), 200);
    agent.access.replace(Access::default());
    assert_eq!(client.get("/1e").status(), 200);
}

/// A reload that removes the tokens removes what they allow, also for connected clients.
#[test]
fn a_token_chooses_the_dialect_on_the_port_of_the_agent_alone() {
    let (token, hash) = new_token().unwrap();
    let access = Access { tokens: vec![hash], ..Access::default() };
    let agent = Agent::start(&[":0", "jetstream=:0"], access);
    let right = format!("Authorization: Bearer {token}\r\n");
    let mut client = Client::connect(agent.address());
    client.ask("POST /jetstream", &right);
    assert_eq!(client.answer().text(), "jetstream-http-with-token POST / 0 false");
    let mut other = Client::connect(agent.addresses[1]);
    other.ask("POST /", &right);
    assert_eq!(other.answer().text(), "jetstream-http POST / 0 false");
    agent.access.replace(Access::default());
    client.ask("POST /jetstream", &right);
    assert_eq!(client.answer().text(), "jetstream-http POST / 0 false");
}

#[test]
fn a_port_may_be_left_unguarded() {
    let access = Access { tokens: vec![TokenHash::of(b"a")], ..Access::default() };
    let agent = Agent::start_with(&["monero=:0"], access, |listener| listener.guarded = false);
    assert_eq!(Client::connect(agent.address()).get("/").status(), 200);
}

//! What happens when the process runs out of descriptors. Alone in its file: the limit is that of
//! the whole process.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests panic")]

#[path = "serving/agent.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod agent;
#[path = "serving/client.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod client;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use conns_server::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use agent::{Agent, eventually};
use client::Client;

#[test]
fn accepting_pauses_and_idle_clients_make_room() {
    let agent = Agent::with_limits(&["1e=:0"], Limits::default());
    let address = agent.address();
    let socket = || {
        let domain = socket2::Domain::for_address(address);
        socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap()
    };
    // Made before the limit, so that only the agent's side lacks descriptors.
    let sockets: Vec<_> = (0..40).map(|_| socket()).collect();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let before = getrlimit(Resource::Nofile);
    let room = Rlimit { current: Some(open + 10), maximum: before.maximum };
    setrlimit(Resource::Nofile, room).unwrap();
    let begun = Instant::now();
    let mut streams: Vec<TcpStream> = sockets
        .into_iter()
        .map(|socket| {
            socket.connect(&address.into()).unwrap();
            socket.into()
        })
        .collect();
    eventually("accept fails", || agent.refused("accept-failed") > 0);
    // The last of the queue is served all the same.
    let mut last = Client::over(streams.pop().unwrap());
    assert_eq!(last.get("/a").status(), 200);
    let pauses = begun.elapsed().as_millis() / 50 + 2;
    let failed = u128::from(agent.refused("accept-failed"));
    assert!(failed <= pauses, "{failed} attempts in {pauses} pauses");
    assert!(agent.refused("idle-client-evicted") > 0);
    setrlimit(Resource::Nofile, before).unwrap();
    drop(streams);
    eventually("room again", || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    });
    assert_eq!(Client::connect(address).get("/a").status(), 200);
}

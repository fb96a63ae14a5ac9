//! The serving shell over real sockets: what clients get, and what they cannot do.
//!
//! The dialects here are made up, so that a test says all it depends on.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says why"
)]

#[path = "serving/agent.rs"]
mod agent;
#[path = "serving/blocking.rs"]
mod blocking;
#[path = "serving/bounds.rs"]
mod bounds;
#[path = "serving/client.rs"]
mod client;
#[path = "serving/http.rs"]
mod http;
#[path = "serving/lines.rs"]
mod lines;
#[path = "serving/request_guard.rs"]
mod request_guard;
#[path = "serving/stop.rs"]
mod stop;
#[path = "serving/tls.rs"]
mod tls;
#[path = "serving/unix.rs"]
mod unix;

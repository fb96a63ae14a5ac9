//! The server over real sockets.
//!
//! The dialects are test doubles, so that a test shows all it depends on.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests panic")]

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

//! The Monero dialect against the page of the method, recorded answers of real nodes and hostile
//! requests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot continue fails with the reason"
)]

#[path = "monero/exchanges.rs"]
mod exchanges;
#[path = "monero/hostile.rs"]
mod hostile;
#[path = "monero/login.rs"]
mod login;
#[path = "monero/peers.rs"]
mod peers;
#[path = "monero/rows.rs"]
mod rows;
#[path = "monero/sample.rs"]
mod sample;

//! The EMS dialect against answers of a real server, EvoStream's page and hostile lines.

#![allow(clippy::expect_used, reason = "a test that cannot continue fails with the reason")]
#![allow(clippy::panic, reason = "a test that cannot continue fails with the reason")]

#[path = "ems/answers.rs"]
mod answers;
#[path = "ems/counting.rs"]
mod counting;
#[path = "ems/framing.rs"]
mod framing;
#[path = "ems/grammar.rs"]
mod grammar;
#[path = "ems/media.rs"]
mod media;
#[path = "ems/sample.rs"]
mod sample;

use conns_core::query::Filter;
use conns_dialects::ems::DEFAULT_STREAMS;

#[test]
fn the_default_filter_is_a_filter() {
    Filter::parse(DEFAULT_STREAMS).expect("a filter");
}

//! Any bytes as a stream of FLV, and as the body of an answer of HTTP.
//!
//! An input is a byte (whether the begin is seen), then steps as in `shared/media.rs`.

#![no_main]

#[path = "shared/media.rs"]
mod media;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut run = media::Run::new(&["flv", "http"], first & 1 != 0);
    run.steps(rest);
    run.finish();
});

//! Any datagrams as a flow of SRT.
//!
//! An input is a byte without meaning, then steps as in `shared/media.rs`, of which only datagrams matter.

#![no_main]

#[path = "shared/media.rs"]
mod media;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, rest)) = bytes.split_first() else { return };
    let mut run = media::Run::new(&["srt"], true);
    run.steps(rest);
    run.finish();
});

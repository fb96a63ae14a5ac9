//! Any bytes as the parameter set of a decoder configuration: of H.264 if the first byte is even, else of H.265.

#![no_main]

#[path = "shared/media.rs"]
mod media;

use conns_core::decode::Side;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, set)) = bytes.split_first() else { return };
    let Ok(length) = u16::try_from(set.len()) else { return };
    let mut body = if first & 1 == 0 {
        vec![0x17, 0, 0, 0, 0, 1, 66, 0, 11, 0xff, 0xe1]
    } else {
        // 22 bytes of the record, one array of one unit.
        let mut body = vec![0x1c, 0, 0, 0, 0];
        body.resize(5 + 22, 1);
        body.extend([1, 33, 0, 1]);
        body
    };
    body.extend(length.to_be_bytes());
    body.extend(set);
    let mut run = media::Run::new(&["flv"], true);
    run.data(Side::Sent, b"FLV\x01\x01\0\0\0\x09\0\0\0\0");
    let [_, l0, l1, l2] = (body.len() as u32).to_be_bytes();
    run.data(Side::Sent, &[9, l0, l1, l2, 0, 0, 0, 0, 0, 0, 0]);
    run.data(Side::Sent, &body);
    run.finish();
});

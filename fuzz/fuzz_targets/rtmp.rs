//! Any bytes behind the handshake of RTMP: chunks and messages of both sides are cut and read, with gaps and
//! segments whose payload is not captured, within the memory of the protocol.
//!
//! An input is steps: side and kind, length (two bytes, little endian), and that many bytes.

#![no_main]

#[path = "shared/rtmp.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod rtmp;

use libfuzzer_sys::fuzz_target;
use rtmp::Connection;

fuzz_target!(|bytes: &[u8]| {
    let mut connection = Connection::new();
    let mut rest = bytes;
    while let Some((&[kind, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high]));
        rest = behind;
        connection.wait(u64::from(kind >> 4) * 100_000);
        let side = rtmp::side(kind);
        match kind >> 1 & 7 {
            // Only its length is known: what the decoder passes over.
            6 => connection.cut(side, length as u32),
            7 => connection.lose(side, length as u32),
            _ => {
                let (bytes, behind) = rest.split_at(length.min(rest.len()));
                rest = behind;
                connection.send(side, bytes);
            }
        }
        connection.check();
    }
    connection.end();
});

//! Any bytes as the body of a command or of metadata of RTMP, in AMF 0 and AMF 3: it is read within its bounds.
//!
//! An input is messages: side and type, message stream, length (two bytes, little endian), and that many bytes.

#![no_main]

#[path = "shared/rtmp.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod rtmp;

use libfuzzer_sys::fuzz_target;
use rtmp::Connection;

/// Command and data, of AMF 0 and AMF 3.
const TYPES: [u8; 4] = [20, 17, 18, 15];
const SET_CHUNK_SIZE: [u8; 16] = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x00, 0xff, 0xff, 0xff];

fuzz_target!(|bytes: &[u8]| {
    let mut connection = Connection::new();
    for side in conns_core::decode::Side::ALL {
        connection.send(side, &SET_CHUNK_SIZE);
    }
    let mut rest = bytes;
    while let Some((&[kind, stream, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (body, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let [_, _, high, middle, low] = (body.len() as u64).to_be_bytes()[3..] else { return };
        let kind_of_message = TYPES[usize::from(kind >> 1 & 3)];
        let mut message = vec![3, 0, 0, 0, high, middle, low, kind_of_message, stream, 0, 0, 0];
        message.extend(body);
        connection.send(rtmp::side(kind), &message);
        connection.check();
    }
    connection.end();
});

//! Blocks of kept rows, as a damaged file has them. The checksum is made right, so that the decoder behind it is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for table in ["closed", "failed", "layers", "samples", "verdicts"] {
        if let Ok(rows) = conns_history::read_block(table, data.to_vec()) {
            // 65 536 is the most that a block may have.
            assert!(rows <= 65_536);
        }
    }
});

//! Blocks of kept rows, as a damaged file has them.
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

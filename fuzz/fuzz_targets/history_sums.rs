//! Any bytes as the sums of a period: they are refused, or read the same after they were merged and written again.

#![no_main]

use conns_history::Cell;
use conns_history::sums::{MAX_GROUPS, PeriodSums, columns};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = PeriodSums::decode(bytes);
    // What a checksum guards in a file: the columns before compression.
    let Ok(length) = u32::try_from(bytes.len()) else { return };
    let Ok(compressed) = zstd::bulk::compress(bytes, 1) else { return };
    for format in [1, 2] {
        let mut encoded = vec![format];
        encoded.extend(length.to_le_bytes());
        encoded.extend(&compressed);
        if let Ok(sums) = PeriodSums::decode(&encoded) {
            merged_and_written(&sums);
        }
    }
});

fn merged_and_written(sums: &PeriodSums) {
    assert!(sums.groups() <= MAX_GROUPS + 1);
    let mut twice = sums.clone();
    twice.merge(sums);
    assert_eq!(twice.groups(), sums.groups());
    let again = PeriodSums::decode(&twice.encode().expect("sums within bounds are written"));
    let again = again.expect("what was written is read");
    assert_eq!((rows(&again), again.is_incomplete()), (rows(&twice), sums.is_incomplete()));
}

/// All cells, row by row, in an order of their own.
fn rows(sums: &PeriodSums) -> Vec<String> {
    let row = |group| {
        let cells = (0..columns().len()).map(|column| sums.cell((0, 1), group, column));
        format!("{:?}", cells.collect::<Vec<Cell<'_>>>())
    };
    let mut rows: Vec<String> = (0..sums.groups()).map(row).collect();
    rows.sort_unstable();
    rows
}

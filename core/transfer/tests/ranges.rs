//! Byte ranges against a set of bits.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use std::ops::Range;

use conns_transfer::ranges::{MAX_END, MAX_RANGES, Ranges, RangesError};
use proptest::prelude::*;

const LENGTH: u64 = 100;

fn runs(bits: &[bool], value: bool) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit == value) {
        let at = at as u64;
        match runs.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

proptest! {
    #[test]
    fn ranges_are_those_of_a_bit_set(inserted in prop::collection::vec((0..LENGTH, 0..30u64), 0..40), length in 0..LENGTH) {
        let mut ranges = Ranges::default();
        let mut bits = vec![false; 2 * LENGTH as usize];
        for (start, bytes) in inserted {
            prop_assert_eq!(ranges.insert(start..start + bytes), Ok(()));
            bits[start as usize..(start + bytes) as usize].fill(true);
        }
        prop_assert_eq!(ranges.iter().collect::<Vec<_>>(), runs(&bits, true));
        prop_assert_eq!(ranges.missing(length).collect::<Vec<_>>(), runs(&bits[..length as usize], false));
        prop_assert_eq!(ranges.bytes(), bits.iter().filter(|bit| **bit).count() as u64);
        prop_assert_eq!(ranges.contains(length..length + 5), bits[length as usize..length as usize + 5].iter().all(|bit| *bit));
        let mut bytes = Vec::new();
        ranges.encode(&mut bytes);
        prop_assert_eq!(Ranges::decode(&bytes), Ok(ranges));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(ranges) = Ranges::decode(&bytes) {
            let mut again = Vec::new();
            ranges.encode(&mut again);
            prop_assert_eq!(Ranges::decode(&again), Ok(ranges));
        }
    }
}

#[test]
fn what_is_no_set_is_refused() {
    assert_eq!(Ranges::decode(&[5]), Err(RangesError::Truncated));
    assert_eq!(Ranges::decode(&[5, 0]), Err(RangesError::NotMerged));
    assert_eq!(Ranges::decode(&[0, 1, 0, 1]), Err(RangesError::NotMerged));
    assert_eq!(Ranges::decode(&[0xff; 16]), Err(RangesError::TooLong));
    assert_eq!(Ranges::default().insert(0..MAX_END + 1), Err(RangesError::TooLong));
}

#[test]
fn the_number_of_ranges_is_bounded() {
    let mut ranges = Ranges::default();
    for range in 0..MAX_RANGES as u64 {
        ranges.insert(2 * range..2 * range + 1).expect("below the bound");
    }
    assert_eq!(
        ranges.insert(u64::from(u32::MAX)..u64::from(u32::MAX) + 1),
        Err(RangesError::TooMany)
    );
    ranges.insert(1..2).expect("it joins two ranges");
    assert_eq!(ranges.len(), MAX_RANGES - 1);
    assert_eq!(Ranges::decode(&[1; 2 * MAX_RANGES + 2]), Err(RangesError::TooMany));
}

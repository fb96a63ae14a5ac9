//! Sums of periods: no connection is lost, in whatever order they are added, merged, written and read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use std::collections::BTreeMap;

use conns_history::Cell;
use conns_history::sums::{Ended, MAX_GROUPS, PeriodSums, columns};
use proptest::prelude::*;

const PERIOD: (i64, i64) = (0, 3_600_000_000);

fn place(name: &str) -> usize {
    columns().iter().position(|column| column.name == name).unwrap()
}

fn cell<'a>(sums: &'a PeriodSums, group: usize, name: &str) -> Cell<'a> {
    sums.cell(PERIOD, group, place(name))
}

/// The groups with all their cells, by the texts of their keys.
fn rows(sums: &PeriodSums) -> BTreeMap<String, Vec<String>> {
    let row = |group: usize| -> Vec<String> {
        (0..columns().len()).map(|at| format!("{:?}", sums.cell(PERIOD, group, at))).collect()
    };
    let keyed = (0..sums.groups()).map(|group| {
        let row = row(group);
        (row[2..2 + Ended::GROUPED_BY.len()].join(" "), row)
    });
    let rows: BTreeMap<_, _> = keyed.collect();
    assert_eq!(rows.len(), sums.groups());
    rows
}

/// The sum of a column over all groups.
fn total(sums: &PeriodSums, name: &str) -> i128 {
    let number = |group| match cell(sums, group, name) {
        Cell::Integer(number) => i128::from(number),
        Cell::Null => 0,
        other => panic!("{other:?}"),
    };
    (0..sums.groups()).map(number).sum()
}

/// The counts of a histogram over all groups.
fn counted(sums: &PeriodSums, name: &str) -> u64 {
    let count = |group| match cell(sums, group, name) {
        Cell::Text(json) => {
            let list: Vec<(u64, u64)> = serde_json::from_str(&json).unwrap();
            list.iter().map(|(_, count)| count).sum()
        }
        Cell::Null => 0,
        other => panic!("{other:?}"),
    };
    (0..sums.groups()).map(count).sum()
}

fn sums_of<'a>(all: impl IntoIterator<Item = &'a Ended<'static>>) -> PeriodSums {
    let mut sums = PeriodSums::default();
    all.into_iter().for_each(|ended| sums.add(ended));
    sums
}

fn merged(one: &PeriodSums, other: &PeriodSums) -> PeriodSums {
    let mut sums = one.clone();
    sums.merge(other);
    sums
}

prop_compose! {
    /// Few of each, so that groups have several connections.
    fn ended()(
        is_failed: bool,
        process in proptest::option::of("[ab]"),
        unit in proptest::option::of("[ab]"),
        remote in proptest::option::of("[ab]"),
        service_port in proptest::option::of(0..3_u16),
        reason in proptest::option::of(proptest::sample::select(vec!["fin", "rst-in", "error"])),
        (bytes_out, bytes_in, total_retrans) in any::<(Option<u32>, Option<u32>, Option<u32>)>(),
        (rtt_us, duration_us) in any::<(Option<u16>, Option<u64>)>(),
    ) -> Ended<'static> {
        Ended {
            is_failed,
            process: process.map(Into::into),
            unit: unit.map(Into::into),
            remote: remote.map(Into::into),
            service_port,
            reason: reason.map(Into::into),
            bytes_out: bytes_out.map(Into::into),
            bytes_in: bytes_in.map(Into::into),
            total_retrans: total_retrans.map(Into::into),
            rtt_us: rtt_us.map(Into::into),
            duration_us,
            ..Ended::default()
        }
    }
}

fn many(most: usize) -> impl Strategy<Value = Vec<Ended<'static>>> {
    proptest::collection::vec(ended(), 0..most)
}

fn assert_totals(sums: &PeriodSums, all: &[Ended<'_>]) {
    let is_failed = all.iter().filter(|ended| ended.is_failed).count();
    assert_eq!(total(sums, "failed"), is_failed as i128);
    assert_eq!(total(sums, "connections"), (all.len() - is_failed) as i128);
    let reasons = columns().iter().filter(|column| column.name.starts_with("ended_"));
    assert_eq!(reasons.map(|column| total(sums, &column.name)).sum::<i128>(), all.len() as i128);
    let bytes = all.iter().filter_map(|ended| ended.bytes_out);
    assert_eq!(total(sums, "bytes_out"), bytes.clone().map(i128::from).sum());
    assert_eq!(total(sums, "bytes_out_known"), bytes.count() as i128);
    let rtt = all.iter().filter_map(|ended| ended.rtt_us).count();
    assert_eq!(counted(sums, "rtt_histogram"), rtt as u64);
    let duration = all.iter().filter_map(|ended| ended.duration_us).count();
    assert_eq!(counted(sums, "duration_histogram"), duration as u64);
}

proptest! {
    #[test]
    fn merging_is_adding_in_any_order(one in many(40), two in many(40), three in many(40)) {
        let all: Vec<_> = one.iter().chain(&two).chain(&three).cloned().collect();
        let added = sums_of(&all);
        assert_totals(&added, &all);
        let [one, two, three] = [&one, &two, &three].map(sums_of);
        let left = merged(&merged(&one, &two), &three);
        let right = merged(&one, &merged(&two, &three));
        let backwards = merged(&three, &merged(&two, &one));
        for sums in [left, right, backwards] {
            prop_assert_eq!(rows(&sums), rows(&added));
        }
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded(all in many(100)) {
        let sums = sums_of(&all);
        let decoded = PeriodSums::decode(&sums.encode().unwrap()).unwrap();
        prop_assert_eq!(rows(&decoded), rows(&sums));
        // And can be added to.
        prop_assert_eq!(rows(&merged(&decoded, &sums)), rows(&merged(&sums, &sums)));
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = PeriodSums::decode(&bytes);
        for format in [1, 2] {
            let mut sums = vec![format];
            sums.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            sums.extend(zstd::bulk::compress(&bytes, 1).unwrap());
            if let Ok(read) = PeriodSums::decode(&sums) {
                rows(&read);
            }
        }
    }

    #[test]
    fn changed_bytes_are_refused(all in many(40), at: prop::sample::Index, with in 1..=u8::MAX) {
        let sums = sums_of(&all);
        let mut encoded = sums.encode().unwrap();
        let at = at.index(encoded.len());
        encoded[at] ^= with;
        // A few bits of zstd's frames mean nothing.
        if let Ok(read) = PeriodSums::decode(&encoded) {
            prop_assert_eq!(rows(&read), rows(&sums));
        }
        encoded.truncate(at);
        prop_assert!(PeriodSums::decode(&encoded).is_err());
    }

    /// The bytes before compression, which a checksum does not guard here.
    #[test]
    fn changed_numbers_are_refused_or_within_bounds(
        all in many(40),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let encoded = sums_of(&all).encode().unwrap();
        let mut plain = zstd::bulk::decompress(&encoded[5..], 1 << 20).unwrap();
        for (at, with) in changes {
            let at = at.index(plain.len());
            plain[at] = with;
        }
        let mut changed = encoded[..5].to_vec();
        changed.extend(zstd::bulk::compress(&plain, 1).unwrap());
        if let Ok(read) = PeriodSums::decode(&changed) {
            prop_assert_eq!(rows(&read).len(), read.groups());
            let twice = merged(&read, &read);
            prop_assert_eq!(twice.groups(), read.groups());
            let again = PeriodSums::decode(&twice.encode().unwrap()).unwrap();
            prop_assert_eq!(rows(&again), rows(&twice));
        }
    }
}

fn of_remote(number: usize) -> Ended<'static> {
    Ended {
        process: Some("curl".into()),
        remote: Some(format!("{number}.example").into()),
        bytes_out: Some(1),
        rtt_us: Some(number as u64),
        ..Ended::default()
    }
}

#[test]
fn what_is_beyond_the_bound_is_other() {
    let all: Vec<_> = (0..MAX_GROUPS + 500).map(of_remote).collect();
    let mut sums = sums_of(&all);
    assert_eq!(sums.groups(), MAX_GROUPS + 1);
    assert_totals(&sums, &all);
    let other = sums.groups() - 1;
    for name in Ended::GROUPED_BY {
        let wanted = if name == "service_port" { Cell::Null } else { Cell::text("other") };
        assert_eq!(cell(&sums, other, name), wanted);
    }
    assert_eq!(cell(&sums, other, "connections"), Cell::Integer(500));
    // A group that is there is still added to.
    sums.add(&of_remote(3));
    assert_eq!(cell(&sums, other, "connections"), Cell::Integer(500));
    let decoded = PeriodSums::decode(&sums.encode().unwrap()).unwrap();
    assert_eq!(rows(&decoded), rows(&sums));
}

#[test]
fn the_largest_groups_of_two_periods_stay() {
    let small: Vec<_> = (0..MAX_GROUPS).map(of_remote).collect();
    let large: Vec<_> = (0..500).flat_map(|at| vec![of_remote(MAX_GROUPS + at); 3]).collect();
    let sums = merged(&sums_of(&small), &sums_of(&large));
    assert_eq!(sums.groups(), MAX_GROUPS + 1);
    let all: Vec<_> = small.into_iter().chain(large).collect();
    assert_totals(&sums, &all);
    assert_eq!(cell(&sums, sums.groups() - 1, "connections"), Cell::Integer(500));
    let rows = rows(&sums);
    assert!(rows.keys().any(|key| key.contains(&format!("\"{}.example\"", MAX_GROUPS + 499))));
}

#[test]
fn long_texts_are_bounded_too() {
    let long = |number: usize| Ended {
        remote: Some(format!("{number}{}", "x".repeat(3000)).into()),
        ..Ended::default()
    };
    let all: Vec<_> = (0..2000).map(long).collect();
    let sums = sums_of(&all);
    assert!(sums.groups() < 1000, "{}", sums.groups());
    assert_totals(&sums, &all);
    let twice = merged(&sums, &sums_of(&(2000..3000).map(long).collect::<Vec<_>>()));
    assert!(twice.groups() < 1000);
    assert_eq!(total(&twice, "connections"), 3000);
    PeriodSums::decode(&twice.encode().unwrap()).unwrap();
}

#[test]
fn unknown_is_null_and_never_0() {
    let sums = sums_of(&[Ended::default()]);
    for name in ["process", "bytes_out", "total_retrans", "rtt_p50_us", "rtt_histogram"] {
        assert_eq!(cell(&sums, 0, name), Cell::Null, "{name}");
    }
    assert_eq!(cell(&sums, 0, "ended_unknown"), Cell::Integer(1));
    assert_eq!(cell(&sums, 0, "bytes_out_known"), Cell::Integer(0));
    assert_eq!(
        (cell(&sums, 0, "start_us"), cell(&sums, 0, "end_us")),
        (Cell::Integer(PERIOD.0), Cell::Integer(PERIOD.1))
    );
    assert_eq!(sums.cell(PERIOD, 1, 0), Cell::Null);
    assert_eq!(sums.cell(PERIOD, 0, columns().len()), Cell::Null);
}

#[test]
fn later_formats_are_refused_by_name() {
    let mut encoded = PeriodSums::default().encode().unwrap();
    encoded[0] = 3;
    assert_eq!(
        PeriodSums::decode(&encoded).unwrap_err().to_string(),
        "format 3 of sums is unknown"
    );
}

#[test]
fn sums_of_which_a_part_is_missing_stay_incomplete() {
    let whole = sums_of(&[Ended::default()]);
    assert!(!whole.is_incomplete());
    let incomplete = merged(&whole, &PeriodSums::missing_part());
    for sums in [merged(&PeriodSums::missing_part(), &whole), incomplete] {
        let decoded = PeriodSums::decode(&sums.encode().unwrap()).unwrap();
        assert!(sums.is_incomplete() && decoded.is_incomplete());
        assert_eq!(rows(&decoded), rows(&whole));
    }
    // Where there are too many groups, too.
    let many: Vec<_> = (0..MAX_GROUPS + 1).map(of_remote).collect();
    let (one, other) = many.split_at(MAX_GROUPS / 2);
    let incomplete = merged(&sums_of(one), &PeriodSums::missing_part());
    assert!(merged(&incomplete, &sums_of(other)).is_incomplete());
}

//! The filters of `corpus/filter`: what people write, and how it is printed again; damaged too.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

#[path = "query/sample.rs"]
mod sample;

use conns_core::query::Filter;
use conns_core::query::filter::MAX_BYTES;
use proptest::prelude::*;
use sample::sample;

const ACCEPTED: &str = include_str!("../../corpus/filter/accepted.txt");
const REFUSED: &str = include_str!("../../corpus/filter/refused.txt");

#[test]
fn every_filter_prints_as_one_that_means_the_same() {
    assert!(ACCEPTED.lines().count() > 150);
    let sample = sample();
    for text in ACCEPTED.lines() {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let again = round(&filter, text);
        let negated = Filter::parse(&format!("not ({text})")).unwrap();
        for (letter, connection) in &sample {
            let answer = filter.evaluate(connection);
            assert_eq!(again.evaluate(connection), answer, "{text} of {letter}");
            assert_eq!(negated.evaluate(connection), answer.map(|is| !is), "{text} of {letter}");
        }
    }
}

/// What it is printed as, read again.
fn round(filter: &Filter, text: &str) -> Filter {
    let printed = filter.to_string();
    let again = Filter::parse(&printed).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(again, *filter, "{text} prints as {printed}");
    assert_eq!(again.to_string(), printed);
    again
}

#[test]
fn every_fault_has_its_place() {
    assert!(REFUSED.lines().count() > 20);
    for text in REFUSED.lines() {
        let error = Filter::parse(text).expect_err(text);
        assert!(text.get(error.span()).is_some(), "{text}");
    }
}

#[test]
fn a_filter_cut_anywhere_is_a_filter_or_a_fault() {
    for text in ACCEPTED.lines().chain(REFUSED.lines()) {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            read(&text[..end]);
            read(&text[end..]);
        }
    }
}

fn read(text: &str) {
    match Filter::parse(text) {
        Ok(filter) if filter.to_string().len() <= MAX_BYTES => {
            round(&filter, text);
        }
        Ok(_) => {}
        Err(error) => {
            assert!(text.get(error.span()).is_some(), "{text}");
            assert!(!error.to_string().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_filter_is_a_filter_or_a_fault(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0_u8..4), 1..8),
    ) {
        let lines: Vec<&str> = ACCEPTED.lines().chain(REFUSED.lines()).collect();
        let mut letters: Vec<char> = lines[which.index(lines.len())].chars().collect();
        for (at, letter, change) in changes {
            let at = at.index(letters.len() + 1);
            // Letters the language knows find more than letters of any script.
            let letter = if change == 0 { letter } else { *"()\"'<>=!&|~:/.- 0kin".as_bytes().get(letter as usize % 20).unwrap() as char };
            match (change, letters.get_mut(at)) {
                (0 | 1, _) | (_, None) => letters.insert(at, letter),
                (2, Some(place)) => *place = letter,
                (_, Some(_)) => drop(letters.remove(at)),
            }
        }
        read(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn two_filters_join_to_one(
        first in any::<prop::sample::Index>(),
        second in any::<prop::sample::Index>(),
        joint in prop::sample::select(&[" and ", " or ", " and not ", " "][..]),
    ) {
        let lines: Vec<&str> = ACCEPTED.lines().collect();
        let (first, second) = (lines[first.index(lines.len())], lines[second.index(lines.len())]);
        read(&format!("({first}){joint}({second})"));
    }
}

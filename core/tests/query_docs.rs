//! The page about filters is true.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use conns_core::query::Filter;

const PAGE: &str = include_str!("../../docs/filter.md");

/// The lines of each code block that is marked with `language`.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut open = None;
    for line in PAGE.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(marked), None) => {
                open = Some(marked == language);
                if marked == language {
                    blocks.push(Vec::new());
                }
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(true)) => blocks.last_mut().expect("a block").push(line),
            _ => {}
        }
    }
    blocks
}

#[test]
fn every_example_is_a_filter() {
    let examples: Vec<&str> = blocks("filter").into_iter().flatten().collect();
    assert!(examples.len() > 40, "{} examples", examples.len());
    for example in examples {
        assert!(!example.trim().is_empty());
        Filter::parse(example).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn every_error_is_printed_as_shown() {
    let errors = blocks("error");
    assert!(!errors.is_empty());
    for shown in errors {
        let filter = shown.get(1).expect("the filter's line").trim();
        let error = Filter::parse(filter).expect_err(filter);
        assert_eq!(error.to_string(), shown.join("\n"));
    }
}

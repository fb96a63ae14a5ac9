//! Results of the cases: a line for each answer, the confusion matrix, and whether the accuracy suffices.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::scenario::{CLASSES, Expect, UNKNOWN};

/// Below this share of right answers the matrix fails.
const MIN_ACCURACY_PERCENT: f64 = 95.0;
/// With more wrong answers than this share of the cases that were not there at a later attempt the matrix fails.
const MAX_MISSED_PERCENT: f64 = 4.0;
/// Named when no row of `conns` fits the socket.
const MISSING: &str = "(no row)";

/// The result of one case.
#[derive(Debug)]
pub struct Outcome {
    name: String,
    pub(super) answers: Vec<Answer>,
    pub(super) forbidden: Vec<String>,
    pub(super) path: String,
    /// Why the machine was too busy to cause it.
    pub(super) busy: Option<String>,
    /// Earlier attempts with a wrong answer.
    pub(super) misses: usize,
    /// Why the case could not be judged.
    pub error: Option<String>,
}

/// One expectation and what was named.
#[derive(Debug)]
pub(super) struct Answer {
    about: String,
    expected: String,
    named: String,
    why: String,
    shown: Vec<String>,
}

impl Answer {
    /// If several sockets fit, the first that is named differently counts.
    pub(super) fn of(expect: &Expect, rows: &[&Value], shown: Vec<String>) -> Self {
        let class = |row: &Value| row["verdict"].as_str().unwrap_or(MISSING).to_owned();
        let row = rows.iter().find(|row| class(row) != expect.class).or(rows.first());
        let port = |port: Option<u16>| port.map_or("*".to_owned(), |port| port.to_string());
        Self {
            about: format!(
                "{:?}:{}→{}",
                expect.pick.side,
                port(expect.pick.local_port),
                port(expect.pick.remote_port)
            ),
            expected: expect.class.clone(),
            named: row.map_or(MISSING.to_owned(), |row| class(row)),
            why: row.map_or(String::new(), |row| {
                format!("{} {} {}", row["confidence_percent"], row["why"], row["evidence"])
            }),
            shown,
        }
    }

    fn right(&self) -> bool {
        self.expected == self.named
    }

    fn accuses_the_innocent(&self) -> bool {
        let innocent = |class: &str| matches!(class, "healthy" | "idle");
        let accuses = |class: &str| {
            !innocent(class) && !matches!(class, "app-limited" | "path-limited" | UNKNOWN | MISSING)
        };
        innocent(&self.expected) && accuses(&self.named)
    }
}

impl Outcome {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            answers: Vec::new(),
            forbidden: Vec::new(),
            path: String::new(),
            busy: None,
            misses: 0,
            error: None,
        }
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.error.is_none() && self.forbidden.is_empty() && self.answers.iter().all(Answer::right)
    }

    /// Prints a line for each answer, and the evidence for the wrong ones.
    pub(super) fn print(&self) {
        let mut text = String::new();
        for answer in &self.answers {
            let mark = if answer.right() { "right" } else { "WRONG" };
            text += &format!(
                "{mark}    {:<38} {:<12} expected {:<18} named {}\n",
                self.name, answer.about, answer.expected, answer.named
            );
            if !answer.right() {
                text += &format!("         conns: {}\n", answer.why);
                for row in &answer.shown {
                    text += &format!("         ss: {row}\n");
                }
                text += &format!("         {}\n", self.path);
            }
        }
        for line in &self.forbidden {
            text += &format!("FORBIDDEN {} {line}\n", self.name);
        }
        if let Some(error) = &self.error {
            text += &format!("ERROR    {} {error}\n", self.name);
        }
        print!("{text}");
    }
}

/// Prints the confusion matrix; true if the answers are good enough.
pub(super) fn summary(outcomes: &[Outcome], took: Duration) -> bool {
    let answers: Vec<&Answer> = outcomes.iter().flat_map(|outcome| &outcome.answers).collect();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for answer in &answers {
        *counts.entry((&answer.expected, &answer.named)).or_default() += 1;
    }
    let classes: Vec<&str> = CLASSES.iter().copied().chain([UNKNOWN, MISSING]).collect();
    println!("\nexpected ↓ / named →");
    print!("{:20}", "");
    for (at, _) in classes.iter().enumerate() {
        print!("{:>4}", letter(at));
    }
    println!();
    for (at, expected) in classes.iter().enumerate().filter(|(_, class)| **class != MISSING) {
        print!("{} {expected:18}", letter(at));
        for named in &classes {
            match counts.get(&(*expected, *named)) {
                Some(count) => print!("{count:>4}"),
                None => print!("   ·"),
            }
        }
        println!();
    }
    let right = answers.iter().filter(|answer| answer.right()).count();
    let accused = answers.iter().filter(|answer| answer.accuses_the_innocent()).count();
    let innocent = answers
        .iter()
        .filter(|answer| matches!(answer.expected.as_str(), "healthy" | "idle"))
        .count();
    let forbidden: usize = outcomes.iter().map(|outcome| outcome.forbidden.len()).sum();
    let errors = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    let accuracy = 100.0 * right as f64 / answers.len().max(1) as f64;
    println!("\n{right} of {} verdicts right: {accuracy:.1} %", answers.len());
    println!(
        "{accused} of {innocent} healthy or idle connections accused; {forbidden} forbidden verdicts"
    );
    let missed: usize = outcomes.iter().map(|outcome| outcome.misses).sum();
    let missed_percent = 100.0 * missed as f64 / outcomes.len().max(1) as f64;
    println!("{missed} wrong answers before the last attempt at a case");
    println!("{} cases, {errors} could not be judged, {:.0} s", outcomes.len(), took.as_secs_f64());
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_as_expected()) {
        outcome.print();
    }
    let are_right = accuracy >= MIN_ACCURACY_PERCENT && accused == 0 && forbidden == 0;
    are_right && missed_percent <= MAX_MISSED_PERCENT && errors == 0
}

fn letter(at: usize) -> char {
    char::from(b'A' + u8::try_from(at).unwrap_or(25))
}

//! The matrix: every case of every scenario is caused, `conns why` is asked, and its answers are counted against the truth.

mod record;
mod report;
mod run;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::conns::Conns;
use crate::scenario::{Case, read_folder};
pub use record::record_into;
pub use report::Outcome;

/// Four paths at a time leave two cores enough time that delays stay exact; `tests/truth` checks that.
pub const DEFAULT_JOBS: usize = 4;

/// The program that is asked.
#[derive(Debug)]
pub enum Judge {
    /// `conns why`.
    Conns(Conns),
    /// None: the rows of `ss` are printed, to check by hand that a case is physically right.
    Ss,
}

/// Runs all cases whose name contains `only`; true if `conns` was right often enough and accused no healthy connection.
pub fn run(judge: &Judge, only: Option<&str>, jobs: usize) -> Result<bool> {
    let mut cases = read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))?;
    cases.retain(|case| only.is_none_or(|part| case.name.contains(part)));
    if cases.is_empty() {
        bail!("no case has a name that contains {:?}", only.unwrap_or_default());
    }
    let start = Instant::now();
    let (alone, together): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| case.alone);
    let mut first = run_each(together, jobs.max(1), judge);
    first.extend(run_each(alone, 1, judge));
    let (mut outcomes, again): (Vec<_>, Vec<_>) =
        first.into_iter().partition(|(_, outcome)| outcome.is_as_expected());
    // What cases at the same time may have spoiled is caused again by itself.
    for (case, first) in again {
        let outcome = run::run_again(&case, judge, first);
        outcome.print();
        outcomes.push((case, outcome));
    }
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    if matches!(judge, Judge::Ss) {
        return Ok(outcomes.iter().all(|outcome| outcome.error.is_none()));
    }
    Ok(report::summary(&outcomes, start.elapsed()))
}

/// Runs each case once, `jobs` at a time, and prints what is as expected.
fn run_each(cases: Vec<Case>, jobs: usize, judge: &Judge) -> Vec<(Case, Outcome)> {
    let (queue, outcomes) = (Mutex::new(VecDeque::from(cases)), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(case) = take(&queue) {
                    let outcome = run::run(&case, judge);
                    if outcome.is_as_expected() {
                        outcome.print();
                    }
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((case, outcome));
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn take(queue: &Mutex<VecDeque<Case>>) -> Option<Case> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

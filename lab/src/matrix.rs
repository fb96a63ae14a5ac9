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
    let outcomes = Mutex::new(Vec::new());
    for (cases, jobs) in [(together, jobs.max(1)), (alone, 1)] {
        let queue = Mutex::new(VecDeque::from(cases));
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(case) = take(&queue) {
                        let outcome = run::run(&case, judge);
                        outcome.print();
                        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                });
            }
        });
    }
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    if matches!(judge, Judge::Ss) {
        return Ok(outcomes.iter().all(|outcome| outcome.error.is_none()));
    }
    Ok(report::summary(&outcomes, start.elapsed()))
}

fn take(queue: &Mutex<VecDeque<Case>>) -> Option<Case> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

//! How tests of the lab are run: those that need what this machine lacks are ignored by name, with the reason.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial, run};

/// A test: its name, what it misses here, and what it does.
pub(crate) type Test = (&'static str, Option<String>, fn() -> Result<()>);

/// Runs the tests the command line asks for.
pub(crate) fn run_all(tests: impl IntoIterator<Item = Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = tests.into_iter().map(|(name, missing, test)| {
        if let Some(missing) = &missing {
            eprintln!("{name} is ignored: {missing}");
        }
        Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
            .with_ignored_flag(missing.is_some())
    });
    run(&arguments, trials.collect()).exit_code()
}

use std::iter::repeat_with;

use super::*;

#[test]
fn an_error_that_lasts_ends_the_reading() {
    let mut read = Read::default();
    read.take(repeat_with(|| Err(Error::NetLinkError)));
    assert_eq!((read.rows.len(), read.failures.len()), (0, FAILED_ROWS_MAX));
}

#[test]
fn losses_of_one_sort_are_counted_in_one_sentence() {
    let mut losses = Losses::default();
    losses.add(LossKind::FileUnreadable, "a socket was closed", "first");
    losses.add(LossKind::FileUnreadable, "a socket was closed", "second");
    losses.add(LossKind::FileUnreadable, "a holder is not shown", "pid 7");
    let told: Vec<_> = losses.0.iter().map(|loss| (loss.count, &*loss.sentence)).collect();
    assert_eq!(told, [(2, "a socket was closed: first"), (1, "a holder is not shown: pid 7")]);
}

#[test]
fn a_failure_of_the_crate_names_its_cause_and_a_remedy() {
    let cause = io::Error::from(io::ErrorKind::PermissionDenied);
    let text = unavailable(Error::FailedToListProcesses(cause)).to_string();
    assert!(text.contains("socket tables: failed to list processes: permission denied. Run conns"));
}

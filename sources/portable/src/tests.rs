use std::iter::repeat_with;

use super::*;

#[test]
fn a_persistent_error_ends_reading() {
    let mut read = Read::default();
    read.take(repeat_with(|| Err(Error::NetLinkError)));
    assert_eq!((read.rows.len(), read.failures.len()), (0, MAX_FAILED_ROWS));
}

#[test]
fn losses_of_one_kind_are_counted_in_one_sentence() {
    let mut losses = Losses::default();
    losses.add(PortableFault::SocketVanished, "first");
    losses.add(PortableFault::SocketVanished, "second");
    losses.add(PortableFault::OwnerVanished, "pid 7");
    let texts: Vec<String> = losses.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "2 sockets were closed while they were read; the first: first",
            "1 owners are missing: the process ended, or refused, while it was read; the first: pid 7"
        ]
    );
}

#[test]
fn a_failure_of_the_crate_names_its_cause_and_a_remedy() {
    let cause = io::Error::from(io::ErrorKind::PermissionDenied);
    let text = unavailable(Error::FailedToListProcesses(cause)).to_string();
    assert!(text.contains("socket tables: failed to list processes: permission denied. Run conns"));
}

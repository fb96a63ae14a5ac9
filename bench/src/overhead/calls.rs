//! A system call that does nothing, in a loop: what each call of each process would pay.

use std::hint::black_box;
use std::os::unix::process::parent_id;
use std::time::Duration;

use super::turn::{Meter, Turn};

/// Calls between two readings of the clock.
const BATCH: u32 = 1000;

/// Calls of getppid(2) within `time`.
pub(super) fn turn(time: Duration) -> anyhow::Result<Turn> {
    let mut done = 0.0;
    let meter = Meter::start()?;
    while meter.elapsed() < time {
        for _ in 0..BATCH {
            black_box(parent_id());
        }
        done += f64::from(BATCH);
    }
    meter.stop(done)
}

//! Who attacks: a table. Each attack has a thread of its own and goes on until the field says stop.

use super::field::Field;
use super::{hoard, malformed, noise, stay, vanish};

/// One attack.
pub(super) struct Attack {
    /// Runs until the field says stop; told its number, for random numbers of its own.
    pub(super) run: fn(&Field<'_>, u64),
}

/// All of them.
pub(super) const ATTACKS: &[Attack] = &[
    // Nothing is said for long.
    Attack { run: stay::idle },
    // A head that never ends, a byte at a time.
    Attack { run: stay::slow_heads },
    // Answers of megabytes are read a byte a second, or never.
    Attack { run: stay::slow_readers },
    // Streams of changes that nobody reads.
    Attack { run: stay::deaf_subscribers },
    // Bodies and lines of which the end never comes.
    Attack { run: hoard::unfinished },
    // Many requests for long answers at once, of which no answer is read.
    Attack { run: hoard::pipelined },
    // Requests HTTP does not allow, and huge ones.
    Attack { run: malformed::requests },
    Attack { run: malformed::header_floods },
    // Random and mutated bytes on every port.
    Attack { run: noise::bytes },
    Attack { run: noise::bytes },
    // Connections opened and closed as fast as they come.
    Attack { run: noise::churn },
    // Clients whose machine is gone.
    Attack { run: vanish::vanish },
];

//! Who attacks: a table. Each attack has a thread of its own and goes on until the context says stop.

use super::context::AttackContext;
use super::{malformed, memory_hog, noise, slow_clients, unreachable};

/// One attack.
pub(super) struct Attack {
    /// Runs until the context says stop; reported its number, for random numbers of its own.
    pub(super) run: fn(&AttackContext<'_>, u64),
}

/// All of them.
pub(super) const ATTACKS: &[Attack] = &[
    // Nothing is said for long.
    Attack { run: slow_clients::idle },
    // A head that never ends, a byte at a time.
    Attack { run: slow_clients::slow_heads },
    // Answers of megabytes are read a byte a second, or never.
    Attack { run: slow_clients::slow_readers },
    // Streams of changes that nobody reads.
    Attack { run: slow_clients::unread_streams },
    // Bodies and lines of which the end never comes.
    Attack { run: memory_hog::unfinished },
    // Many requests for long answers at once, of which no answer is read.
    Attack { run: memory_hog::pipelined },
    // Requests HTTP does not allow, and huge ones.
    Attack { run: malformed::requests },
    Attack { run: malformed::header_floods },
    // Random and mutated bytes on every port.
    Attack { run: noise::bytes },
    Attack { run: noise::bytes },
    // Connections opened and closed as fast as they come.
    Attack { run: noise::churn },
    // Clients whose machine is gone.
    Attack { run: unreachable::unreachable },
];

//! The table of attacks. Each runs in a thread of its own until the context stops.

use super::context::AttackContext;
use super::{malformed, memory_hog, noise, slow_clients, unreachable};

/// One attack.
pub(super) struct Attack {
    /// Runs until the context stops. Its argument is the attack's number, the seed of its random numbers.
    pub(super) run: fn(&AttackContext<'_>, u64),
}

/// All of them.
pub(super) const ATTACKS: &[Attack] = &[
    // Clients that send nothing.
    Attack { run: slow_clients::idle },
    // A request head without an end, a byte at a time.
    Attack { run: slow_clients::slow_heads },
    // Answers of megabytes are read a byte a second, or never.
    Attack { run: slow_clients::slow_readers },
    // Streams of changes that are not read.
    Attack { run: slow_clients::unread_streams },
    // Bodies and lines without an end.
    Attack { run: memory_hog::unfinished },
    // Pipelined requests for long answers that are not read.
    Attack { run: memory_hog::pipelined },
    // Requests HTTP does not allow, and huge ones.
    Attack { run: malformed::requests },
    Attack { run: malformed::header_floods },
    // Random and mutated bytes on every port.
    Attack { run: noise::bytes },
    Attack { run: noise::bytes },
    // Connections opened and closed as fast as they come.
    Attack { run: noise::churn },
    // Clients whose host became unreachable.
    Attack { run: unreachable::unreachable },
];

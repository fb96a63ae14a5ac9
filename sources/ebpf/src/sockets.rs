//! The programs of `bpf/sockets.bpf.c`: they watch the sockets for who looks again and again, and tell what happens to
//! connections.
//!
//! The one idea: who wants both has them in one copy, so that a socket is charged once. If not both can
//! be had so, each is tried by itself, and says for itself what is in its way.

use std::sync::{Arc, Mutex, PoisonError};

use aya::{Btf, Ebpf};

use crate::events::Events;
use crate::object::{self, attach};
use crate::watch::WatchedTables;

/// One copy of the programs, which run as long as one of those who share it is there.
pub(crate) type Copy = Arc<Mutex<Ebpf>>;

/// What was opened, and what does not work of a second ability that comes with it.
type Outcome<T> = Result<(T, Option<Box<str>>), Box<str>>;

/// Of each map its bound where nobody uses it.
type Unused<'a> = &'a [(&'a str, u32)];

/// The least a ring can be where pages are largest.
const NO_RING: u32 = 64 * 1024;
const OF_WATCH: Unused<'_> = &[("looks", NO_RING), ("flows", 1)];
const OF_EVENTS: Unused<'_> = &[("ring", NO_RING)];

/// What a copy is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Watch,
    Events,
    Both,
}

/// Opens what is wanted.
pub(crate) fn open(
    types: &Btf,
    pid_level: &Result<u32, Box<str>>,
    wants_watch: bool,
    wants_events: bool,
) -> (Option<Outcome<WatchedTables>>, Option<Outcome<Events>>) {
    if wants_watch
        && wants_events
        && let Ok(level) = pid_level
        && let Ok((watch, events)) = both(types, *level)
    {
        return (Some(Ok(watch)), Some(Ok(events)));
    }
    let watch = || WatchedTables::open(&copy(types, For::Watch, 0)?, types);
    let events = || Events::open(&copy(types, For::Events, pid_level.clone()?)?, types);
    (wants_watch.then(watch), wants_events.then(events))
}

type Both = ((WatchedTables, Option<Box<str>>), (Events, Option<Box<str>>));

fn both(types: &Btf, pid_level: u32) -> Result<Both, Box<str>> {
    let copy = copy(types, For::Both, pid_level)?;
    Ok((WatchedTables::open(&copy, types)?, Events::open(&copy, types)?))
}

/// Loads a copy, and attaches what is of use for whatever it is for.
fn copy(types: &Btf, purpose: For, pid_level: u32) -> Result<Copy, Box<str>> {
    let constants = [
        ("HZ", object::ticks_per_second()),
        ("PID_LEVEL", pid_level),
        ("IS_WATCHED", u32::from(purpose != For::Events)),
        ("TELLS_EVENTS", u32::from(purpose != For::Watch)),
    ];
    let unused = match purpose {
        For::Watch => OF_EVENTS,
        For::Events => OF_WATCH,
        For::Both => &[],
    };
    let mut programs = object::load_bounded(crate::object!("sockets"), types, &constants, unused)?;
    // The second has to come after the first for each change of state.
    for program in ["change_state_1", "change_state_2"] {
        attach(&mut programs, program, "inet_sock_set_state", types)?;
    }
    Ok(Arc::new(Mutex::new(programs)))
}

/// The programs of a copy, for who takes maps or attaches more.
pub(crate) fn of(copy: &Copy) -> std::sync::MutexGuard<'_, Ebpf> {
    copy.lock().unwrap_or_else(PoisonError::into_inner)
}

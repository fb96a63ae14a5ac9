//! The object of `bpf/sockets.bpf.c`: sampler and event stream share one loaded object, so each socket has
//! one sk_storage entry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::{Btf, Ebpf};

use crate::object::{self, attach};

/// The loaded object; its programs are detached when the last user drops it.
pub(crate) type SharedObject = Arc<Mutex<Ebpf>>;

/// What an object is loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Sampling,
    Events,
    Both,
}

/// The smallest ring that the kernel accepts at any page size.
const MIN_RING_BYTES: u32 = 64 * 1024;
/// `max_entries` of the maps that only the sampler uses, where they are unused.
const UNUSED_SAMPLING_MAPS: &[(&str, u32)] = &[("samples", MIN_RING_BYTES), ("flows", 1)];
/// `max_entries` of the map that only the event stream uses, where it is unused.
const UNUSED_EVENT_MAPS: &[(&str, u32)] = &[("ring", MIN_RING_BYTES)];

/// Loads the object and attaches the programs that every purpose needs.
pub(crate) fn load(
    types: &Btf,
    purpose: Purpose,
    pid_level: u32,
) -> Result<SharedObject, Box<str>> {
    let constants = [
        ("HZ", object::ticks_per_second()),
        ("PID_LEVEL", pid_level),
        ("SAMPLES_SOCKETS", u32::from(purpose != Purpose::Events)),
        ("EMITS_EVENTS", u32::from(purpose != Purpose::Sampling)),
    ];
    let unused = match purpose {
        Purpose::Sampling => UNUSED_EVENT_MAPS,
        Purpose::Events => UNUSED_SAMPLING_MAPS,
        Purpose::Both => &[],
    };
    let mut programs =
        object::load_with_sizes(object::compiled!("sockets"), types, &constants, unused)?;
    // The second has to run after the first for each change of state.
    for program in ["change_state_1", "change_state_2"] {
        attach(&mut programs, program, "inet_sock_set_state", types)?;
    }
    Ok(Arc::new(Mutex::new(programs)))
}

/// The object, to take maps from or to attach more programs.
pub(crate) fn lock(shared: &SharedObject) -> MutexGuard<'_, Ebpf> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

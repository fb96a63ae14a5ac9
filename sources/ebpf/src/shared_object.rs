//! The object of `bpf/sockets.bpf.c`: sampler, event stream and tap share one loaded object, so each socket has
//! one sk_storage entry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::{Btf, Ebpf};
use conns_core::decode::LEVIN_SIGNATURE;

use crate::object::{self, attach};

/// The loaded object; its programs are detached when the last user drops it.
pub(crate) type SharedObject = Arc<Mutex<Ebpf>>;

/// What an object is loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Sampling,
    Events,
    Both,
    /// The tap alone.
    Payload,
}

/// The smallest ring that the kernel accepts at any page size.
const MIN_RING_BYTES: u32 = 64 * 1024;
/// `max_entries` of the maps that only the sampler uses, where they are unused.
const UNUSED_SAMPLING_MAPS: &[(&str, u32)] = &[("samples", MIN_RING_BYTES), ("flows", 1)];
/// `max_entries` of the map that only the event stream uses, where it is unused.
const UNUSED_EVENT_MAPS: &[(&str, u32)] = &[("ring", MIN_RING_BYTES)];

/// `max_entries` of the maps that only the tap uses, where they are unused.
const UNUSED_PAYLOAD_MAPS: &[(&str, u32)] = &[("payload", MIN_RING_BYTES), ("wants", 1)];

/// Loads the object and attaches the programs that every purpose needs.
pub(crate) fn load(
    types: &Btf,
    purpose: Purpose,
    has_tap: bool,
    pid_level: u32,
) -> Result<SharedObject, Box<str>> {
    let [low, high] = signature();
    let constants = [
        ("HZ", object::ticks_per_second()),
        ("PID_LEVEL", pid_level),
        ("SAMPLES_SOCKETS", u32::from(matches!(purpose, Purpose::Sampling | Purpose::Both))),
        ("EMITS_EVENTS", u32::from(matches!(purpose, Purpose::Events | Purpose::Both))),
        ("SIGNATURE_LOW", low),
        ("SIGNATURE_HIGH", high),
    ];
    let (no_events, no_samples): (&[_], &[_]) = match purpose {
        Purpose::Sampling => (UNUSED_EVENT_MAPS, &[]),
        Purpose::Events => (&[], UNUSED_SAMPLING_MAPS),
        Purpose::Both => (&[], &[]),
        Purpose::Payload => (UNUSED_EVENT_MAPS, UNUSED_SAMPLING_MAPS),
    };
    let no_payload = if has_tap { &[] } else { UNUSED_PAYLOAD_MAPS };
    let unused = &[no_events, no_samples, no_payload].concat();
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

/// The first bytes of connections that are handed over without being steered, as the two words that the programs
/// compare.
fn signature() -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = LEVIN_SIGNATURE;
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

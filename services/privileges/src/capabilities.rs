//! Capabilities (capabilities(7)): those the agent keeps, dropping the others, and their names.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
};

/// Needed to read the descriptors of other users' processes: opening `/proc/PID/fd` requires its
/// owner or `DAC_READ_SEARCH`; reading its links, and those of `/proc/PID/ns`, requires ptrace access
/// (`SYS_PTRACE`).
pub(crate) const OWNERS: CapabilitySet =
    CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// setns(2) into a network namespace requires it there and in the own user namespace.
pub(crate) const NAMESPACES: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// Capabilities have numbers below this: a set is a `u64`.
const NUMBERS: u32 = u64::BITS;

/// The capabilities that are kept if present.
pub(crate) fn keepable(follow_namespaces: bool) -> CapabilitySet {
    if follow_namespaces { OWNERS | NAMESPACES } else { OWNERS }
}

/// Empties the bounding set, so that no executed program can regain a capability. Requires
/// `CAP_SETPCAP`; without it the set stays, and the report shows it.
pub(crate) fn empty_bounding_set() {
    for number in 0..NUMBERS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) if remove_capability_from_bounding_set(one).is_err() => return,
            Ok(_) => {}
            Err(_) => return, // the kernel has no capability of that number
        }
    }
}

/// Restricts the calling thread to those of `allowed` that it has, and returns them.
pub(crate) fn keep_only(allowed: CapabilitySet) -> io::Result<CapabilitySet> {
    let kept = capabilities(None)?.permitted & allowed;
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(kept)
}

/// `CAP_…` of each, in the kernel's order; a number where it is newer than this program.
pub(crate) fn names(set: CapabilitySet) -> Vec<String> {
    let alone = (0..NUMBERS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    alone
        .enumerate()
        .filter(|(_, one)| set.contains(*one))
        .map(|(number, one)| match one.iter_names().next() {
            Some((name, _)) => format!("CAP_{name}"),
            None => format!("CAP_{number}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manual() {
        let set = OWNERS | NAMESPACES | CapabilitySet::from_bits_retain(1 << 63);
        let names = names(set);
        assert_eq!(names, ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_63"]);
    }
}

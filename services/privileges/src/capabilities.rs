//! The capabilities (capabilities(7)): which the agent keeps, how the rest goes, what they are called.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
};

/// Both are needed to see what other users' processes hold: `/proc/PID/fd` may be opened by its
/// owner only (`DAC_READ_SEARCH`), and its links, as those of `/proc/PID/ns`, may be read by who may
/// trace the process only (`SYS_PTRACE`).
pub(crate) const OWNERS: CapabilitySet =
    CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// setns(2) into a network namespace wants it there and in the own user namespace.
pub(crate) const NAMESPACES: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// Capabilities have numbers below this: a set is a `u64`.
const NUMBERS: u32 = u64::BITS;

/// What may be kept.
pub(crate) fn wanted(follow_namespaces: bool) -> CapabilitySet {
    if follow_namespaces { OWNERS | NAMESPACES } else { OWNERS }
}

/// Takes every capability out of the bounding set, so that no program that was started could get
/// one back. Needs `CAP_SETPCAP`; without it the set stays, and the report shows it.
pub(crate) fn empty_bounding_set() {
    for number in 0..NUMBERS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) if remove_capability_from_bounding_set(one).is_err() => return,
            Ok(_) => {}
            Err(_) => return, // the kernel knows no capability of that number
        }
    }
}

/// Leaves the calling thread those of `wanted` that it has, and returns them.
pub(crate) fn keep_only(wanted: CapabilitySet) -> io::Result<CapabilitySet> {
    let kept = capabilities(None)?.permitted & wanted;
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

//! The types of the running kernel (BTF), reduced to those that our programs name.
//!
//! The kernel describes 130 000 types; our programs name about sixty. All others are replaced by
//! nameless forward declarations, so that type ids stay the same and loading takes a tenth of the time
//! and memory.

use std::collections::HashSet;
use std::fs;

use aya::{Btf, Endianness};
use foldhash::fast::RandomState;

use crate::btf::{self, Entry, FUNC, FWD, Parts, STRUCT, TYPE_BYTES, TYPEDEF, UNION};

/// Where the kernel provides its BTF.
const KERNEL: &str = "/sys/kernel/btf/vmlinux";

type Names<'a> = HashSet<&'a [u8], RandomState>;

/// The kernel's types, reduced to what the programs in `objects` need.
pub(crate) fn of_kernel(objects: &[&[u8]]) -> Result<Btf, Box<str>> {
    let all = fs::read(KERNEL).map_err(|error| {
        format!(
            "the kernel does not describe its types in {KERNEL} (CONFIG_DEBUG_INFO_BTF): {error}"
        )
    })?;
    let names: Names<'_> =
        objects.iter().copied().filter_map(btf::section).flat_map(composite_names).collect();
    let trimmed = trim(&all, &names).ok_or_else(|| format!("{KERNEL} is no BTF of version 1"))?;
    let parsed = match trimmed {
        Trimmed::Complete(trimmed) => {
            drop(all);
            parse(&trimmed)
        }
        // The parser of aya may know the kind; if not, the types before it may be enough.
        Trimmed::UntilUnknownKind(trimmed) => parse(&all).or_else(|_| parse(&trimmed)),
    };
    parsed.map_err(|error| format!("cannot read {KERNEL}: {error}").into())
}

fn parse(btf: &[u8]) -> Result<Btf, aya::BtfError> {
    Btf::parse(btf, Endianness::default())
}

/// `btf` reduced to the structures and unions called `names` and the types they contain; `None` if it is no
/// BTF. For fuzzing.
#[doc(hidden)]
#[must_use]
pub fn trim_btf(btf: &[u8], names: &[&[u8]]) -> Option<Vec<u8>> {
    match trim(btf, &names.iter().copied().collect())? {
        Trimmed::Complete(trimmed) | Trimmed::UntilUnknownKind(trimmed) => Some(trimmed),
    }
}

/// The names of all structures and unions in `btf`, without the `___` suffix that distinguishes variants.
fn composite_names(btf: &[u8]) -> Vec<&[u8]> {
    let Some(parts) = Parts::of(btf) else { return Vec::new() };
    let composites = parts.entries().known.into_iter().filter(Entry::is_composite);
    composites
        .map(|entry| {
            let name = parts.name(entry.name);
            let variant = name.windows(3).position(|part| part == b"___").filter(|at| *at > 0);
            name.get(..variant.unwrap_or(name.len())).unwrap_or(name)
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// A BTF whose unneeded types are nameless.
#[derive(Debug, PartialEq, Eq)]
enum Trimmed {
    /// All types were read.
    Complete(Vec<u8>),
    /// A type of an unknown kind ended the list; it and the types after it are missing.
    UntilUnknownKind(Vec<u8>),
}

/// `btf` with every type that is not needed made nameless and empty; `None` if it is no BTF.
fn trim(btf: &[u8], names: &Names<'_>) -> Option<Trimmed> {
    let parts = Parts::of(btf)?;
    let entries = parts.entries();
    let is_cut = entries.is_cut;
    let entries = entries.known;
    // Type 0 is `void`, which has no entry.
    let mut needed = vec![false; entries.len() + 1];
    let mut pending = Vec::new();
    for (id, entry) in (1..).zip(&entries) {
        let name = parts.name(entry.name);
        let is_needed = match entry.kind {
            STRUCT | UNION => names.contains(name),
            // Attach points of programs.
            FUNC => name.starts_with(b"bpf_iter_"),
            TYPEDEF => name.starts_with(b"btf_trace_"),
            _ => false,
        };
        if is_needed {
            pending.push(id);
        }
    }
    while let Some(id) = pending.pop() {
        let Some(flag) = needed.get_mut(id) else { continue };
        if std::mem::replace(flag, true) {
            continue;
        }
        if let Some(entry) = id.checked_sub(1).and_then(|at| entries.get(at)) {
            entry.add_contained(&parts, &mut pending);
        }
    }
    let mut types = Vec::with_capacity(entries.len() * TYPE_BYTES);
    for (entry, needed) in entries.iter().zip(needed.iter().skip(1)) {
        if *needed {
            types.extend_from_slice(parts.types.get(entry.at..entry.end)?);
        } else {
            types.extend(0_u32.to_ne_bytes());
            types.extend((FWD << 24).to_ne_bytes());
            types.extend(0_u32.to_ne_bytes());
        }
    }
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().map(u32::to_ne_bytes);
    let mut trimmed = parts.start.to_vec();
    trimmed.extend(24_u32.to_ne_bytes());
    trimmed.extend(0_u32.to_ne_bytes());
    trimmed.extend(length(&types)?);
    trimmed.extend(length(&types)?);
    trimmed.extend(length(parts.strings)?);
    trimmed.extend(types);
    trimmed.extend_from_slice(parts.strings);
    let kind = if is_cut { Trimmed::UntilUnknownKind } else { Trimmed::Complete };
    Some(kind(trimmed))
}

#[cfg(test)]
mod tests;

//! The kernel's description of its types (BTF), cut down to what our programs ask for.
//!
//! The one idea: the kernel has 130 000 types and our programs name some sixty. All others become
//! nameless ones in their place, so that every number stays what it was, and reading takes a tenth of
//! the time and memory.

use std::collections::HashSet;
use std::fs;
use std::str;

use aya::{Btf, Endianness};
use foldhash::fast::RandomState;
use object::{Object, ObjectSection};

/// Where the kernel tells them.
const KERNEL: &str = "/sys/kernel/btf/vmlinux";

// `struct btf_header` and `struct btf_type`, linux/btf.h.
const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// The kernel's types, as far as the programs in `objects` need them.
pub(crate) fn of_kernel(objects: &[&[u8]]) -> Result<Btf, Box<str>> {
    let all = fs::read(KERNEL).map_err(|error| {
        format!(
            "the kernel does not describe its types in {KERNEL} (CONFIG_DEBUG_INFO_BTF): {error}"
        )
    })?;
    let names: HashSet<&[u8], RandomState> =
        objects.iter().copied().filter_map(btf_of).flat_map(composite_names).collect();
    let kept = cut_down(&all, &names).ok_or_else(|| format!("{KERNEL} is no BTF of version 1"))?;
    drop(all);
    Btf::parse(&kept, Endianness::default())
        .map_err(|error| format!("cannot read {KERNEL}: {error}").into())
}

/// The types described in a compiled program.
fn btf_of(object: &[u8]) -> Option<&[u8]> {
    let file = object::File::parse(object).ok()?;
    file.section_by_name(".BTF")?.data().ok()
}

/// The names of all structures in `btf`, without what stands behind `___` to tell variants apart.
fn composite_names(btf: &[u8]) -> Vec<&[u8]> {
    let Some(parts) = Parts::of(btf) else { return Vec::new() };
    let composites = parts.entries().into_iter().filter(|entry| is_composite(entry.kind));
    composites
        .map(|entry| {
            let name = parts.name(entry.name);
            let variant = name.windows(3).position(|part| part == b"___").filter(|at| *at > 0);
            name.get(..variant.unwrap_or(name.len())).unwrap_or(name)
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn is_composite(kind: u32) -> bool {
    matches!(kind, STRUCT | UNION)
}

/// `btf` with every type that is not needed made nameless and empty; `None` if it is no BTF.
fn cut_down(btf: &[u8], names: &HashSet<&[u8], RandomState>) -> Option<Vec<u8>> {
    let parts = Parts::of(btf)?;
    let entries = parts.entries();
    // Type 0 is `void`, which is not written.
    let mut needed = vec![false; entries.len() + 1];
    let mut left = Vec::new();
    for (id, entry) in (1..).zip(&entries) {
        let name = parts.name(entry.name);
        let is_needed = match entry.kind {
            STRUCT | UNION => names.contains(name),
            // What programs are attached to.
            FUNC => name.starts_with(b"bpf_iter_"),
            TYPEDEF => name.starts_with(b"btf_trace_"),
            _ => false,
        };
        if is_needed {
            left.push(id);
        }
    }
    while let Some(id) = left.pop() {
        let Some(flag) = needed.get_mut(id) else { continue };
        if std::mem::replace(flag, true) {
            continue;
        }
        if let Some(entry) = id.checked_sub(1).and_then(|at| entries.get(at)) {
            entry.inside(&parts, &mut left);
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
    let mut kept = parts.start.to_vec();
    kept.extend(24_u32.to_ne_bytes());
    kept.extend(0_u32.to_ne_bytes());
    kept.extend(length(&types)?);
    kept.extend(length(&types)?);
    kept.extend(length(parts.strings)?);
    kept.extend(types);
    kept.extend_from_slice(parts.strings);
    Some(kept)
}

/// The parts of a BTF.
struct Parts<'a> {
    /// Magic number, version and flags.
    start: &'a [u8],
    types: &'a [u8],
    strings: &'a [u8],
}

/// One type.
struct Entry {
    at: usize,
    end: usize,
    name: u32,
    kind: u32,
    count: usize,
    /// Its size, or the type it is made of.
    size_or_type: u32,
}

impl<'a> Parts<'a> {
    fn of(btf: &'a [u8]) -> Option<Self> {
        let header = btf.get(..HEADER_BYTES)?;
        // Magic number 0xeb9f, version 1.
        if u16_at(header, 0)? != 0xeb9f || header.get(2) != Some(&1) {
            return None;
        }
        let part = |offset, length| {
            let start = usize_at(header, 4)?.checked_add(usize_at(header, offset)?)?;
            btf.get(start..start.checked_add(usize_at(header, length)?)?)
        };
        Some(Self { start: header.get(..4)?, types: part(8, 12)?, strings: part(16, 20)? })
    }

    fn name(&self, offset: u32) -> &'a [u8] {
        let rest = usize::try_from(offset).ok().and_then(|at| self.strings.get(at..));
        rest.and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default()
    }

    /// All types, in order; ends before one of a kind this version does not know.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some(entry) = self.entry(at) {
            at = entry.end;
            entries.push(entry);
        }
        entries
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let fixed = self.types.get(at..at.checked_add(TYPE_BYTES)?)?;
        let form = u32_at(fixed, 4)?;
        let (kind, count) = (form >> 24 & 0x1f, usize::try_from(form & 0xffff).ok()?);
        let more = match kind {
            INT | VAR | DECL_TAG => 4,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => count * 12,
            ENUM | FUNC_PROTO => count * 8,
            // FLOAT is 16.
            PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | TYPE_TAG | 16 => 0,
            _ => return None,
        };
        let end = at + TYPE_BYTES + more;
        self.types.get(at..end)?;
        let (name, size_or_type) = (u32_at(fixed, 0)?, u32_at(fixed, 8)?);
        Some(Entry { at, end, name, kind, count, size_or_type })
    }
}

impl Entry {
    /// Adds the types this one contains, those behind pointers left out: nobody looks there.
    fn inside(&self, parts: &Parts<'_>, into: &mut Vec<usize>) {
        let more = parts.types.get(self.at + TYPE_BYTES..self.end).unwrap_or_default();
        match self.kind {
            STRUCT | UNION => {
                let members = (0..self.count).filter_map(|member| usize_at(more, member * 12 + 4));
                into.extend(members);
            }
            ARRAY => into.extend([0, 4].iter().filter_map(|at| usize_at(more, *at))),
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                into.extend(usize::try_from(self.size_or_type));
            }
            _ => {}
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What programs find must not depend on what was cut away: each structure that is named is what it was, and so
    /// is all it contains. Shown on the types of our own programs, which every machine has.
    #[test]
    fn structures_that_are_named_keep_all_they_contain() {
        let all = btf_of(crate::object!("sockets")).unwrap();
        assert!(composite_names(all).contains(&&b"task_struct"[..]));
        let names: HashSet<&[u8], RandomState> =
            [&b"tcp_sock"[..], b"inet_connection_sock", b"timer_list", b"sock"]
                .into_iter()
                .collect();
        let kept = cut_down(all, &names).unwrap();
        let (before, after) = (Parts::of(all).unwrap(), Parts::of(&kept).unwrap());
        let (old, new) = (before.entries(), after.entries());
        assert_eq!(old.len(), new.len(), "numbers of types must stay");
        let mut found = 0;
        for (old_entry, new_entry) in old.iter().zip(&new) {
            let is_named = names.contains(before.name(old_entry.name));
            if !(is_composite(old_entry.kind) && is_named) {
                continue;
            }
            found += 1;
            let bytes =
                |parts: &Parts<'_>, entry: &Entry| parts.types[entry.at..entry.end].to_vec();
            assert_eq!(bytes(&before, old_entry), bytes(&after, new_entry));
            let mut members = Vec::new();
            new_entry.inside(&after, &mut members);
            for member in members.into_iter().filter(|id| *id > 0) {
                assert_eq!(new[member - 1].kind, old[member - 1].kind);
            }
        }
        assert_eq!(found, names.len());
        let is_left = |name: &[u8]| new.iter().any(|entry| after.name(entry.name) == name);
        assert!(is_left(b"tcp_sock") && !is_left(b"task_struct") && kept.len() < all.len());
    }

    #[test]
    fn what_is_no_btf_is_refused() {
        let names = HashSet::default();
        for bytes in [&b""[..], &[0; 24], &[0x9f, 0xeb, 1, 0, 255, 255, 255, 255]] {
            assert!(cut_down(bytes, &names).is_none());
        }
    }
}

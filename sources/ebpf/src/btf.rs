//! Parser of BTF, the kernel's description of its types (<https://docs.kernel.org/bpf/btf.html>).

use object::{Object, ObjectSection};

// `struct btf_header` and `struct btf_type`, linux/btf.h.
const HEADER_BYTES: usize = 24;
pub(crate) const TYPE_BYTES: usize = 12;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
pub(crate) const STRUCT: u32 = 4;
pub(crate) const UNION: u32 = 5;
const ENUM: u32 = 6;
pub(crate) const FWD: u32 = 7;
pub(crate) const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
pub(crate) const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// The BTF of a compiled object.
pub(crate) fn section(object: &[u8]) -> Option<&[u8]> {
    let file = object::File::parse(object).ok()?;
    file.section_by_name(".BTF")?.data().ok()
}

/// The parts of a BTF.
pub(crate) struct Parts<'a> {
    /// Magic number, version and flags.
    pub(crate) start: &'a [u8],
    pub(crate) types: &'a [u8],
    pub(crate) strings: &'a [u8],
}

/// One type.
pub(crate) struct Entry {
    /// Its bytes are those from `at` to `end` of [`Parts::types`].
    pub(crate) at: usize,
    pub(crate) end: usize,
    pub(crate) name: u32,
    pub(crate) kind: u32,
    count: usize,
    /// Its size, or the type it refers to.
    size_or_type: u32,
}

/// The types of a BTF, in order of their ids, from 1.
pub(crate) struct Entries {
    pub(crate) known: Vec<Entry>,
    /// Whether a type of an unknown kind, whose length is unknown too, ended the list.
    pub(crate) is_cut: bool,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(btf: &'a [u8]) -> Option<Self> {
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

    pub(crate) fn name(&self, offset: u32) -> &'a [u8] {
        let rest = usize::try_from(offset).ok().and_then(|at| self.strings.get(at..));
        rest.and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default()
    }

    pub(crate) fn entries(&self) -> Entries {
        let mut known = Vec::new();
        let mut at = 0;
        while let Some(entry) = self.entry(at) {
            at = entry.end;
            known.push(entry);
        }
        Entries { known, is_cut: at != self.types.len() }
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let fixed = self.types.get(at..at.checked_add(TYPE_BYTES)?)?;
        let info = u32_at(fixed, 4)?;
        let (kind, count) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff).ok()?);
        let more = match kind {
            INT | VAR | DECL_TAG => 4,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => count * 12,
            ENUM | FUNC_PROTO => count * 8,
            PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | TYPE_TAG | FLOAT => 0,
            _ => return None,
        };
        let end = at + TYPE_BYTES + more;
        self.types.get(at..end)?;
        let (name, size_or_type) = (u32_at(fixed, 0)?, u32_at(fixed, 8)?);
        Some(Entry { at, end, name, kind, count, size_or_type })
    }

    /// What follows the fixed part of an entry: members, parameters, the range of an array.
    fn tail(&self, entry: &Entry) -> &'a [u8] {
        self.types.get(entry.at + TYPE_BYTES..entry.end).unwrap_or_default()
    }
}

impl Entry {
    pub(crate) fn is_composite(&self) -> bool {
        matches!(self.kind, STRUCT | UNION)
    }

    /// Adds the ids of the types that this one contains. Types behind pointers are not contained: no
    /// relocation follows a pointer.
    pub(crate) fn add_contained(&self, parts: &Parts<'_>, ids: &mut Vec<usize>) {
        let tail = parts.tail(self);
        match self.kind {
            STRUCT | UNION => {
                let members = (0..self.count).filter_map(|member| usize_at(tail, member * 12 + 4));
                ids.extend(members);
            }
            ARRAY => ids.extend([0, 4].iter().filter_map(|at| usize_at(tail, *at))),
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                ids.extend(usize::try_from(self.size_or_type));
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
mod description;
#[cfg(test)]
pub(crate) use description::{Enumeration, Structure};

//! Structures and enumerations as BTF describes them, for the tests of `layout`.

use super::{ARRAY, ENUM, Entry, Parts, STRUCT, TYPEDEF, u32_at, usize_at};

/// A structure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    /// Name, offset and size of each.
    pub(crate) fields: Vec<(String, usize, usize)>,
}

/// An enumeration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enumeration {
    pub(crate) name: String,
    pub(crate) constants: Vec<(String, u32)>,
}

impl Parts<'_> {
    pub(crate) fn structure(&self, name: &str) -> Option<Structure> {
        let entries = self.entries().known;
        let entry = self.find(&entries, STRUCT, name)?;
        let tail = self.tail(entry);
        let field = |index: usize| {
            let member = tail.get(index * 12..)?;
            let offset_bits = usize_at(member, 8)?;
            let bytes = self.size(&entries, usize_at(member, 4)?)?;
            Some((self.text(u32_at(member, 0)?), offset_bits / 8, bytes))
        };
        Some(Structure {
            name: name.to_owned(),
            bytes: usize::try_from(entry.size_or_type).ok()?,
            fields: (0..entry.count).map(field).collect::<Option<_>>()?,
        })
    }

    pub(crate) fn enumeration(&self, name: &str) -> Option<Enumeration> {
        let entries = self.entries().known;
        let tail = self.tail(self.find(&entries, ENUM, name)?);
        let constants = tail
            .chunks(8)
            .map(|constant| Some((self.text(u32_at(constant, 0)?), u32_at(constant, 4)?)));
        Some(Enumeration { name: name.to_owned(), constants: constants.collect::<Option<_>>()? })
    }

    /// The names of all structures and enumerations that have one.
    pub(crate) fn named(&self) -> Vec<String> {
        let entries = self.entries().known.into_iter();
        let names = entries
            .filter(|entry| matches!(entry.kind, STRUCT | ENUM))
            .map(|entry| self.text(entry.name));
        names.filter(|name| !name.is_empty()).collect()
    }

    fn find<'e>(&self, entries: &'e [Entry], kind: u32, name: &str) -> Option<&'e Entry> {
        entries.iter().find(|entry| entry.kind == kind && self.text(entry.name) == name)
    }

    fn size(&self, entries: &[Entry], id: usize) -> Option<usize> {
        let entry = entries.get(id.checked_sub(1)?)?;
        match entry.kind {
            TYPEDEF => self.size(entries, usize::try_from(entry.size_or_type).ok()?),
            ARRAY => {
                let tail = self.tail(entry);
                Some(self.size(entries, usize_at(tail, 0)?)? * usize_at(tail, 8)?)
            }
            _ => usize::try_from(entry.size_or_type).ok(),
        }
    }

    fn text(&self, offset: u32) -> String {
        String::from_utf8_lossy(self.name(offset)).into_owned()
    }
}

//! Texts that each stand once, and have a number.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

/// Bytes that a text takes beside its own.
const OVERHEAD_BYTES: usize = 48;

/// Texts with numbers from 1 in the order they came; 0 is for `NULL`. Names come from peers, so the hash has a random seed.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32, RandomState>,
    bytes: usize,
}

impl Texts {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        self.number_within(text, usize::MAX).unwrap_or(0)
    }

    /// The number of a text; `None` if it is new and beyond a bound of bytes.
    pub(super) fn number_within(&mut self, text: &str, bytes: usize) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        let more = self.bytes + text.len() + OVERHEAD_BYTES;
        if more > bytes {
            return None;
        }
        let number = u32::try_from(self.all.len()).ok()?.checked_add(1)?;
        let shared: Arc<str> = text.into();
        self.all.push(Arc::clone(&shared));
        self.numbers.insert(shared, number);
        self.bytes = more;
        Some(number)
    }

    /// The text of a number; `None` for `NULL`.
    pub(super) fn text(&self, number: u32) -> Option<&str> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.all.get(at).map(AsRef::as_ref)
    }

    /// All texts, in the order of their numbers.
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.all
    }

    /// About the bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// About the bytes of memory that those with these numbers take.
    pub(super) fn bytes_of<'a>(&self, numbers: impl Iterator<Item = &'a u32>) -> usize {
        numbers
            .filter_map(|number| self.text(*number))
            .map(|text| text.len() + OVERHEAD_BYTES)
            .sum()
    }
}

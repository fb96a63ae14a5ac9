//! Sums of ended connections over an hour, a day or a month, for the tables `hours`, `days` and `months`.
//!
//! Connections alike in all of [`Ended::GROUPED_BY`] are one group. The number of groups is bounded, and the rest is added to one
//! more, `other`: the sums of all groups are always the sums of all connections.

mod columns;
mod distribution;
mod encoding;
mod ended;
mod period;
mod rows;
mod sum;
mod texts;

use std::collections::HashMap;

use foldhash::quality::RandomState;

pub use columns::columns;
pub use encoding::SumsError;
pub use ended::Ended;
pub use period::Period;
pub(crate) use rows::EndedRows;

use ended::Figures;
use sum::Sum;
use texts::Texts;

/// Most groups of a period beside `other`.
pub const MAX_GROUPS: usize = 20_000;
/// Most bytes of their texts, each of which stands once.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// Most counts of their reasons and histograms together.
const MAX_COUNTS: usize = 1_000_000;

/// How many columns of a group's key are text.
const TEXTS: usize = 8;

/// What the connections of a group have in common: the numbers of their texts, 0 for `NULL`, in the order of
/// [`Ended::GROUPED_BY`]; and last the service port plus one, 0 for `NULL`.
type Key = [u32; TEXTS + 1];

/// The sums of a period.
#[derive(Debug, Clone, Default)]
pub struct PeriodSums {
    texts: Texts,
    groups: Vec<(Key, Sum)>,
    /// Places in `groups`.
    places: HashMap<Key, u32, RandomState>,
    /// What is beyond the bounds.
    other: Option<Box<Sum>>,
    /// Counts of all groups but `other`.
    counts: usize,
    /// Sums and blocks of rows that are no part of these, because they were damaged.
    missing_parts: u64,
}

impl PeriodSums {
    /// The sums of what is damaged: none of it is known.
    #[must_use]
    pub fn missing_part() -> Self {
        Self { missing_parts: 1, ..Self::default() }
    }

    /// Whether connections may be missing from them, because a part was damaged.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.missing_parts > 0
    }

    /// Whether there is nothing to keep of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups() == 0 && !self.is_incomplete()
    }

    /// Adds a connection or an attempt.
    pub fn add(&mut self, ended: &Ended<'_>) {
        let place = self.key_of(ended).and_then(|key| self.place_of(key));
        self.add_to(place, &ended.figures());
    }

    /// Adds to the group at this place, else to `other`.
    fn add_to(&mut self, place: Option<usize>, figures: &Figures) {
        let group = place.and_then(|place| self.groups.get_mut(place));
        if let Some((_, sum)) = group {
            self.counts += sum.add(figures);
        } else {
            self.other.get_or_insert_default().add(figures);
        }
    }

    /// Most bytes of texts: where no group is made any more, no text is needed that is new.
    fn max_text_bytes(&self) -> usize {
        if self.groups.len() < MAX_GROUPS { MAX_TEXT_BYTES } else { 0 }
    }

    /// The key of a group; `None` if it is a new one, and there is no room for its texts.
    fn key_of(&mut self, ended: &Ended<'_>) -> Option<Key> {
        let mut key = Key::default();
        let bytes = self.max_text_bytes();
        for (number, text) in key.iter_mut().zip(ended.texts()) {
            *number = match text {
                Some(text) => self.texts.number_within(text, bytes)?,
                None => 0,
            };
        }
        key[TEXTS] = ended.service_port.map_or(0, |port| u32::from(port) + 1);
        Some(key)
    }

    /// The place of a group, which is made if there is room.
    fn place_of(&mut self, key: Key) -> Option<usize> {
        if self.counts + Sum::MAX_NEW_COUNTS > MAX_COUNTS {
            return None;
        }
        if let Some(place) = self.places.get(&key) {
            return usize::try_from(*place).ok();
        }
        (self.groups.len() < MAX_GROUPS).then(|| self.insert(key, Sum::default()))
    }

    /// Appends a group.
    fn insert(&mut self, key: Key, sum: Sum) -> usize {
        let place = self.groups.len();
        if place == self.groups.capacity() {
            // Doubling would leave up to half of the memory unused.
            self.groups.reserve_exact(place / 8 + 16);
        }
        self.counts += sum.counts();
        self.groups.push((key, sum));
        // At most twice `MAX_GROUPS`.
        self.places.insert(key, u32::try_from(place).unwrap_or(u32::MAX));
        place
    }

    /// Adds the sums of another period. Where there are too many groups then, those with the fewest connections become part
    /// of `other`.
    pub fn merge(&mut self, later: &Self) {
        for (key, sum) in &later.groups {
            let key = self.translated(key, &later.texts);
            let place = self.places.get(&key).and_then(|place| usize::try_from(*place).ok());
            match place.and_then(|place| self.groups.get_mut(place)) {
                Some((_, known)) => self.counts += known.merge(sum),
                None => {
                    self.insert(key, sum.clone());
                }
            }
        }
        if let Some(other) = &later.other {
            self.other.get_or_insert_default().merge(other);
        }
        self.missing_parts = self.missing_parts.saturating_add(later.missing_parts);
        self.keep_the_largest();
    }

    /// The key of a group of other sums.
    fn translated(&mut self, key: &Key, texts: &Texts) -> Key {
        let mut translated = *key;
        for number in translated.iter_mut().take(TEXTS) {
            *number = texts.text(*number).map_or(0, |text| self.texts.number(text));
        }
        translated
    }

    /// Makes the smallest groups part of `other`, so that the rest is within the bounds.
    fn keep_the_largest(&mut self) {
        let is_within = self.groups.len() <= MAX_GROUPS
            && self.counts <= MAX_COUNTS
            && self.texts.bytes() <= MAX_TEXT_BYTES;
        if is_within {
            return;
        }
        let mut all = std::mem::take(self);
        all.groups.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.all()));
        (self.other, self.missing_parts) = (all.other, all.missing_parts);
        for (key, sum) in all.groups {
            let has_room = self.groups.len() < MAX_GROUPS
                && self.counts + sum.counts() <= MAX_COUNTS
                && self.texts.bytes() + all.texts.bytes_of(key.iter().take(TEXTS))
                    <= MAX_TEXT_BYTES;
            if has_room {
                let key = self.translated(&key, &all.texts);
                self.insert(key, sum);
            } else {
                self.other.get_or_insert_default().merge(&sum);
            }
        }
    }

    /// How many groups there are, with `other`.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len() + usize::from(self.other.is_some())
    }

    /// The sum of a group and the texts of its key; `other` is the last.
    fn group(&self, at: usize) -> Option<(Option<&Key>, &Sum)> {
        match self.groups.get(at) {
            Some((key, sum)) => Some((Some(key), sum)),
            None => {
                self.other.as_deref().filter(|_| at == self.groups.len()).map(|sum| (None, sum))
            }
        }
    }
}

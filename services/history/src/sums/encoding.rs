//! Sums as bytes: the format number, the length of what follows before compression, and that, compressed with a checksum: all columns
//! one after the other, numbers as varints, and last the number of parts that are missing, which format 1 does not have.
//!
//! The bytes are read from a file that may be damaged: nothing in them is trusted, and what they make is within the same bounds
//! as what was summed here.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::distribution::Counts;
use super::ended::FIGURES;
use super::sum::{Sum, Total};
use super::texts::Texts;
use super::{Key, MAX_COUNTS, MAX_GROUPS, MAX_TEXT_BYTES, PeriodSums, TEXTS};

/// The number of this format.
const FORMAT: u8 = 2;
/// The number of the format before, which is read too.
const FORMAT_WITHOUT_MISSING_PARTS: u8 = 1;
/// Level of zstd: the default of its command.
const LEVEL: i32 = 3;
/// Most bytes before compression. The bounds of [`PeriodSums`] allow about 20 MiB.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of the length.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Why bytes are no sums.
#[derive(Debug, thiserror::Error)]
pub enum SumsError {
    /// They were written by a later version.
    #[error("format {0} of sums is unknown")]
    Format(u8),
    /// They end early, or a number is out of range.
    #[error("sums are damaged ({0})")]
    Damaged(&'static str),
    /// They could not be compressed.
    #[error("sums could not be compressed: {0}")]
    Compression(std::io::Error),
}

/// What is encoded, with postcard. The group `other` is the last of the sums, and has no key.
#[derive(Default, Serialize, Deserialize)]
struct Columns {
    texts: Vec<String>,
    keys: [Vec<u32>; TEXTS + 1],
    connections: Vec<u64>,
    failed: Vec<u64>,
    totals: [(Vec<u64>, Vec<u64>); FIGURES],
    /// How many counts each group has.
    counts: Vec<u32>,
    /// What is counted, as the difference to the one before in the same group.
    counted: Vec<u16>,
    count: Vec<u64>,
}

impl PeriodSums {
    /// Encodes them.
    ///
    /// # Errors
    /// [`SumsError::Compression`].
    pub fn encode(&self) -> Result<Vec<u8>, SumsError> {
        let damaged = |_| SumsError::Damaged("they cannot be written");
        let columns = (self.to_columns(), self.missing_parts);
        let plain = postcard::to_allocvec(&columns).map_err(damaged)?;
        let length = u32::try_from(plain.len()).map_err(|_| SumsError::Damaged("too long"))?;
        let mut encoded = vec![FORMAT];
        encoded.extend(length.to_le_bytes());
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(SumsError::Compression)?;
        compressor.include_checksum(true).map_err(SumsError::Compression)?;
        encoded.extend(compressor.compress(&plain).map_err(SumsError::Compression)?);
        Ok(encoded)
    }

    fn to_columns(&self) -> Columns {
        // Groups that are alike next to each other are shorter.
        let mut groups: Vec<&(Key, Sum)> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(key, _)| key);
        let mut columns = Columns {
            texts: self.texts.all().iter().map(|text| String::from(&**text)).collect(),
            ..Columns::default()
        };
        for (key, _) in &groups {
            for (column, number) in columns.keys.iter_mut().zip(key) {
                column.push(*number);
            }
        }
        for sum in groups.iter().map(|(_, sum)| sum).chain(self.other.as_deref()) {
            columns.push(sum);
        }
        columns
    }

    /// Decodes what [`Self::encode`] has made.
    ///
    /// # Errors
    /// [`SumsError`].
    pub fn decode(encoded: &[u8]) -> Result<Self, SumsError> {
        let (format, rest) = encoded.split_first().ok_or(SumsError::Damaged("they are empty"))?;
        if !matches!(*format, FORMAT | FORMAT_WITHOUT_MISSING_PARTS) {
            return Err(SumsError::Format(*format));
        }
        let (length, compressed) =
            rest.split_first_chunk::<LENGTH_BYTES>().ok_or(SumsError::Damaged("they end early"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_BYTES {
            return Err(SumsError::Damaged("they are too long"));
        }
        let damaged = |_| SumsError::Damaged("zstd cannot read them");
        let plain = zstd::bulk::decompress(compressed, length).map_err(damaged)?;
        let unreadable = |_| SumsError::Damaged("a column cannot be read");
        let (columns, rest): (Columns, _) =
            postcard::take_from_bytes(&plain).map_err(unreadable)?;
        let (missing_parts, rest) = match *format {
            FORMAT => postcard::take_from_bytes(rest).map_err(unreadable)?,
            _ => (0, rest),
        };
        if plain.len() != length || !rest.is_empty() {
            return Err(SumsError::Damaged("the length is wrong"));
        }
        let sums = columns.to_sums().ok_or(SumsError::Damaged("a number is out of range"))?;
        Ok(Self { missing_parts, ..sums })
    }
}

impl Columns {
    fn push(&mut self, sum: &Sum) {
        self.connections.push(sum.connections);
        self.failed.push(sum.failed);
        for ((sums, known), total) in self.totals.iter_mut().zip(&sum.totals) {
            sums.push(total.sum);
            known.push(total.known);
        }
        // At most as many as there are buckets.
        self.counts.push(u32::try_from(sum.counts()).unwrap_or(u32::MAX));
        let mut before = 0;
        for (counted, count) in sum.counts.parts() {
            self.counted.push(counted - before);
            self.count.push(count);
            before = counted;
        }
    }

    fn to_sums(&self) -> Option<PeriodSums> {
        let groups = self.keys.first()?.len();
        let sums = self.connections.len();
        let is_whole = groups <= MAX_GROUPS
            && (sums == groups || sums == groups + 1)
            && self.keys.iter().all(|column| column.len() == groups)
            && self.failed.len() == sums
            && self.totals.iter().all(|(sum, known)| sum.len() == sums && known.len() == sums)
            && self.counts.len() == sums
            && self.counted.len() == self.count.len();
        if !is_whole {
            return None;
        }
        let mut made = PeriodSums { texts: self.to_texts()?, ..PeriodSums::default() };
        let mut counts = self.counted.iter().copied().zip(self.count.iter().copied());
        made.groups.reserve_exact(groups);
        for at in 0..sums {
            let sum = self.sum(at, &mut counts)?;
            if at == groups {
                made.other = Some(Box::new(sum));
                break;
            }
            let key = self.key(at)?;
            if made.places.contains_key(&key) {
                return None;
            }
            made.insert(key, sum);
            if made.counts > MAX_COUNTS {
                return None;
            }
        }
        counts.next().is_none().then_some(made)
    }

    fn to_texts(&self) -> Option<Texts> {
        let mut texts = Texts::default();
        let mut known = HashSet::new();
        for text in &self.texts {
            if !known.insert(text) {
                return None;
            }
            texts.number_within(text, MAX_TEXT_BYTES)?;
        }
        Some(texts)
    }

    fn key(&self, at: usize) -> Option<Key> {
        let mut key = Key::default();
        for (place, (number, column)) in key.iter_mut().zip(&self.keys).enumerate() {
            let largest = if place < TEXTS { self.texts.len() } else { 1 << u16::BITS };
            *number = *column.get(at).filter(|number| **number as usize <= largest)?;
        }
        Some(key)
    }

    fn sum(&self, at: usize, counts: &mut impl Iterator<Item = (u16, u64)>) -> Option<Sum> {
        let mut totals = [Total::default(); FIGURES];
        for (total, (sum, known)) in totals.iter_mut().zip(&self.totals) {
            *total = Total { sum: *sum.get(at)?, known: *known.get(at)? };
        }
        let mut before = 0_u16;
        let parts = counts.take(*self.counts.get(at)? as usize).map(|(counted, count)| {
            before = before.checked_add(counted)?;
            Some((before, count))
        });
        let counts = Counts::of_parts(parts)?;
        if counts.len() != *self.counts.get(at)? as usize {
            return None;
        }
        let (connections, failed) = (*self.connections.get(at)?, *self.failed.get(at)?);
        Some(Sum { connections, failed, totals, counts })
    }
}

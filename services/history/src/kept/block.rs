//! A block: some rows of one table, column by column. Each column is compressed by itself, so that a query decodes only
//! those that it reads.
//!
//! Format 2: the format number, a byte; rows and columns, as varints (LEB128). Then for each column its number, a byte for its
//! encoding, and its length, as a varint; then their bytes, in the same order; last the CRC-32 (IEEE 802.3) of all that, little-endian.
//! Format 1 has no checksum. A column that is not in a block is `NULL` in each row. A block comes from a file, so nothing that is in it
//! is trusted: the checksum finds damage by accident, and anyone can make a right one.

use std::net::IpAddr;
use std::sync::Arc;

use super::values::{NULL, Storage, Values, Words};

/// The number of this format.
const FORMAT: u8 = 2;
/// The number of the format before, which is read too.
const FORMAT_WITHOUT_CHECKSUM: u8 = 1;
/// Bytes of the checksum at the end.
const CHECKSUM_BYTES: usize = size_of::<u32>();
/// Most rows of a block.
pub(crate) const MAX_ROWS: usize = 65_536;
/// Most bytes of a column before compression: texts of evidence are the longest.
const MAX_COLUMN_BYTES: usize = 64 * 1024 * 1024;
/// Most columns of a block.
const MAX_COLUMNS: usize = 1000;
/// Level of zstd: the default of its command, 3, takes half as much again for 2 % less.
const LEVEL: i32 = 1;
/// A column below that many bytes is not compressed.
const MIN_COMPRESSED: usize = 48;

/// The column is compressed.
const ZSTD: u8 = 0x80;
/// Some rows are `NULL`: a bitmap of those that are not comes first.
const HAS_NULLS: u8 = 0x40;
/// Each number is the difference to the one before.
const DIFFERENCES: u8 = 1;

/// Numbers below are a varint of one byte.
const ONE_BYTE: usize = 0x80;

/// What is wrong with a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damaged {
    /// It was written by a later version.
    #[error("format {0} of a block is unknown")]
    Format(u8),
    /// Its checksum is wrong, it ends early, or a number is out of range.
    #[error("a block is damaged ({0})")]
    Bytes(&'static str),
}

/// A column of a block to encode.
pub(crate) struct Input<'a> {
    /// Its number, which no other column of the table ever has.
    pub(crate) number: u16,
    /// How its values are stored.
    pub(crate) storage: Storage,
    /// Its values.
    pub(crate) values: &'a Values,
    /// Numbers to which the column is near, row by row: only what is above them is stored.
    pub(crate) base: Option<Vec<i64>>,
}

/// Encodes columns of as many rows each.
pub(crate) fn encode(rows: usize, columns: &[Input<'_>]) -> Vec<u8> {
    let present: Vec<&Input<'_>> =
        columns.iter().filter(|column| !column.values.is_null()).collect();
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).ok();
    let encoded: Vec<(u8, Vec<u8>)> =
        present.iter().map(|column| encode_column(column, compressor.as_mut())).collect();
    let mut block = vec![FORMAT];
    put(&mut block, rows as u64);
    put(&mut block, present.len() as u64);
    for (column, (how, bytes)) in present.iter().zip(&encoded) {
        put(&mut block, column.number.into());
        block.push(*how);
        put(&mut block, bytes.len() as u64);
    }
    for (_, bytes) in &encoded {
        block.extend_from_slice(bytes);
    }
    let checksum = crc32fast::hash(&block);
    block.extend(checksum.to_le_bytes());
    block
}

/// A block with the checksum that its bytes should have: tests and fuzzing change these, and mean the decoder behind the checksum.
pub(crate) fn with_right_checksum(mut block: Vec<u8>) -> Vec<u8> {
    let end = block.len().checked_sub(CHECKSUM_BYTES).filter(|end| *end > 0);
    if let Some(end) = end.filter(|_| block.first() == Some(&FORMAT)) {
        block.truncate(end);
        let checksum = crc32fast::hash(&block);
        block.extend(checksum.to_le_bytes());
    }
    block
}

/// The part of a block before its checksum, which is right.
fn checked(block: &[u8]) -> Result<&[u8], Damaged> {
    let (checked, checksum) = block.split_last_chunk().ok_or(Damaged::Bytes("it ends early"))?;
    match crc32fast::hash(checked) == u32::from_le_bytes(*checksum) {
        true => Ok(checked),
        false => Err(Damaged::Bytes("its checksum is wrong")),
    }
}

/// Encodes a column, without compression where that fails.
fn encode_column(
    column: &Input<'_>,
    compressor: Option<&mut zstd::bulk::Compressor<'_>>,
) -> (u8, Vec<u8>) {
    let mut bytes = Vec::with_capacity(column.values.len() * 2);
    let mut how = 0;
    match column.values {
        Values::Whole(values) => {
            let base = column.base.as_deref();
            let relative = |at: usize, value: i64| {
                base.and_then(|base| base.get(at)).map_or(value, |base| value.wrapping_sub(*base))
            };
            let mut known = Vec::with_capacity(values.len());
            let all = values.iter().enumerate().filter(|(_, value)| **value != NULL);
            known.extend(all.map(|(at, value)| relative(at, *value)));
            if known.len() < values.len() {
                how |= HAS_NULLS;
                put_bitmap(&mut bytes, values.iter().map(|value| *value != NULL));
            }
            if differences_are_shorter(&known) {
                how |= DIFFERENCES;
                let before = std::iter::once(0).chain(known.iter().copied());
                for (value, before) in known.iter().zip(before) {
                    put(&mut bytes, zigzag(value.wrapping_sub(before)));
                }
            } else {
                known.iter().for_each(|value| put(&mut bytes, zigzag(*value)));
            }
        }
        Values::Fraction(values) => {
            // The first bytes of all rows, then the second: alike ones lie together.
            for at in 0..size_of::<f64>() {
                bytes
                    .extend(values.iter().filter_map(|value| value.to_be_bytes().get(at).copied()));
            }
        }
        Values::Words(words) => {
            put(&mut bytes, words.dictionary.len() as u64);
            for text in &words.dictionary {
                put_word(&mut bytes, text, column.storage);
            }
            match words.dictionary.len() < ONE_BYTE {
                // Each place is a byte, as `put` writes it.
                true => bytes.extend(words.places.iter().map(|place| *place as u8)),
                false => words.places.iter().for_each(|place| put(&mut bytes, (*place).into())),
            }
        }
    }
    if bytes.len() >= MIN_COMPRESSED
        && let Some(compressor) = compressor
        && let Ok(compressed) = compressor.compress(&bytes)
        && compressed.len() + 4 < bytes.len()
    {
        let mut with_length = Vec::with_capacity(compressed.len() + 4);
        put(&mut with_length, bytes.len() as u64);
        with_length.extend_from_slice(&compressed);
        return (how | ZSTD, with_length);
    }
    (how, bytes)
}

/// Whether differences take fewer bytes, by a part of the numbers: it need not be exact.
fn differences_are_shorter(known: &[i64]) -> bool {
    /// About as many numbers are read.
    const SAMPLE: usize = 512;
    let length = |number: i64| varint_length(zigzag(number));
    let pairs = known.iter().zip(known.iter().skip(1)).step_by(known.len() / SAMPLE + 1);
    let (plain, differences) = pairs.fold((0, 0), |(plain, differences), (one, next)| {
        (plain + length(*next), differences + length(next.wrapping_sub(*one)))
    });
    differences < plain
}

fn varint_length(number: u64) -> usize {
    let bits = (u64::BITS - number.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        #[allow(clippy::cast_possible_truncation, reason = "the low seven bits")]
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    #[allow(clippy::cast_possible_truncation, reason = "below 128")]
    bytes.push(number as u8);
}

fn put_bitmap(bytes: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let mut byte = 0;
    let mut count = 0;
    for bit in bits {
        byte |= u8::from(bit) << (count % 8);
        count += 1;
        if count % 8 == 0 {
            bytes.push(std::mem::take(&mut byte));
        }
    }
    if count % 8 != 0 {
        bytes.push(byte);
    }
}

/// A text with its length; an address by its bytes.
fn put_word(bytes: &mut Vec<u8>, text: &str, storage: Storage) {
    let address = match storage {
        Storage::Address => text.parse::<IpAddr>().ok(),
        Storage::Text | Storage::Whole | Storage::Fraction => None,
    };
    match address {
        Some(IpAddr::V4(address)) => {
            put(bytes, 4);
            bytes.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            put(bytes, 16);
            bytes.extend_from_slice(&address.octets());
        }
        None => {
            put(bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// The rest of the bytes that are read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let (byte, rest) = self.0.split_first().ok_or(Damaged::Bytes("it ends early"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(Damaged::Bytes("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged::Bytes("a number is too long"))
    }

    /// A count, which is at most `most`.
    fn count(&mut self, most: usize) -> Result<usize, Damaged> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= most);
        count.ok_or(Damaged::Bytes("a count is too large"))
    }
}

/// A block whose columns are decoded when they are read.
pub(crate) struct Block {
    bytes: Vec<u8>,
    has_checksum: bool,
    rows: usize,
    columns: Vec<Place>,
}

/// Where a column is.
struct Place {
    number: u64,
    how: u8,
    from: usize,
    length: usize,
}

impl Block {
    /// Verifies the checksum, and reads the head.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, Damaged> {
        let (has_checksum, checked) = match bytes.first() {
            Some(&FORMAT) => (true, checked(&bytes)?),
            Some(&FORMAT_WITHOUT_CHECKSUM) => (false, &*bytes),
            Some(other) => return Err(Damaged::Format(*other)),
            None => return Err(Damaged::Bytes("it is empty")),
        };
        let mut rest = Rest(checked);
        rest.byte()?;
        let rows = rest.count(MAX_ROWS)?;
        let mut columns = Vec::new();
        for _ in 0..rest.count(MAX_COLUMNS)? {
            let (number, how) = (rest.number()?, rest.byte()?);
            let length = rest.count(bytes.len())?;
            columns.push(Place { number, how, from: 0, length });
        }
        let mut from = checked.len() - rest.0.len();
        for column in &mut columns {
            column.from = from;
            from += column.length;
        }
        if from != checked.len() {
            return Err(Damaged::Bytes("its length is wrong"));
        }
        Ok(Self { bytes, has_checksum, rows, columns })
    }

    /// Whether a checksum has shown that its bytes are as they were written.
    pub(crate) fn has_checksum(&self) -> bool {
        self.has_checksum
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The values of the column `number`; all `NULL` if the block does not have it.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn column(
        &self,
        number: u16,
        storage: Storage,
        base: Option<&[i64]>,
    ) -> Result<Values, Damaged> {
        let Some(place) = self.columns.iter().find(|place| place.number == u64::from(number))
        else {
            return Ok(Values::nulls(storage, self.rows));
        };
        let stored = self.bytes.get(place.from..place.from + place.length);
        let mut rest = Rest(stored.ok_or(Damaged::Bytes("it ends early"))?);
        let uncompressed;
        if place.how & ZSTD != 0 {
            let length = rest.count(MAX_COLUMN_BYTES)?;
            uncompressed = zstd::bulk::decompress(rest.0, length)
                .map_err(|_| Damaged::Bytes("a column cannot be decompressed"))?;
            rest = Rest(&uncompressed);
        }
        match storage {
            Storage::Whole => decode_whole(&mut rest, place.how, self.rows, base),
            Storage::Fraction => decode_fractions(&mut rest, self.rows),
            Storage::Text | Storage::Address => decode_words(&mut rest, self.rows, storage),
        }
    }
}

fn decode_whole(
    rest: &mut Rest<'_>,
    how: u8,
    rows: usize,
    base: Option<&[i64]>,
) -> Result<Values, Damaged> {
    let bitmap = match how & HAS_NULLS {
        0 => None,
        _ => Some(rest.take(rows.div_ceil(8))?),
    };
    let is_known = |row: usize| {
        bitmap
            .is_none_or(|bitmap| bitmap.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
    };
    let mut before = 0i64;
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        if !is_known(row) {
            values.push(NULL);
            continue;
        }
        let mut value = unzigzag(rest.number()?);
        if how & DIFFERENCES != 0 {
            value = value.wrapping_add(before);
            before = value;
        }
        let base = base.and_then(|base| base.get(row)).copied().unwrap_or(0);
        values.push(value.wrapping_add(base));
    }
    Ok(Values::Whole(values))
}

fn decode_fractions(rest: &mut Rest<'_>, rows: usize) -> Result<Values, Damaged> {
    let planes = rest.take(rows * size_of::<f64>())?;
    let value = |row: usize| {
        let mut bytes = [0; size_of::<f64>()];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = planes.get(at * rows + row).copied().unwrap_or(0);
        }
        f64::from_be_bytes(bytes)
    };
    Ok(Values::Fraction((0..rows).map(value).collect()))
}

fn decode_words(rest: &mut Rest<'_>, rows: usize, storage: Storage) -> Result<Values, Damaged> {
    let count = rest.count(rows)?;
    let mut dictionary: Vec<Arc<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rest.count(MAX_COLUMN_BYTES)?;
        dictionary.push(word(rest.take(length)?, storage)?);
    }
    let mut places = Vec::with_capacity(rows);
    for _ in 0..rows {
        let place = rest.count(count)?;
        places.push(u32::try_from(place).unwrap_or(0));
    }
    Ok(Values::Words(Words::decoded(dictionary, places)))
}

fn word(bytes: &[u8], storage: Storage) -> Result<Arc<str>, Damaged> {
    if storage == Storage::Address {
        let octets: Option<IpAddr> = match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
            _ => None,
        };
        let address = octets.ok_or(Damaged::Bytes("an address has another length"))?;
        return Ok(address.to_string().into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Damaged::Bytes("a text is no UTF-8"))?;
    Ok(text.into())
}

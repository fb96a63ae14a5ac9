//! An answer as bytes: the version, the minor version, the byte order, a head, and lists of records.
//! Each record has its length before it.
//!
//! A newer minor version appends fields to records and lists to the answer. A reader of an older one
//! skips them, and a reader of a newer one finds a record at its end where they would begin. What
//! cannot be appended is a new version.
//!
//! Every list is read record by record under its bound, so that memory grows with what has arrived.

use serde::{Deserialize, Serialize};

use super::super::error::WireError;
use super::basic::UnknownCode;

/// The version of this folder.
pub(super) const VERSION: u32 = 1;

/// The minor version that is written.
pub(super) const MINOR_VERSION: u32 = 0;

/// Bytes of an answer while it is written.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// One record, before its length is known.
    record: Vec<u8>,
}

impl Writer {
    /// An answer with this head, and room for `bytes`.
    pub(super) fn new(bytes: usize, head: &impl Serialize) -> postcard::Result<Self> {
        let mut writer = Self { bytes: Vec::with_capacity(bytes), record: Vec::new() };
        writer.append(&VERSION)?;
        writer.append(&MINOR_VERSION)?;
        writer.append(&cfg!(target_endian = "little"))?;
        writer.record(head)?;
        Ok(writer)
    }

    /// Everything that was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Begins a list of `count` records.
    pub(super) fn count(&mut self, count: usize) -> postcard::Result<()> {
        self.append(&count)
    }

    /// Appends one record.
    pub(super) fn record(&mut self, record: &impl Serialize) -> postcard::Result<()> {
        self.record.clear();
        self.record = postcard::to_extend(record, std::mem::take(&mut self.record))?;
        let length = self.record.len();
        self.append(&length)?;
        self.bytes.extend_from_slice(&self.record);
        Ok(())
    }

    /// Appends a list of records.
    pub(super) fn list<T: Serialize>(
        &mut self,
        records: impl ExactSizeIterator<Item = postcard::Result<T>>,
    ) -> postcard::Result<()> {
        self.count(records.len())?;
        for record in records {
            self.record(&record?)?;
        }
        Ok(())
    }

    fn append(&mut self, item: &impl Serialize) -> postcard::Result<()> {
        self.bytes = postcard::to_extend(item, std::mem::take(&mut self.bytes))?;
        Ok(())
    }
}

/// What has not been read yet.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// Whether the writer is of a newer minor version, so that records may be longer.
    is_newer: bool,
    /// Records that only a newer version can show.
    pub(super) skipped: u64,
}

/// Where in an answer something is read.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// What.
    pub(super) subject: &'static str,
    /// Which of them, from 1.
    pub(super) place: usize,
}

impl Place {
    pub(super) fn malformed(self, reason: impl ToString) -> WireError {
        let Self { subject, place } = self;
        WireError::Malformed { subject, place, reason: reason.to_string() }
    }
}

impl<'a> Reader<'a> {
    /// The head of the answer that `bytes` are, and the rest.
    pub(super) fn open<H: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(H, Self), WireError> {
        let mut reader = Self { bytes, is_newer: false, skipped: 0 };
        let version: u32 = reader.item("version")?;
        if version != VERSION {
            return Err(WireError::Version { theirs: version });
        }
        let minor: u32 = reader.item("minor version")?;
        reader.is_newer = minor > MINOR_VERSION;
        let is_little_endian: bool = reader.item("byte order")?;
        if is_little_endian != cfg!(target_endian = "little") {
            return Err(WireError::ByteOrder);
        }
        let head = reader.record(Place { subject: "head", place: 1 })?;
        Ok((head, reader))
    }

    /// Only a newer minor version may have more.
    pub(super) fn end(self) -> Result<(), WireError> {
        if self.bytes.is_empty() || self.is_newer {
            return Ok(());
        }
        let reason = format!("{} bytes follow it", self.bytes.len());
        Err(Place { subject: "end", place: 1 }.malformed(reason))
    }

    /// The length of the next list.
    pub(super) fn count(
        &mut self,
        subject: &'static str,
        bound: usize,
    ) -> Result<usize, WireError> {
        let count = self.item(subject)?;
        if count > bound { Err(WireError::TooMany { subject, count, bound }) } else { Ok(count) }
    }

    /// The next record.
    pub(super) fn record<T: Deserialize<'a>>(&mut self, place: Place) -> Result<T, WireError> {
        let length: usize = self.item(place.subject)?;
        let Some((record, rest)) = self.bytes.split_at_checked(length) else {
            return Err(place.malformed("it is longer than the answer"));
        };
        self.bytes = rest;
        let (item, more) =
            postcard::take_from_bytes(record).map_err(|error| place.malformed(error))?;
        if !more.is_empty() && !self.is_newer {
            return Err(place.malformed(format!("{} bytes follow its fields", more.len())));
        }
        Ok(item)
    }

    /// The next list of records, as `read` makes items of them. A record with a code of a newer
    /// version is skipped and counted.
    pub(super) fn list<T: Deserialize<'a>, U>(
        &mut self,
        subject: &'static str,
        bound: usize,
        mut read: impl FnMut(Place, T) -> Result<Result<U, UnknownCode>, WireError>,
    ) -> Result<Vec<U>, WireError> {
        let mut items = Vec::new();
        for place in 1..=self.count(subject, bound)? {
            let place = Place { subject, place };
            let record = self.record(place)?;
            match read(place, record)? {
                Ok(item) => items.push(item),
                Err(UnknownCode) => self.skipped += 1,
            }
        }
        Ok(items)
    }

    fn item<T: Deserialize<'a>>(&mut self, subject: &'static str) -> Result<T, WireError> {
        let (item, rest) = postcard::take_from_bytes(self.bytes)
            .map_err(|error| Place { subject, place: 1 }.malformed(error))?;
        self.bytes = rest;
        Ok(item)
    }
}

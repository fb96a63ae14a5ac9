//! Bytes of an answer while it is read.
//!
//! The one idea: every list is read item by item under its bound, so that memory grows with what has
//! really arrived.

use serde::de::DeserializeOwned;

use super::{FORMAT, WireError};

/// What has not been read yet.
pub(super) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The head of the answer that `bytes` are, and the rest.
    pub(super) fn open<H: DeserializeOwned>(bytes: &'a [u8]) -> Result<(H, Self), WireError> {
        let mut rest = Self(bytes);
        let theirs = rest.item("format", 1)?;
        if theirs != FORMAT {
            return Err(WireError::Format { theirs });
        }
        let is_little_endian: bool = rest.item("byte order", 1)?;
        if is_little_endian != cfg!(target_endian = "little") {
            return Err(WireError::ByteOrder);
        }
        let head = rest.item("head", 1)?;
        Ok((head, rest))
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let reason = format!("{} bytes follow it", self.0.len());
        Err(WireError::Malformed { subject: "end", place: 1, reason })
    }

    pub(super) fn item<T: DeserializeOwned>(
        &mut self,
        subject: &'static str,
        place: usize,
    ) -> Result<T, WireError> {
        let (item, rest) = postcard::take_from_bytes(self.0)
            .map_err(|error| WireError::Malformed { subject, place, reason: error.to_string() })?;
        self.0 = rest;
        Ok(item)
    }

    pub(super) fn count(
        &mut self,
        subject: &'static str,
        bound: usize,
    ) -> Result<usize, WireError> {
        let count = self.item(subject, 0)?;
        if count > bound { Err(WireError::TooMany { subject, count, bound }) } else { Ok(count) }
    }

    pub(super) fn list<T: DeserializeOwned, U>(
        &mut self,
        subject: &'static str,
        bound: usize,
        mut keep: impl FnMut(T) -> U,
    ) -> Result<Vec<U>, WireError> {
        let count = self.count(subject, bound)?;
        (1..=count).map(|place| self.item(subject, place).map(&mut keep)).collect()
    }
}

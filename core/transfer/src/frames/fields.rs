//! Type, length and fields of a frame.

use super::{Fault, FrameError, MAX_TEXT_BYTES};
use crate::encoding::{Numbered, Reader, write_bytes, write_integer};
use crate::ranges::Ranges;

/// Appends a frame.
pub(crate) fn write_frame(out: &mut Vec<u8>, of: impl Numbered, fields: &[u8]) {
    write_integer(out, of.number());
    write_bytes(out, fields);
}

/// Appends a text, cut between characters to at most [`MAX_TEXT_BYTES`].
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    write_bytes(out, text.get(..end).unwrap_or_default().as_bytes());
}

/// The fields of a frame that are not read yet. Nothing is allocated for a length before its bytes have arrived.
pub(crate) struct Fields<'a> {
    frame: &'static str,
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(frame: &'static str, bytes: &'a [u8]) -> Self {
        Self { frame, reader: Reader::new(bytes) }
    }

    /// Reads type and length of the frame that `bytes` begins with: its type, its fields of at most `most` bytes, and
    /// the bytes of all of it. `None` when more must arrive.
    pub(crate) fn of_frame<T: Numbered>(
        bytes: &'a [u8],
        most: usize,
    ) -> Result<Option<(T, Self, usize)>, FrameError> {
        let mut reader = Reader::new(bytes);
        let Some(number) = reader.integer() else { return Ok(None) };
        let of = T::from_number(number).ok_or(FrameError::UnknownType(number))?;
        let mut lengths = reader.clone();
        let Some(length) = lengths.integer() else { return Ok(None) };
        if length > most as u64 {
            return Err(FrameError::TooLong { frame: of.name(), bytes: length, most });
        }
        let Some(fields) = reader.bytes() else { return Ok(None) };
        Ok(Some((of, Self::new(of.name(), fields), bytes.len() - reader.rest().len())))
    }

    /// Refuses bytes that follow the last field.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        if self.reader.is_empty() { Ok(()) } else { Err(FrameError::TrailingBytes(self.frame)) }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    pub(crate) fn integer(&mut self, field: &'static str) -> Result<u64, FrameError> {
        self.reader.integer().ok_or_else(|| self.error(field, Fault::Truncated))
    }

    pub(crate) fn at_most(&mut self, field: &'static str, most: u64) -> Result<u64, FrameError> {
        let value = self.integer(field)?;
        if value <= most { Ok(value) } else { Err(self.error(field, Fault::OutOfRange(value))) }
    }

    pub(crate) fn numbered<T: Numbered>(&mut self, field: &'static str) -> Result<T, FrameError> {
        let number = self.integer(field)?;
        T::from_number(number).ok_or_else(|| self.error(field, Fault::OutOfRange(number)))
    }

    pub(crate) fn port(&mut self) -> Result<u16, FrameError> {
        let port = self.integer("port")?;
        u16::try_from(port).map_err(|_| self.error("port", Fault::OutOfRange(port)))
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], FrameError> {
        self.reader.array().ok_or_else(|| self.error(field, Fault::Truncated))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, FrameError> {
        let text = self.reader.bytes().ok_or_else(|| self.error(field, Fault::Truncated))?;
        if text.len() > MAX_TEXT_BYTES {
            return Err(self.error(field, Fault::Length(text.len())));
        }
        let text = std::str::from_utf8(text).map_err(|_| self.error(field, Fault::NotUtf8))?;
        Ok(text.to_owned())
    }

    /// The ranges up to the end of the frame.
    pub(crate) fn ranges(&mut self, field: &'static str) -> Result<Ranges, FrameError> {
        let rest = std::mem::replace(&mut self.reader, Reader::new(&[])).rest();
        Ranges::decode(rest).map_err(|error| self.error(field, Fault::Ranges(error)))
    }

    pub(crate) fn error(&self, field: &'static str, fault: Fault) -> FrameError {
        FrameError::Field { frame: self.frame, field, fault }
    }
}

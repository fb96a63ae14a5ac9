//! Bytes to frames. Nothing is allocated for a length before its bytes have arrived.

use super::{
    ChunkHeader, Failure, FailureCode, Fault, Frame, FrameError, Hello, MAX_CHUNK_HEADER_BYTES,
    MAX_FRAME_BYTES, MAX_TEXT_BYTES, MODE_BITS, Modified, Offer, TransferId,
};
use crate::encoding::Reader;
use crate::names::RelativePath;
use crate::ranges::Ranges;
use crate::rate::BytesPerSecond;
use crate::tree::{CHUNK_BYTES, Hash};

impl Frame {
    /// Reads the frame that `bytes` begins with, and how many bytes it has; `None` when more must arrive.
    ///
    /// # Errors
    /// [`FrameError`]; the connection cannot go on, since the begin of the next frame is in doubt.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let mut reader = Reader::new(bytes);
        let Some(number) = reader.integer() else { return Ok(None) };
        let name = name(number).ok_or(FrameError::UnknownType(number))?;
        let mut lengths = reader.clone();
        let Some(length) = lengths.integer() else { return Ok(None) };
        if length > MAX_FRAME_BYTES as u64 {
            return Err(FrameError::TooLong(length));
        }
        let Some(fields) = reader.bytes() else { return Ok(None) };
        let mut fields = Fields { frame: name, reader: Reader::new(fields) };
        let frame = fields.frame(number)?;
        if !fields.reader.is_empty() {
            return Err(FrameError::TrailingBytes(name));
        }
        Ok(Some((frame, bytes.len() - reader.rest().len())))
    }
}

impl ChunkHeader {
    /// Reads the header that `bytes` begins with, and how many bytes it has; `None` when more must arrive.
    ///
    /// # Errors
    /// [`FrameError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let mut fields = Fields { frame: "chunk header", reader: Reader::new(bytes) };
        let header = fields.chunk_header();
        let is_truncated = matches!(header, Err(FrameError::Field { fault: Fault::Truncated, .. }));
        if is_truncated && bytes.len() < MAX_CHUNK_HEADER_BYTES {
            return Ok(None);
        }
        Ok(Some((header?, bytes.len() - fields.reader.rest().len())))
    }
}

fn name(number: u64) -> Option<&'static str> {
    let names = [
        "Hello",
        "Offer",
        "Accepted",
        "Durable",
        "Done",
        "Committed",
        "Failed",
        "Pause",
        "Resume",
        "RateLimit",
    ];
    names.get(usize::try_from(number).ok()?).copied()
}

/// The fields of a frame that are not read yet.
struct Fields<'a> {
    frame: &'static str,
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn frame(&mut self, number: u64) -> Result<Frame, FrameError> {
        if number == 0 {
            return Ok(Frame::Hello(Hello {
                version: self.integer("version")?,
                launch_id: self.array("launch id")?,
                server_uid: self.array("server uid")?,
            }));
        }
        if number == 9 {
            return Ok(Frame::RateLimit(BytesPerSecond(self.integer("rate")?)));
        }
        let transfer = TransferId(self.integer("transfer")?);
        Ok(match number {
            1 => Frame::Offer(self.offer(transfer)?),
            2 => Frame::Accepted(transfer, self.ranges()?),
            3 => Frame::Durable(transfer, self.ranges()?),
            4 => Frame::Done(transfer, Hash(self.array("hash")?)),
            5 => Frame::Committed(transfer),
            6 => Frame::Failed(transfer, self.failure()?),
            7 => Frame::Pause(transfer),
            8 => Frame::Resume(transfer),
            _ => return Err(FrameError::UnknownType(number)),
        })
    }

    fn offer(&mut self, transfer: TransferId) -> Result<Offer, FrameError> {
        let path = self.bytes("path")?;
        let path =
            RelativePath::new(path).map_err(|error| self.error("path", Fault::Path(error)))?;
        let bytes = self.integer("file bytes")?;
        let mode = self.at_most("mode", MODE_BITS)?;
        let seconds = i64::from_be_bytes(self.array("seconds")?);
        let nanoseconds = self.at_most("nanoseconds", 999_999_999)?;
        let hash = match self.bytes("hash")? {
            [] => None,
            hash => {
                let wrong = |_| self.error("hash", Fault::Length(hash.len()));
                Some(Hash(hash.try_into().map_err(wrong)?))
            }
        };
        let modified = Modified { seconds, nanoseconds };
        Ok(Offer { transfer, path, bytes, mode, modified, hash })
    }

    fn failure(&mut self) -> Result<Failure, FrameError> {
        let code = FailureCode::from_number(self.integer("code")?);
        let text = self.bytes("text")?;
        if text.len() > MAX_TEXT_BYTES {
            return Err(self.error("text", Fault::Length(text.len())));
        }
        let text = std::str::from_utf8(text).map_err(|_| self.error("text", Fault::NotUtf8))?;
        Ok(Failure { code, text: text.to_owned() })
    }

    fn chunk_header(&mut self) -> Result<ChunkHeader, FrameError> {
        let transfer = TransferId(self.integer("transfer")?);
        let offset = self.integer("offset")?;
        let length = self.integer("length")?;
        if length > CHUNK_BYTES {
            return Err(self.error("length", Fault::OutOfRange(length)));
        }
        Ok(ChunkHeader { transfer, offset, length, hash: Hash(self.array("hash")?) })
    }

    /// The ranges up to the end of the frame.
    fn ranges(&mut self) -> Result<Ranges, FrameError> {
        let rest = std::mem::replace(&mut self.reader, Reader::new(&[])).rest();
        Ranges::decode(rest).map_err(|error| self.error("ranges", Fault::Ranges(error)))
    }

    fn integer(&mut self, field: &'static str) -> Result<u64, FrameError> {
        self.reader.integer().ok_or_else(|| self.error(field, Fault::Truncated))
    }

    fn at_most(&mut self, field: &'static str, most: u32) -> Result<u32, FrameError> {
        let value = self.integer(field)?;
        let fits = u32::try_from(value).ok().filter(|value| *value <= most);
        fits.ok_or_else(|| self.error(field, Fault::OutOfRange(value)))
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FrameError> {
        self.reader.bytes().ok_or_else(|| self.error(field, Fault::Truncated))
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FrameError> {
        self.reader.array().ok_or_else(|| self.error(field, Fault::Truncated))
    }

    fn error(&self, field: &'static str, fault: Fault) -> FrameError {
        FrameError::Field { frame: self.frame, field, fault }
    }
}

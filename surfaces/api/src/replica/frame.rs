//! A frame: the length of what follows as 4 bytes in little endian, its kind, a head with its own length, and
//! a body.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ReplicaError;
use crate::wire::MAX_BODY_BYTES;

/// Longest frame, bytes: the longest answer, and a head with its losses.
const MAX_FRAME_BYTES: usize = MAX_BODY_BYTES + (16 << 20);

/// Kind and length of the head.
const PREFIX_BYTES: usize = 5;

/// A frame as it was read.
#[derive(Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// Reads the next frame; `false` at the end of the stream. The memory of a long frame before is freed.
    pub(super) fn read(&mut self, from: &mut impl Read) -> Result<bool, ReplicaError> {
        let mut length = [0; 4];
        match from.read(&mut length) {
            Ok(0) => return Ok(false),
            Ok(read) => from.read_exact(length.get_mut(read..).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.read(from),
            Err(error) => return Err(error.into()),
        }
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if !(PREFIX_BYTES..=MAX_FRAME_BYTES).contains(&length) {
            return Err(ReplicaError::Malformed("its length is out of bounds"));
        }
        self.bytes = Vec::new();
        // Grows with what arrives, not with the length that is announced.
        let read = from.take(length as u64).read_to_end(&mut self.bytes)?;
        if read < length {
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        Ok(true)
    }

    /// Its kind.
    pub(super) fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// Its head and its body.
    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (prefix, rest) = self.bytes.split_first_chunk::<PREFIX_BYTES>()?;
        let [_kind, length @ ..] = *prefix;
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(length)).ok()?)
    }

    /// Its head as a value, and its body.
    pub(super) fn open<H: DeserializeOwned>(&self) -> Result<(H, &[u8]), ReplicaError> {
        let (head, body) = self.parts().ok_or(ReplicaError::Malformed("its head is cut"))?;
        let head = postcard::from_bytes(head)
            .map_err(|_| ReplicaError::Malformed("its head is of another version"))?;
        Ok((head, body))
    }
}

/// Writes a frame.
pub(super) fn write(
    to: &mut impl Write,
    kind: u8,
    head: &impl Serialize,
    body: &[u8],
) -> Result<(), ReplicaError> {
    let unwritable = |error: &dyn std::fmt::Display| ReplicaError::Unwritable(error.to_string());
    let head = postcard::to_stdvec(head).map_err(|error| unwritable(&error))?;
    let length = PREFIX_BYTES + head.len() + body.len();
    if length > MAX_FRAME_BYTES {
        return Err(unwritable(&format_args!(
            "it has {length} bytes of at most {MAX_FRAME_BYTES}"
        )));
    }
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut start = Vec::with_capacity(4 + PREFIX_BYTES + head.len());
    start.extend(number(length));
    start.push(kind);
    start.extend(number(head.len()));
    start.extend(head);
    to.write_all(&start)?;
    to.write_all(body)?;
    Ok(to.flush()?)
}

//! What a unidirectional stream begins with.

use super::fields::Fields;
use super::types::StreamType;
use super::{Fault, FrameError, TransferId};
use crate::encoding::{Numbered, numbered, write_integer};
use crate::manifest::MAX_MANIFEST_BYTES;
use crate::tree::{CHUNK_BYTES, Hash};

/// Bytes of a [`StreamHeader`] at most.
pub const MAX_STREAM_HEADER_BYTES: usize = 5 * 8 + 32;

/// The begin of a unidirectional stream, which is all of a manifest, a chunk or the root hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamHeader {
    /// An encoded [`crate::manifest::Manifest`] follows.
    Manifest {
        /// The transfer.
        transfer: TransferId,
        /// Bytes of the manifest, at most [`MAX_MANIFEST_BYTES`].
        bytes: u64,
    },
    /// A chunk follows.
    Chunk(ChunkHeader),
    /// The hash of each file of [`crate::chunks::Chunks::long_files`] follows, 32 bytes each.
    Roots {
        /// The transfer.
        transfer: TransferId,
    },
}

/// A chunk of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// The transfer.
    pub transfer: TransferId,
    /// Index of the chunk; see [`crate::chunks`].
    pub chunk: u64,
    /// Bytes of the chunk, at most [`CHUNK_BYTES`].
    pub bytes: u64,
    /// Whether the bytes follow.
    pub content: Content,
    /// Hash of the chunk, so that a wrong one is named; see [`crate::chunks`].
    pub hash: Hash,
}

numbered! {
    /// What follows a [`ChunkHeader`].
    pub enum Content {
        /// The bytes of the chunk.
        Data = 0,
        /// Nothing: each byte of the chunk is 0.
        Zeros = 1,
    }
}

impl StreamHeader {
    /// Appends the header. Integers above 2^62 − 1 are written as that.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Manifest { transfer, bytes } => {
                write_start(out, StreamType::Manifest, *transfer);
                write_integer(out, *bytes);
            }
            Self::Chunk(ChunkHeader { transfer, chunk, bytes, content, hash }) => {
                write_start(out, StreamType::Chunk, *transfer);
                write_integer(out, *chunk);
                write_integer(out, *bytes);
                write_integer(out, content.number());
                out.extend(hash.0);
            }
            Self::Roots { transfer } => write_start(out, StreamType::Roots, *transfer),
        }
    }

    /// Reads the header that `bytes` begins with, and how many bytes it has; `None` when more must arrive, which are
    /// [`MAX_STREAM_HEADER_BYTES`] at most.
    ///
    /// # Errors
    /// [`FrameError::UnknownType`] and [`FrameError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let mut fields = Fields::new("stream header", bytes);
        match Self::read(&mut fields) {
            Ok(header) => Ok(Some((header, bytes.len() - fields.rest().len()))),
            Err(FrameError::Field { fault: Fault::Truncated, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FrameError> {
        let number = fields.integer("type")?;
        let of = StreamType::from_number(number).ok_or(FrameError::UnknownType(number))?;
        let transfer = TransferId(fields.integer("transfer")?);
        Ok(match of {
            StreamType::Manifest => {
                Self::Manifest { transfer, bytes: fields.at_most("bytes", MAX_MANIFEST_BYTES)? }
            }
            StreamType::Chunk => Self::Chunk(ChunkHeader {
                transfer,
                chunk: fields.integer("chunk")?,
                bytes: fields.at_most("bytes", CHUNK_BYTES)?,
                content: fields.numbered("content")?,
                hash: Hash(fields.array("hash")?),
            }),
            StreamType::Roots => Self::Roots { transfer },
        })
    }
}

fn write_start(out: &mut Vec<u8>, of: StreamType, transfer: TransferId) {
    write_integer(out, of.number());
    write_integer(out, transfer.0);
}

//! Why bytes are no frame.

use super::MAX_FRAME_BYTES;
use crate::names::NameError;
use crate::ranges::RangesError;

/// Why bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The fields of a frame are longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(u64),
    /// This version has no frame of that type.
    #[error("frame type {0} is unknown")]
    UnknownType(u64),
    /// A field of a frame is wrong.
    #[error("{frame}: {field} {fault}")]
    Field {
        /// Name of the frame.
        frame: &'static str,
        /// Name of the field.
        field: &'static str,
        /// What is wrong.
        fault: Fault,
    },
    /// Bytes follow the last field of a frame.
    #[error("{0}: bytes follow the last field")]
    TrailingBytes(&'static str),
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The frame ends before the field does.
    #[error("ends behind the frame")]
    Truncated,
    /// The number is out of its range.
    #[error("is {0}, which is out of range")]
    OutOfRange(u64),
    /// The field has more or fewer bytes than it may.
    #[error("has a wrong length of {0} bytes")]
    Length(usize),
    /// The text is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// The path is refused.
    #[error("is refused: {0}")]
    Path(NameError),
    /// The ranges are refused.
    #[error("are refused: {0}")]
    Ranges(RangesError),
}

//! Why bytes are no frame.

use crate::ranges::RangesError;

/// Why bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The fields of a frame are longer than its bound.
    #[error("{frame}: {bytes} bytes are more than {most}")]
    TooLong {
        /// Name of the frame.
        frame: &'static str,
        /// Bytes of its fields.
        bytes: u64,
        /// The bound.
        most: usize,
    },
    /// This version has no frame or stream of that type.
    #[error("type {0} of a frame or stream is unknown")]
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
    /// The ranges are refused.
    #[error("are refused: {0}")]
    Ranges(RangesError),
}

//! Why an answer cannot be written or read.

use super::version::VersionRange;
use crate::agent::AgentError;

/// Why bytes are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The answer is in a version that this program does not read.
    #[error(
        "the answer is in version {theirs} of the format, and this conns reads {}; upgrade the older of the two",
        VersionRange::SUPPORTED
    )]
    Version {
        /// The answer's version.
        theirs: u32,
    },
    /// `tcp_info` is sent as the kernel wrote it.
    #[error("the agent's machine has another byte order than this one, which conns cannot read")]
    ByteOrder,
    /// Nothing that an agent writes.
    #[error("{subject} {place} of the answer breaks the format: {reason}")]
    Malformed {
        /// What was being read.
        subject: &'static str,
        /// Which of them, from 1.
        place: usize,
        /// What is wrong.
        reason: String,
    },
    /// More than a bound allows.
    #[error("the answer has {count} {subject}, above the bound of {bound}")]
    TooMany {
        /// What there is too much of.
        subject: &'static str,
        /// The number announced.
        count: usize,
        /// The bound.
        bound: usize,
    },
    /// Changes since a snapshot that the reader does not have.
    #[error("the agent sent changes since a snapshot that it was not asked about")]
    OtherSnapshot,
}

/// The answer cannot be encoded.
pub(super) fn unencodable(error: postcard::Error) -> AgentError {
    AgentError::Unavailable(format!("cannot encode the answer: {error}"))
}

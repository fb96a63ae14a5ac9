//! Why a transfer fails.

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The cause, as a program reads it.
    pub code: FailureCode,
    /// The cause, as a person reads it; at most [`super::MAX_TEXT_BYTES`].
    pub text: String,
}

/// Causes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The source is missing or cannot be read.
    SourceUnreadable,
    /// The source changed while it was sent.
    SourceChanged,
    /// The path is refused.
    PathRefused,
    /// The target exists and must not be replaced.
    TargetExists,
    /// The target cannot be written.
    TargetUnwritable,
    /// The disk of the target is full.
    NoSpace,
    /// A hash differs: of a received file, or of the manifest.
    HashDiffers,
    /// A user cancelled the transfer.
    Cancelled,
    /// The receiver does not allow this sender, or not this transfer.
    NotAllowed,
    /// The sender has withdrawn the transfer.
    Withdrawn,
    /// A cause of a later version.
    Other(u64),
}

impl FailureCode {
    const NUMBERED: [(u64, Self); 10] = [
        (1, Self::SourceUnreadable),
        (2, Self::SourceChanged),
        (3, Self::PathRefused),
        (4, Self::TargetExists),
        (5, Self::TargetUnwritable),
        (6, Self::NoSpace),
        (7, Self::HashDiffers),
        (8, Self::Cancelled),
        (9, Self::NotAllowed),
        (10, Self::Withdrawn),
    ];

    /// The code of a number in a frame.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let found = Self::NUMBERED.iter().find(|(of, _)| *of == number);
        found.map_or(Self::Other(number), |(_, code)| *code)
    }

    /// The number in a frame.
    #[must_use]
    pub fn number(self) -> u64 {
        if let Self::Other(number) = self {
            return number;
        }
        Self::NUMBERED.iter().find(|(_, code)| *code == self).map_or(0, |(number, _)| *number)
    }
}

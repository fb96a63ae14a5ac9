//! A value with its source, or the reason why there is none.
//!
//! Invariant: unknown is never zero, and "does not apply" is not "unknown".

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The kernel's socket tables over netlink `sock_diag` (`linux/sock_diag.h`).
    SockDiag,
    /// The process file system, `/proc` (proc(5)).
    Procfs,
    /// The operating system through portable crates (macOS, Windows, and Linux for comparison).
    Portable,
    /// Our own programs in the kernel (eBPF).
    Ebpf,
    /// Packets of a capture file.
    Capture,
    /// Payload on the wire, decoded.
    Wire,
    /// Computed here from values of other sources.
    Derived,
    /// The answer of a process that owns the socket, which was asked.
    Reported,
    /// The history that an agent has kept; it does not keep the sources of its values.
    History,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SockDiag => "sock_diag",
            Self::Procfs => "procfs",
            Self::Portable => "portable",
            Self::Ebpf => "ebpf",
            Self::Capture => "capture",
            Self::Wire => "wire",
            Self::Derived => "derived",
            Self::Reported => "reported",
            Self::History => "history",
        })
    }
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unknown {
    /// This user may not read it.
    NotPrivileged,
    /// The kernel's answer ends before the field, or lacks the attribute.
    KernelDoesNotReport,
    /// The source in use has no way to learn it.
    SourceDoesNotReport,
    /// It takes a second observation, and there is one so far.
    NeedsTwoObservations,
    /// Nothing has happened yet that could be measured.
    NothingMeasured,
    /// Sources or rows disagree, so none of them is shown.
    Ambiguous,
    /// No process that could be read owns it; it may be in flight, or have just been closed.
    NoOwnerFound,
    /// The process ended while it was read.
    Vanished,
    /// The source that reports it could not be read at all.
    SourceFailed,
    /// It began before events were recorded.
    BeganBefore,
    /// There is no limit, and so no number.
    Unlimited,
    /// It was known, or could have been, and the history does not keep it.
    NotKept,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPrivileged => "not permitted to read it",
            Self::KernelDoesNotReport => "this kernel does not report it",
            Self::SourceDoesNotReport => "the source in use does not report it",
            Self::NeedsTwoObservations => "needs a second observation",
            Self::NothingMeasured => "nothing measured yet",
            Self::Ambiguous => "ambiguous",
            Self::NoOwnerFound => "no readable process owns it",
            Self::Vanished => "the process ended while it was read",
            Self::SourceFailed => "the source could not be read",
            Self::BeganBefore => "it began before events were recorded",
            Self::Unlimited => "there is no limit",
            Self::NotKept => "the history does not keep it",
        })
    }
}

/// A value and its source, or why it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known<T> {
    /// The value and its source.
    Value(T, Source),
    /// There is a value, but it is not known.
    Unknown(Unknown),
    /// There is no such value for this kind of connection.
    NotApplicable,
}

impl<T> Known<T> {
    /// The value, if it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value, _) => Some(value),
            Self::Unknown(_) | Self::NotApplicable => None,
        }
    }

    /// The source of the value, if it is known.
    pub fn source(&self) -> Option<Source> {
        match self {
            Self::Value(_, source) => Some(*source),
            Self::Unknown(_) | Self::NotApplicable => None,
        }
    }

    /// A reference to what is inside, with the same source or reason.
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Value(value, source) => Known::Value(value, *source),
            Self::Unknown(why) => Known::Unknown(*why),
            Self::NotApplicable => Known::NotApplicable,
        }
    }

    /// The value changed by `f`, its source or reason kept.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Value(value, source) => Known::Value(f(value), source),
            Self::Unknown(why) => Known::Unknown(why),
            Self::NotApplicable => Known::NotApplicable,
        }
    }

    /// The value `f` finds inside; `why` where it finds none.
    pub fn and_then<U>(self, why: Unknown, f: impl FnOnce(T) -> Option<U>) -> Known<U> {
        match self {
            Self::Value(value, source) => match f(value) {
                Some(found) => Known::Value(found, source),
                None => Known::Unknown(why),
            },
            Self::Unknown(why) => Known::Unknown(why),
            Self::NotApplicable => Known::NotApplicable,
        }
    }

    /// `Some` as a value of `source`, `None` as unknown because of `why`.
    pub fn from_option(value: Option<T>, source: Source, why: Unknown) -> Self {
        match value {
            Some(value) => Self::Value(value, source),
            None => Self::Unknown(why),
        }
    }
}

impl<T: Copy> Known<T> {
    /// The value by copy, if it is known.
    pub fn get(&self) -> Option<T> {
        self.value().copied()
    }
}

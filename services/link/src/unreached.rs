//! Why a destination cannot be reached.

use conns_core::model::TransferError;

/// Why a destination cannot be reached: the code of the dialect, and the cause in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreached {
    pub(crate) error: TransferError,
    pub(crate) message: String,
}

impl Unreached {
    pub(crate) fn new(error: TransferError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

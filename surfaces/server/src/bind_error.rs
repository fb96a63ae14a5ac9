//! Errors of opening listeners.

use std::io;
use std::path::PathBuf;

use crate::listen_spec::ListenAddress;

/// Why a listener was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port or file cannot be bound.
    #[error("cannot listen on {place}: {error}{hint}")]
    Refused {
        /// Where.
        place: ListenAddress,
        /// The system's error.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The file is something else.
    #[error("cannot listen on unix:{}: a file that is not a socket exists there; remove it or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// Another process listens there.
    #[error("cannot listen on unix:{}: another process listens there; stop it or choose another path", .0.display())]
    InUse(PathBuf),
}

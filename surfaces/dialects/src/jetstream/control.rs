//! The transfer service behind the dialect: in this process, or in another one that serves the same dialect.

use std::fmt;
use std::sync::Arc;

pub use conns_transfer::control::{Control, ControlError, Object, Page, TransferChange};

/// A transfer service in another process that serves this dialect.
pub trait Forward: Send + Sync {
    /// Sends one JSON-RPC request, a line without its terminator, and returns the line that answers it. An implementation
    /// bounds its wait: other calls of this dialect wait for it.
    ///
    /// # Errors
    /// Why there is no answer.
    fn call(&self, request: &str) -> Result<String, String>;
}

/// Which transfer service the dialect serves.
#[derive(Clone, Default)]
pub enum Backend {
    /// None: its methods are answered with an error.
    #[default]
    None,
    /// One in this process.
    Control(Arc<dyn Control>),
    /// One in another process.
    Forward(Arc<dyn Forward>),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Control(_) => "Control",
            Self::Forward(_) => "Forward",
        })
    }
}

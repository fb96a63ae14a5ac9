//! Which source is used where. The only place that knows the operating system.

use conns_contract::{HolderSource, SocketSource, SourceError};
use conns_core::model::Loss;
use conns_portable::Portable;

/// Which source the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The kernel's own tables where they can be read, else the portable source.
    #[default]
    Auto,
    /// `sock_diag` and procfs, or an error.
    Kernel,
    /// The portable source.
    Portable,
}

/// The sources of a choice.
pub(crate) struct Opened {
    pub(crate) sockets: Box<dyn SocketSource>,
    pub(crate) holders: Option<Box<dyn HolderSource>>,
    pub(crate) losses: Vec<Loss>,
}

/// Opens the sources of `choice`.
pub(crate) fn open(choice: Choice) -> Result<Opened, SourceError> {
    match choice {
        Choice::Portable => Ok(portable(Vec::new())),
        Choice::Kernel => kernel::open(),
        Choice::Auto => kernel::open().or_else(|error| Ok(portable(kernel::missing(&error)))),
    }
}

fn portable(losses: Vec<Loss>) -> Opened {
    Opened { sockets: Box::new(Portable::new()), holders: None, losses }
}

#[cfg(target_os = "linux")]
mod kernel {
    use conns_contract::SourceError;
    use conns_core::model::{Loss, LossKind, Source};
    use conns_procfs::Procfs;
    use conns_sockdiag::SockDiag;

    use super::Opened;

    pub(super) fn open() -> Result<Opened, SourceError> {
        Ok(Opened {
            sockets: Box::new(SockDiag::open()?),
            holders: Some(Box::new(Procfs::at("/proc"))),
            losses: Vec::new(),
        })
    }

    /// What it means to do without.
    pub(super) fn missing(error: &SourceError) -> Vec<Loss> {
        vec![Loss {
            source: Source::SockDiag,
            kind: LossKind::TableUnreadable,
            count: 1,
            sentence: format!(
                "{error}. The portable source is used: no latency, loss, bytes or verdict"
            )
            .into(),
        }]
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;

    use conns_contract::SourceError;
    use conns_core::model::{Loss, Source};

    use super::Opened;

    pub(super) fn open() -> Result<Opened, SourceError> {
        Err(SourceError::Unavailable {
            source_name: Source::SockDiag,
            attempted: "open a NETLINK_SOCK_DIAG socket".to_owned(),
            cause: io::ErrorKind::Unsupported.into(),
            remedy: "This is not Linux; use `--source portable`",
        })
    }

    /// Elsewhere the portable source is the source: nothing is missing.
    pub(super) fn missing(_: &SourceError) -> Vec<Loss> {
        Vec::new()
    }
}

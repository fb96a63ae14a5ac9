//! The loss of a table that could not be read, and where the table is.

use std::io;

use conns_core::model::{Loss, LossCause, Netns, OtherFamily, Source};
use rustix::io::Errno;

/// The loss of a table that could not be read; `family` is `None` for TCP and UDP.
pub(crate) fn unreadable(table: String, family: Option<OtherFamily>, cause: &io::Error) -> Loss {
    let cause = LossCause::TableUnreadable {
        table: table.into(),
        error: cause.to_string().into(),
        needs_modules: needs_modules(cause),
        family,
    };
    Loss::one(Source::SockDiag, cause)
}

/// Whether the kernel lacks the module that lists a table.
pub(crate) fn needs_modules(cause: &io::Error) -> bool {
    cause.raw_os_error().map(Errno::from_raw_os_error) == Some(Errno::NOENT)
}

/// The place behind the name of a table: " in network namespace blue"; empty for the own one.
pub(crate) fn place(netns: &Netns) -> String {
    match &netns.label {
        Some(label) if !netns.is_own => format!(" in network namespace {label}"),
        _ => String::new(),
    }
}

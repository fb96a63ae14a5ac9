//! Errors of dropping privileges.

use std::io;

/// Why privileges could not be dropped. Some may be dropped already; the process must exit.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Other threads would keep theirs.
    #[error(
        "cannot drop privileges: {count} threads run already and all but one would keep theirs. \
         This is a bug: privileges must be dropped before threads are started"
    )]
    Threads {
        /// Number of threads.
        count: usize,
    },
    /// There is no such account.
    #[error("cannot switch to user `{name}`: there is no such account. Create it, or name another")]
    NoSuchAccount {
        /// The configured name.
        name: String,
    },
    /// Another system than Linux.
    #[error("privileges are not dropped on this system, only on Linux: {consequence}")]
    NotOnThisSystem {
        /// What follows, as a sentence without its end.
        consequence: &'static str,
    },
    /// The system refused.
    #[error("cannot {attempted}: {cause}. {remedy}")]
    Refused {
        /// What was attempted, on what.
        attempted: String,
        /// Why it failed.
        #[source]
        cause: io::Error,
        /// What to do, as a sentence.
        remedy: &'static str,
    },
    /// Every call succeeded, but the kernel reports another state.
    #[error(
        "dropped privileges, but the kernel reports {what} as {found} in place of {expected}. \
         The agent does not start; please report this with the kernel's version"
    )]
    NotApplied {
        /// What was read back.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

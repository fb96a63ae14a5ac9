//! Why privileges could not be given up.

use std::io;

/// Why privileges could not be given up. The process may have given up some; it must not go on.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Threads that exist would keep theirs.
    #[error(
        "cannot give up privileges: {count} threads run already and all but one would keep them. \
         This is a fault of the program: it must be done before threads are started"
    )]
    Threads {
        /// How many there are.
        count: usize,
    },
    /// There is no such account.
    #[error("cannot become user `{name}`: there is no such account. Make it, or name another")]
    NoSuchAccount {
        /// What was asked for.
        name: String,
    },
    /// The system refused.
    #[error("cannot {attempted}: {cause}. {remedy}")]
    Refused {
        /// What was attempted, on what.
        attempted: String,
        /// Why it failed.
        #[source]
        cause: io::Error,
        /// What the user can do, as a sentence.
        remedy: &'static str,
    },
    /// Every call succeeded, and yet the kernel says otherwise.
    #[error(
        "gave up privileges, but the kernel says of {what}: {found}; it should be {wanted}. \
         The agent does not run like this; please report it with the kernel's version"
    )]
    DoesNotHold {
        /// What was read back.
        what: &'static str,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
}

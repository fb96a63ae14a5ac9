//! Which machine a snapshot is of, so that rows of several machines and boots can be distinguished.

use serde::{Deserialize, Serialize};

use super::{Known, Unknown};

/// A machine between two boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Identifies the installation: 32 hexadecimal digits (machine-id(5)).
    pub machine_id: Known<Box<str>>,
    /// Identifies the boot (`/proc/sys/kernel/random/boot_id`, random(4)).
    pub boot_id: Known<Box<str>>,
    /// The host name (gethostname(2)).
    pub host: Known<Box<str>>,
}

impl Default for Machine {
    fn default() -> Self {
        let unread = || Known::Unknown(Unknown::SourceDoesNotReport);
        Self { machine_id: unread(), boot_id: unread(), host: unread() }
    }
}

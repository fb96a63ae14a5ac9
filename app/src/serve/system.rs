//! What the agent takes from the system it runs on.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Signals, give_directory, raise_open_files};
#[cfg(windows)]
pub(crate) use windows::{Signals, give_directory, raise_open_files};

/// What a signal means to the agent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// End.
    Stop,
    /// Load the configuration again.
    #[cfg_attr(windows, expect(dead_code, reason = "no console event means it"))]
    Reload,
}

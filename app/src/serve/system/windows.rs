//! Console events of Windows. It has no limit of open files, and no unix sockets whose directories need an owner.

use std::io;
use std::path::Path;

use conns_privileges::Account;
use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

use super::Signal;

pub(crate) fn raise_open_files() -> Result<(), String> {
    Ok(())
}

/// Fails: there is no account to give it to.
pub(crate) fn give_directory(_: &Path, _: &Account) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The console events that end the agent; none reloads its configuration.
pub(crate) struct Signals {
    interrupt: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Handles them from now on.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.stop.recv() => Signal::Stop,
            _ = self.close.recv() => Signal::Stop,
            _ = self.shutdown.recv() => Signal::Stop,
        }
    }
}

//! A pseudo-terminal of a given size: what a program writes to it, as it would reach the screen.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::program::SOON;
use crate::sandbox::Sandbox;

/// Clears the screen from its first line on; a redraw begins with it.
pub(crate) const HOME_AND_CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// A program on a terminal; ended when dropped.
#[derive(Debug)]
pub(crate) struct OnTerminal {
    child: Child,
    chunks: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl OnTerminal {
    /// Starts `command` on the sandbox with a terminal for input and output; standard error is a pipe.
    pub(crate) fn start(
        sandbox: &Sandbox,
        mut command: Command,
        columns: u16,
        rows: u16,
    ) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave =
            openat(CWD, &*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        tcsetwinsize(
            &slave,
            Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 },
        )?;
        command.stdin(slave.try_clone()?).stdout(slave).stderr(Stdio::piped());
        let child = sandbox.spawn(&mut command)?;
        // The reader sees the end only when the last copy of the other end is closed.
        drop(command);
        let mut master = File::from(master);
        let (send, chunks) = channel();
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            // A terminal whose other end is closed reports EIO: the end.
            while let Ok(length @ 1..) = master.read(&mut chunk) {
                if send.send(chunk[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, chunks, seen: Vec::new() })
    }

    /// What was written until the program ended, and its exit code.
    pub(crate) fn finish(mut self) -> Result<(String, Option<i32>)> {
        self.read_until("its end", |_| false)?;
        let status = self.child.wait()?;
        Ok((self.text(), status.code()))
    }

    /// Reads until what was written satisfies `enough`; the end of the program satisfies nothing.
    pub(crate) fn wait(&mut self, what: &str, enough: impl Fn(&str) -> bool) -> Result<String> {
        match self.read_until(what, enough)? {
            true => Ok(self.text()),
            false => bail!("the program ended before {what}; it wrote {:?}", self.text()),
        }
    }

    /// True if there was enough, false if the program ended.
    fn read_until(&mut self, what: &str, enough: impl Fn(&str) -> bool) -> Result<bool> {
        let until = Instant::now() + SOON;
        while !enough(&self.text()) {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.seen.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("waited {SOON:?} in vain for {what}; it wrote {:?}", self.text())
                }
            }
        }
        Ok(true)
    }

    /// All that was written so far, with the line ends a program writes.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).replace("\r\n", "\n")
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Ended already, as it should be, unless a test failed or the program has no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of `command` on a terminal with this many columns; the exit code must be 0.
pub(crate) fn on_terminal(sandbox: &Sandbox, command: Command, columns: u16) -> Result<String> {
    let shown = crate::program::short(&command);
    let (text, code) = OnTerminal::start(sandbox, command, columns, 50)?.finish()?;
    (code == Some(0)).then_some(text).with_context(|| format!("{shown}: exit code {code:?}"))
}

/// `text` without escape sequences (ECMA-48 CSI).
pub(crate) fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        let end = part.find(|c: char| ('@'..='~').contains(&c)).map_or(part.len(), |at| at + 1);
        plain + part.get(end..).unwrap_or_default()
    })
}

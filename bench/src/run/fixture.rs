//! A running `conns-bench hold`, seen from the bench: started, asked where its sockets are, ended.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// Sockets that are open.
pub(crate) struct Fixture {
    child: Child,
    netns: String,
    sockets: u32,
    listeners: u32,
}

impl Fixture {
    /// Starts the fixture and waits until all sockets are established.
    pub(crate) fn start(sockets: u32, processes: u32) -> anyhow::Result<Fixture> {
        let mut child = Command::new(crate::own::program()?)
            .args([
                "hold",
                "--sockets",
                &sockets.to_string(),
                "--processes",
                &processes.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the fixture of {sockets} sockets"))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the fixture has no stdout")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("cannot read the fixture's readiness")?;
        ensure!(
            line.starts_with("ready "),
            "the fixture of {sockets} sockets did not get ready: its error is above"
        );
        let word = |key: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .with_context(|| format!("the fixture's readiness {line:?} has no {key}"))
        };
        Ok(Fixture {
            netns: word("netns")?.to_owned(),
            sockets: word("sockets")?
                .parse()
                .context("the fixture's number of sockets is no number")?,
            listeners: word("listeners")?
                .parse()
                .context("the fixture's number of listeners is no number")?,
            child,
        })
    }

    /// Name of its namespace under /run/netns.
    pub(crate) fn netns(&self) -> &str {
        &self.netns
    }

    /// Established sockets, both ends counted.
    pub(crate) fn sockets(&self) -> u32 {
        self.sockets
    }

    /// Listening sockets beside them.
    pub(crate) fn listeners(&self) -> u32 {
        self.listeners
    }

    /// Stops the fixture and waits until its namespace is removed.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().context("cannot wait for the fixture to end")?;
        ensure!(status.success(), "the fixture ended with {status}: its error is above");
        Ok(())
    }
}

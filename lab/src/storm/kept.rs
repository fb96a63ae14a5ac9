//! The way the history of an agent reports a storm: as rows of its table `closed`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::reported::{FIELDS, Lost, Reported};
use super::run::{Done, Folder};
use super::truth::{Report, Truth};
use crate::agent::Agent;
use crate::follow::visit;
use crate::netns::Namespace;
use crate::process::wait_for;

/// Rows are written each second; the machine may be busy with the storm.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// An agent in its own namespace that keeps a history.
#[derive(Debug)]
pub(super) struct Kept {
    agent: Agent,
    conns: PathBuf,
    home: Namespace,
    folder: Folder,
}

impl Kept {
    /// Starts an agent with a history of its own.
    pub(super) fn start(conns: &Path) -> Result<Self> {
        let (home, folder) = (Namespace::create("agent")?, Folder::create()?);
        let path = format!("--history-path={}", folder.file("kept/history.db").display());
        let arguments =
            ["--listen", "http=127.0.0.1:0", "--follow-namespaces", "--history-size=1GiB", &path];
        let agent = Agent::start(conns, Some(&home), &arguments)?;
        let kept = Self { agent, conns: conns.to_owned(), home, folder };
        kept.wait_for_a_visit().context("waiting for the history to begin")?;
        Ok(kept)
    }

    /// Waits until all is written, and compares it with the records of `namespace`.
    pub(super) fn finish(self, done: &Done, namespace: &Namespace) -> Result<Report> {
        self.wait_for_a_visit()?;
        let mut lost = Lost::default();
        lost.take_list(&self.agent.health(Some(&self.home))?["losses"]);
        let mut truth = Truth::of(done, namespace.name());
        for line in self.ask(&format!("select {FIELDS} from closed"))?.lines() {
            let row: Reported<'_> =
                serde_json::from_str(line).with_context(|| format!("reading the row {line}"))?;
            truth.take(&row);
        }
        Ok(truth.report(&["closed"], lost))
    }

    /// Waits until a connection that is opened now is kept: rows are in the order of their ends.
    fn wait_for_a_visit(&self) -> Result<()> {
        wait_for("the history to have one more connection", WRITE_TIMEOUT, || {
            let port = self.home.inside(visit)??;
            let name = self.home.name();
            let query = format!(
                "select local_port from closed where netns = '{name}' and local_port = {port}"
            );
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until {
                if !self.ask(&query)?.is_empty() {
                    return Ok(Some(()));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(None)
        })
    }

    /// The rows that answer a query, one JSON object a line.
    fn ask(&self, query: &str) -> Result<String> {
        let history = self.folder.file("kept/history.db");
        let output = Command::new(&self.conns)
            .args(["sql", query, "-o", "jsonl", "--limit", "100000000", "--history"])
            .arg(&history)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("starting {}", self.conns.display()))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`conns sql` ended with {}: {errors}", output.status);
        String::from_utf8(output.stdout).context("the answer of `conns sql` is no UTF-8")
    }
}

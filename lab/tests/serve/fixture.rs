//! The fixture of these tests: the agent, a folder, curl, and peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::{Peer, is_installed, wait_for};
use serde_json::Value;

/// How long a condition may take to come true.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// How long the agent may take to end.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The listener most tests use.
pub(crate) const HTTP: &str = "http=127.0.0.1:0";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What this machine lacks.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces".to_owned());
    }
    let lacks = programs.iter().find(|program| !is_installed(program));
    lacks.map(|program| format!("there is no {program}"))
}

/// The binary under test.
pub(crate) fn conns() -> Result<PathBuf> {
    Ok(Conns::find(None)?.path().to_owned())
}

/// Starts an agent.
pub(crate) fn agent(namespace: &Namespace, arguments: &[&str]) -> Result<Agent> {
    Agent::start(&conns()?, Some(namespace), arguments)
}

/// The output of an agent that is expected not to start.
pub(crate) fn failing_start(namespace: &Namespace, arguments: &[&str]) -> Result<Output> {
    let conns = conns()?;
    let mut command = Command::new("timeout");
    command.arg("20").arg(conns).arg("serve").args(arguments);
    namespace.inside(|| command.output())?.context("running an agent that is not to start")
}

/// Starts a peer.
pub(crate) fn peer(namespace: &Namespace, arguments: &str) -> Result<Peer> {
    Peer::start(Path::new(env!("CARGO_BIN_EXE_conns-lab")), namespace, arguments)
}

/// The rows of the agent's list that belong to the namespace `of` and match this filter. The agent sees the whole machine,
/// where other tests use the same ports in their own namespaces.
pub(crate) fn rows(
    agent: &Agent,
    home: &Namespace,
    of: &Namespace,
    filter: &str,
) -> Result<Vec<Value>> {
    let filter = format!("netns_inode == {} and ({filter})", of.inode()?).replace(' ', "%20");
    let answer = agent.get(Some(home), &format!("/api/v1/connections?view=all&filter={filter}"))?;
    let mut answer: Value = serde_json::from_slice(&answer.body)?;
    match answer["connections"].take() {
        Value::Array(rows) => Ok(rows),
        _ => anyhow::bail!("no connections in {answer}"),
    }
}

/// Waits until the agent's standard error has a line with this.
pub(crate) fn wait_stderr(agent: &Agent, words: &str) -> Result<String> {
    wait_for(&format!("the agent to write {words:?}"), TIMEOUT, || {
        Ok(agent.stderr_lines().into_iter().find(|line| line.contains(words)))
    })
    .with_context(|| agent.stderr_lines().join("\n"))
}

/// Asks with curl: the status and the body. A connection that fails is an error with curl's words.
pub(crate) fn curl(namespace: &Namespace, arguments: &[&str]) -> Result<(u16, String)> {
    let mut all = vec!["-sS", "--max-time", "20", "-w", "\n%{http_code}"];
    all.extend_from_slice(arguments);
    let answer = namespace.output("curl", &all)?;
    let (body, status) = answer.rsplit_once('\n').context("curl printed no status")?;
    Ok((status.parse()?, body.to_owned()))
}

/// Fails unless curl gets this status, and returns the body.
pub(crate) fn gets(namespace: &Namespace, expected: u16, arguments: &[&str]) -> Result<String> {
    let (status, body) = curl(namespace, arguments)?;
    ensure!(status == expected, "curl {arguments:?} got {status} instead of {expected}: {body}");
    Ok(body)
}

/// A token and its hash, as `conns token` makes them.
pub(crate) fn token() -> Result<(String, String)> {
    let output = Command::new(conns()?).arg("token").output()?;
    let text = String::from_utf8(output.stdout)?;
    let word = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map(|word| word.trim().to_owned()).with_context(|| format!("no {key} in {text}"))
    };
    Ok((word("token")?, word("hash")?))
}

/// A folder of the test's own, removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn create() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conns-lab-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! One turn of load: wrk with four connections, which it keeps.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::dialect::Dialect;
use super::{nginx, served};

/// What it reports in one line, so that nothing is read out of a page for people.
const DONE: &str = "done = function(summary, latency, requests)\n\
    local e = summary.errors\n\
    io.write(string.format('BENCH %d %d %d %d %d\\n', summary.requests, summary.duration, \
    summary.bytes, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))\nend\n";

/// The result of a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The time within which 99 of 100 answers came, milliseconds.
    pub(crate) p99_ms: f64,
    /// Bytes a second, heads included.
    pub(crate) bytes_rate: f64,
}

/// Asks the agent.
pub(crate) fn of_agent(
    dialect: &Dialect,
    netns: &str,
    folder: &Path,
    turn: Duration,
) -> anyhow::Result<Load> {
    let mut script = DONE.to_owned();
    if let Some(body) = dialect.body {
        // No body has brackets of this kind in it.
        let _ = write!(script, "wrk.method = 'POST'\nwrk.body = [==[{body}]==]\n");
    }
    wrk(netns, folder, turn, &format!("http://127.0.0.1:{}{}", served::PORT, dialect.path), &script)
        .with_context(|| format!("asking the agent in the dialect {}", dialect.name))
}

/// Asks nginx for the same bytes.
pub(crate) fn of_nginx(
    dialect: &Dialect,
    netns: &str,
    folder: &Path,
    turn: Duration,
) -> anyhow::Result<Load> {
    wrk(netns, folder, turn, &format!("http://127.0.0.1:{}/{}", nginx::PORT, dialect.name), DONE)
        .with_context(|| format!("asking nginx for the answer of {}", dialect.name))
}

fn wrk(
    netns: &str,
    folder: &Path,
    turn: Duration,
    url: &str,
    script: &str,
) -> anyhow::Result<Load> {
    let place = folder.join("wrk.lua");
    std::fs::write(&place, script).with_context(|| format!("cannot write {}", place.display()))?;
    let output = Command::new(crate::own::program()?)
        .args(["inside", "--netns", netns, "--", "wrk", "-t", "2", "-c", "4", "-d"])
        .arg(format!("{}s", turn.as_secs()))
        .arg("-s")
        .arg(&place)
        .arg(url)
        .output()
        .context("cannot start wrk; install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk ended with {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    read(&text).with_context(|| format!("cannot read the output of wrk: {text}"))
}

fn read(text: &str) -> anyhow::Result<Load> {
    let line = text.lines().find_map(|line| line.strip_prefix("BENCH ")).context("no figures")?;
    let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let &[requests, duration_us, bytes, p99_us, errors] = numbers.as_slice() else {
        anyhow::bail!("not five figures");
    };
    ensure!(errors == 0.0, "{errors} of {requests} requests failed");
    ensure!(requests > 0.0 && duration_us > 0.0, "nothing was answered");
    let seconds = duration_us / 1e6;
    Ok(Load { rate: requests / seconds, p99_ms: p99_us / 1e3, bytes_rate: bytes / seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_errors_are_none() {
        let load = read("Running 2s test\nBENCH 300 2000000 4000 1500 0\n").unwrap();
        assert_eq!(load, Load { rate: 150.0, p99_ms: 1.5, bytes_rate: 2000.0 });
        assert!(read("BENCH 300 2000000 4000 1500 2").is_err());
        assert!(read("BENCH 0 2000000 0 0 0").is_err());
        assert!(read("wrk: cannot connect").is_err());
    }
}

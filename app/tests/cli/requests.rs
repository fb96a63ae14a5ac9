//! What is typed by hand against an agent: the `curl` lines of the documentation, and `promtool`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::abilities::Agent;
use crate::program::{Ran, first_line};
use crate::sandbox::Sandbox;
use crate::scene::{each, same};
use crate::{Case, Need};

const CURL: Need = Need::Program("curl", "curl");

pub(crate) const TESTS: &[Case] = &[
    Case("curl_lines_of_the_documentation_work_as_typed", &[CURL, Need::Root], as_typed),
    Case("curl_shows_why_a_request_is_malformed", &[CURL], malformed),
    Case("promtool_accepts_the_metrics", &[CURL, Need::Program("promtool", "prometheus")], metrics),
];

/// The lines of a page that begin with `curl`, without their comments.
fn lines_of(page: &str) -> Result<Vec<String>> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(&place).with_context(|| place.display().to_string())?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| line.starts_with("curl -") || line.starts_with("curl '"));
    Ok(lines.map(|line| line.split(" # ").next().unwrap_or(line).trim_end().to_owned()).collect())
}

fn shell(sandbox: &Sandbox, line: &str) -> Result<Ran> {
    sandbox.finish(Command::new("sh").args(["-c", line]))
}

fn as_typed() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let agent = Agent::start(&sandbox, &["http", "monero"])?;
    let port = |name: &str| agent.ports.get(name).copied().context("a port is missing");
    let (http, monero) = (port("http")?, port("monero")?);
    let lines = [lines_of("README.md")?, lines_of("docs/api.md")?].concat();
    ensure!(lines.len() >= 7, "the documentation has only {lines:?}");
    each(lines, |line| {
        let typed = line
            .replace("127.0.0.1:7979", &format!("127.0.0.1:{http}"))
            .replace("127.0.0.1:18081", &format!("127.0.0.1:{monero}"))
            .replace("http://AGENT/", &format!("http://127.0.0.1:{http}/"))
            .replacen("curl ", "exec curl -sS --fail-with-body ", 1);
        if line.contains(" -N ") {
            let mut command = Command::new("sh");
            command.args(["-c", &typed]).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = sandbox.spawn(&mut command)?;
            let first = first_line(&mut child);
            child.kill()?;
            child.wait()?;
            let first = first?;
            let is_event = ["id:", "event:", "data:", ":", "retry:"]
                .iter()
                .any(|start| first.starts_with(start));
            ensure!(is_event, "{line}: the first line is {first:?}");
            return Ok(());
        }
        let ran = shell(&sandbox, &typed)?;
        ran.code(0).with_context(|| format!("{line}: {:?}", ran.text()))?;
        ran.json().map(drop).with_context(|| line.clone())
    })
}

fn malformed() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let agent = Agent::start(&sandbox, &["http"])?;
    let port = agent.ports.get("http").context("no port")?;
    // curl itself refuses an address with a space, unless it is the target of the request.
    let line = format!(
        "curl -sS --request-target '/api/v1/connections?filter=rtt > 50ms' 'http://127.0.0.1:{port}/'"
    );
    let ran = shell(&sandbox, &line)?;
    let error = ran.code(0)?.json()?["error"].take();
    same("the code", error["code"].as_str(), Some("malformed-request"))?;
    ensure!(error["message"].as_str().is_some_and(|text| text.contains("a space")), "{error}");
    ensure!(
        error["hint"].as_str().is_some_and(|text| text.contains("--data-urlencode")),
        "{error}"
    );
    Ok(())
}

/// Prometheus reads the text format where a scraper does not take OpenMetrics.
fn metrics() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let agent = Agent::start(&sandbox, &["http"])?;
    let port = agent.ports.get("http").context("no port")?;
    let url = format!("http://127.0.0.1:{port}/metrics");
    let ran = shell(
        &sandbox,
        &format!("curl -sS --fail -H 'Accept: text/plain' {url} | promtool check metrics"),
    )?;
    // It exits with 3 if it only advises on names.
    ensure!(matches!(ran.code, Some(0 | 3)), "{:?}: {} {}", ran.code, ran.text()?, ran.err);
    ensure!(!ran.err.contains("error"), "{}", ran.err);
    Ok(())
}

//! What connections of real programs carry, as an agent shows it, with and without a process that serves clients.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns};
use crate::loaded::programs_of;

fn start(home: &Namespace, more: &[&str]) -> Result<Agent> {
    let arguments: Vec<&str> =
        ["--listen", "http=127.0.0.1:0"].into_iter().chain(more.iter().copied()).collect();
    Agent::start(conns()?.path(), Some(home), &arguments)
}

/// Ends the child when dropped.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(home: &Namespace, command: &str) -> Result<KilledOnDrop> {
    let mut words = command.split_whitespace();
    let mut program = Command::new(words.next().context("no program")?);
    program.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(KilledOnDrop(home.spawn(&mut program)?))
}

/// A key and a certificate, in a folder that is removed when dropped.
struct Certificate(PathBuf);

impl Certificate {
    fn create() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("lab-tap-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let this = Self(folder);
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=tap.example"])
            .arg("-keyout")
            .arg(this.0.join("key"))
            .arg("-out")
            .arg(this.0.join("certificate"))
            .output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(this)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the list or the events have of this filter within `home`.
fn found(
    agent: &Agent,
    home: &Namespace,
    what: &str,
    filter: &str,
    fields: &str,
) -> Result<Vec<Value>> {
    let filter = format!("netns_inode=={} and {filter}", home.inode()?).replace(' ', "%20");
    let all = if what == "connections" { "view=all&" } else { "event=closed&" };
    let path = format!("/api/v1/{what}?{all}fields={fields}&filter={filter}");
    let answer = agent.get(Some(home), &path)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status == 200, "{path} answers {}: {text}", answer.status);
    let list: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    Ok(list[what].as_array().context("no list")?.clone())
}

/// TLS of openssl and curl, SSH of its client: open connections in the list, a short one in its closed event.
fn shown_by(more: &[&str]) -> Result<()> {
    let home = Namespace::create("home")?;
    let agent = start(&home, more)?;
    let certificate = Certificate::create()?;
    let folder = certificate.0.display();
    let _server = run(
        &home,
        &format!(
            "openssl s_server -accept 127.0.0.1:4433 -www -quiet -key {folder}/key -cert {folder}/certificate"
        ),
    )?;
    wait_for("openssl to listen", TIMEOUT, || {
        Ok((!found(&agent, &home, "connections", "local_port==4433", "state")?.is_empty())
            .then_some(()))
    })?;
    // It ends by itself, within the second that samples are apart.
    let mut curl = run(
        &home,
        "curl -sk --max-time 20 --resolve short.example:4433:127.0.0.1 https://short.example:4433/",
    )?;
    ensure!(curl.0.wait()?.success(), "curl failed");
    wait_for("the closed events of curl's connection", TIMEOUT, || {
        let filter = "app==tls and tls.sni==short.example and tls.version==1.3";
        let events = found(&agent, &home, "events", filter, "local_port,remote_port,app")?;
        Ok((events.len() == 2).then_some(()))
    })?;
    let _client = run(&home, "openssl s_client -connect 127.0.0.1:4433 -servername long.example")?;
    let filter = "app==tls and tls.sni==long.example and state==established";
    wait_for("both sockets of openssl's connection", TIMEOUT, || {
        let rows = found(&agent, &home, "connections", filter, "local_port,app,app_gap_bytes")?;
        Ok((rows.len() == 2).then_some(()))
    })?;
    let listener = home.inside(|| TcpListener::bind("127.0.0.1:2222"))??;
    let _ssh = run(&home, "ssh -o BatchMode=yes -p 2222 127.0.0.1")?;
    let (mut server, _) = listener.accept()?;
    server.write_all(b"SSH-2.0-lab\r\n")?;
    ensure!(server.read(&mut [0; 100])? > 0, "ssh sent nothing");
    wait_for("ssh and its server", TIMEOUT, || {
        let rows = found(&agent, &home, "connections", "app==ssh", "local_port,app")?;
        Ok((rows.len() == 2).then_some(()))
    })
}

pub(crate) fn real_clients() -> Result<()> {
    shown_by(&[])
}

pub(crate) fn with_serving_process() -> Result<()> {
    shown_by(&["--serving-process", "yes"])
}

/// Names of the programs of the tap.
const PROGRAMS: [&str; 4] = ["payload_in", "payload_out", "payload_read", "payload_written"];

/// With `tap = false` none of its programs is loaded, and the abilities report why.
pub(crate) fn off() -> Result<()> {
    let home = Namespace::create("home")?;
    for (flag, expected) in [("--tap=true", &PROGRAMS[..]), ("--tap=false", &[])] {
        let agent = start(&home, &[flag])?;
        let mut loaded = programs_of(agent.pid())?;
        loaded.retain(|name| name.starts_with("payload_"));
        loaded.sort();
        ensure!(loaded == expected, "with {flag} {loaded:?} are loaded");
        let health = agent.health(Some(&home))?;
        let abilities = health["abilities"].as_array().context("no abilities")?;
        let tap = abilities.iter().find(|one| one["name"] == "ebpf-tap").context("no ebpf-tap")?;
        let missing =
            if expected.is_empty() { "the setting `tap` is false".into() } else { Value::Null };
        ensure!(tap["missing"] == missing, "with {flag}: {tap}");
    }
    Ok(())
}

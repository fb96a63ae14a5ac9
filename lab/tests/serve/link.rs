//! The agent with a link server: transfers through its JetStream dialect, who may start them, and how both end.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::{Folder, HTTP, STOP_TIMEOUT, TIMEOUT, conns, curl, gets, token, wait_stderr};

/// The account of the agents: a number without a name, as no account is made on the machine.
const ACCOUNT: u32 = 61_001;
/// Bytes of the file that is sent: a few blocks and a part of one.
const FILE_BYTES: usize = (5 << 20) + 12_345;
/// The refusal of a method that changes something.
const REFUSED: i64 = -32003;
/// The link server does not answer.
const UNAVAILABLE: i64 = -32004;

/// A machine of its own with an agent, its link server and their folders.
struct Site {
    namespace: Namespace,
    folder: Folder,
}

impl Site {
    fn create() -> Result<Self> {
        let (namespace, folder) = (Namespace::create("serve")?, Folder::create()?);
        for name in ["in", "out", "agent", "other"] {
            fs::create_dir(folder.path(name))?;
        }
        let owned = |name: &str| std::os::unix::fs::chown(folder.path(name), Some(ACCOUNT), None);
        owned("in")?;
        let site = Self { namespace, folder };
        site.program("agent")?;
        site.program("other")?;
        Ok(site)
    }

    /// `conns` with its state and its sockets in a folder of this test.
    fn program(&self, of: &str) -> Result<PathBuf> {
        let path = self.folder.path(&format!("conns-{of}"));
        let (state, run) =
            (self.folder.text(&format!("{of}/lib")), self.folder.text(&format!("{of}/run")));
        let conns = conns()?.display().to_string();
        let script = format!(
            "#!/bin/sh\nSTATE_DIRECTORY={state} RUNTIME_DIRECTORY={run} exec {conns} \"$@\"\n"
        );
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// An agent with a link server.
    fn agent(&self, arguments: &[&str]) -> Result<Agent> {
        let all = self.all(arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Agent::start(&self.folder.path("conns-agent"), Some(&self.namespace), &all)
    }

    /// These arguments, and what they do not set.
    fn all(&self, arguments: &[&str]) -> Vec<String> {
        let own = [
            format!("--user={ACCOUNT}"),
            "--link-listen=127.0.0.1:0".to_owned(),
            format!("--link-folder={}", self.folder.text("in")),
        ];
        let is_set = |flag: &String| {
            let name = flag.split('=').next();
            arguments.iter().any(|argument| argument.split('=').next() == name)
        };
        let given = arguments.iter().map(|one| (*one).to_owned());
        own.into_iter().filter(|flag| !is_set(flag)).chain(given).collect()
    }

    /// The output of an agent that is expected not to start.
    fn failing(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("timeout");
        command.arg("30").arg(self.folder.path("conns-agent")).arg("serve");
        command.args(self.all(arguments));
        self.namespace.inside(|| command.output())?.context("running an agent that is not to start")
    }

    /// A receiver that is no part of an agent, with its `ck1…` and its port.
    fn receiver(&self) -> Result<Receiver> {
        let mut command = Command::new(self.folder.path("conns-other"));
        command.args(["link", "serve", "--listen", "127.0.0.1:0", "--folder"]);
        command.arg(self.folder.path("out")).stdout(Stdio::piped());
        let mut child = self.namespace.spawn(&mut command)?;
        let output = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.strip_prefix("receiving at ").and_then(|rest| rest.split(' ').next());
        let (key, address) = address.and_then(|it| it.split_once('@')).context(line.clone())?;
        let port = address.rsplit_once(':').context("no port")?.1.parse()?;
        Ok(Receiver { child, key: key.to_owned(), port })
    }
}

struct Receiver {
    child: Child,
    key: String,
    port: u16,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls the JetStream dialect of an agent over HTTP, with these arguments for curl: the answer.
fn call(
    site: &Site,
    place: &str,
    arguments: &[&str],
    method: &str,
    params: &Value,
) -> Result<Value> {
    let request =
        json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string();
    let all = [arguments, &["-d", &request, place]].concat();
    let answer = gets(&site.namespace, 200, &all)?;
    serde_json::from_str(&answer).with_context(|| answer.clone())
}

fn result(answer: &Value) -> Result<Value> {
    answer.get("result").cloned().with_context(|| format!("an error: {answer}"))
}

fn ensure_error(answer: &Value, code: i64) -> Result<()> {
    ensure!(answer["error"]["code"] == code, "expected the error {code}, found {answer}");
    Ok(())
}

/// The link server of an agent: a child of the process that supervises it.
fn link_pid(agent: &Agent) -> Result<u32> {
    let is_link = |pid: &u32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains("--until-stdin-ends")
    };
    let mut pids = Vec::new();
    for pid in agent.pids()? {
        pids.extend(children(pid));
    }
    pids.into_iter().find(is_link).context("no link server")
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn wait_for_end(pid: u32) -> Result<()> {
    wait_for("the end of the link server", STOP_TIMEOUT, || {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Ok((status.is_empty() || status.contains(") Z ")).then_some(()))
    })
}

fn kill(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
    Ok(kill_process(pid, signal)?)
}

pub(crate) fn one_process() -> Result<()> {
    sends("no")
}

pub(crate) fn serving_process() -> Result<()> {
    sends("yes")
}

/// A file is sent by calls with a token, and by no others.
fn sends(serving_process: &str) -> Result<()> {
    let site = Site::create()?;
    let receiver = site.receiver()?;
    let (secret, hash) = token()?;
    let contents: Vec<u8> = (0..FILE_BYTES).map(|at| (at * 7 % 251) as u8).collect();
    fs::write(site.folder.path("file"), &contents)?;
    let unix = format!("unix:{}", site.folder.text("agent.sock"));
    let separate = format!("--serving-process={serving_process}");
    let token_hash = format!("--token-hash={hash}");
    let mut agent = site.agent(&[
        &token_hash,
        &separate,
        "--listen",
        &unix,
        "--listen",
        HTTP,
        "--listen",
        "jetstream=:0",
    ])?;
    let bearer = format!("Authorization: Bearer {secret}");
    let http = format!("http://{}/jetstream", agent.address("http")?);
    let with_token = |method: &str, params: Value| {
        result(&call(&site, &http, &["-H", &bearer], method, &params)?).context(method.to_owned())
    };
    let destination = json!({
        "destinationAddress": "127.0.0.1",
        "destinationPort": receiver.port,
        "destinationPublicKey": receiver.key,
    });

    refuses(&site, &agent, &bearer, &destination)?;
    let server = with_token("getServerInfo", json!({}))?;
    let key = server["publicKey"].as_str().context("no key")?;
    ensure!(agent.place("link")?.starts_with(&format!("{key}@127.0.0.1:")), "{server}");

    let destination = with_token("createDestination", destination)?;
    let mappings = json!({"mappings": {"sent": site.folder.text("file")}});
    let manifest = with_token("createManifest", mappings)?["manifestId"].clone();
    wait_for("the manifest", TIMEOUT, || {
        let now = with_token("getManifest", json!({"manifestId": manifest}))?;
        Ok((now["status"] == "complete").then_some(()))
    })?;
    let transfer = with_token(
        "createTransfer",
        json!({"manifestId": manifest, "destinationId": destination["destinationId"]}),
    )?["transferId"]
        .clone();
    wait_for("the transfer", TIMEOUT, || {
        let now = with_token("getTransfer", json!({"transferId": transfer}))?;
        ensure!(now["status"] != "error", "{now}");
        Ok((now["status"] == "complete").then_some(()))
    })?;
    ensure!(fs::read(site.folder.path("out/sent"))? == contents, "the file is another");
    let transfers = call(&site, &http, &["-H", &bearer], "getTransfers", &json!({}))?;
    ensure!(result(&transfers)?.as_array().is_some_and(|all| all.len() == 1), "{transfers}");
    wait_for("one connection", TIMEOUT, || {
        let all = with_token("getConnections", json!({}))?;
        let is_it = all.as_array().is_some_and(|all| all.len() == 1)
            && all[0]["destinationPort"] == receiver.port;
        Ok(is_it.then_some(()))
    })?;

    has_no_privilege(link_pid(&agent)?)?;
    let link = link_pid(&agent)?;
    agent.signal(Signal::KILL)?;
    agent.wait(STOP_TIMEOUT)?;
    wait_for_end(link)
}

/// What changes something is refused without a token, and where none can be sent; the rest is answered.
fn refuses(site: &Site, agent: &Agent, bearer: &str, destination: &Value) -> Result<()> {
    let http = format!("http://{}/jetstream", agent.address("http")?);
    let (status, _) = curl(&site.namespace, &["-d", "{}", &http])?;
    ensure!(status == 401, "without a token: {status}");
    let create = "send.createDestination";
    let port = format!("http://{}/", agent.address("jetstream")?);
    for arguments in [&[][..], &["-H", bearer]] {
        ensure_error(&call(site, &port, arguments, create, destination)?, REFUSED)?;
    }
    let file = site.folder.text("agent.sock");
    let over_file = ["--unix-socket", &file];
    let local = "http://localhost/jetstream";
    ensure_error(&call(site, local, &over_file, create, destination)?, REFUSED)?;
    result(&call(site, local, &over_file, "send.getDestinations", &json!({}))?)?;

    let mut lines = agent.connect(Some(&site.namespace), "jetstream")?;
    let mut answers = BufReader::new(lines.try_clone()?);
    let mut line = |method: &str, params: &Value| -> Result<Value> {
        writeln!(
            lines,
            "{}",
            json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        )?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    ensure_error(&line(create, destination)?, REFUSED)?;
    let none = result(&line("send.getDestinations", &json!({}))?)?;
    ensure!(none == json!([]), "a refused call has created {none}");
    Ok(())
}

/// `/proc` shows the account of the agent, and no capability.
fn has_no_privilege(pid: u32) -> Result<()> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(str::trim).with_context(|| format!("no {key} in {status}"))
    };
    let account = ACCOUNT.to_string();
    for key in ["Uid", "Gid"] {
        ensure!(value(key)?.split_whitespace().all(|id| id == account), "{key}: {}", value(key)?);
    }
    ensure!(value("Groups")?.is_empty(), "groups: {}", value("Groups")?);
    // Emptying the bounding set takes a capability; no-new-privileges stands for it.
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        ensure!(value(key)?.bytes().all(|digit| digit == b'0'), "{key}: {}", value(key)?);
    }
    ensure!(value("NoNewPrivs")? == "1", "{status}");
    Ok(())
}

/// Without a configured token nothing can be changed.
pub(crate) fn without_tokens() -> Result<()> {
    let site = Site::create()?;
    let mut agent = site.agent(&["--listen", HTTP])?;
    let http = format!("http://{}/jetstream", agent.address("http")?);
    let limits = json!({"outgoingRateLimit": 1000});
    for arguments in [&[][..], &["-H", "Authorization: Bearer x"]] {
        ensure_error(&call(&site, &http, arguments, "updateBandwidthLimits", &limits)?, REFUSED)?;
    }
    let server = result(&call(&site, &http, &[], "getServerInfo", &json!({}))?)?;
    ensure!(server["bandwidthLimits"]["outgoingRateLimit"].is_null(), "{server}");
    let link = link_pid(&agent)?;
    agent.signal(Signal::TERM)?;
    let status = agent.wait(STOP_TIMEOUT)?;
    ensure!(status.code() == Some(0), "{status}: {:?}", agent.stderr_lines());
    ensure!(
        !agent.stderr_lines().iter().any(|line| line.contains("ended")),
        "{:?}",
        agent.stderr_lines()
    );
    wait_for_end(link)?;
    // Its folders belong to the account, and the next start uses them.
    drop(site.agent(&["--listen", HTTP])?);
    let other = site.failing(&["--listen", HTTP, "--user=61002"])?;
    let stderr = String::from_utf8_lossy(&other.stderr);
    ensure!(other.status.code() == Some(1) && stderr.contains("belongs to user 61001"), "{stderr}");
    Ok(())
}

/// What keeps the link server from starting keeps the agent from starting.
pub(crate) fn refused() -> Result<()> {
    let site = Site::create()?;
    let taken = site.namespace.inside(|| std::net::UdpSocket::bind("127.0.0.1:8886"))??;
    let key = site.folder.text("key");
    fs::write(&key, "no key")?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    std::os::unix::fs::chown(&key, Some(ACCOUNT), None)?;
    let missing = site.folder.text("missing");
    for (argument, words) in [
        ("--link-listen=127.0.0.1:8886".to_owned(), "cannot receive at UDP 127.0.0.1:8886"),
        (format!("--link-key={key}"), "is not a key file"),
        (format!("--link-folder={missing}"), "cannot open the folder"),
    ] {
        let output = site.failing(&["--listen", HTTP, &argument])?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{argument}: {}: {stderr}", output.status);
        let all = [words, "the link server of `[link]` did not start: it ended: exit status: 1"];
        ensure!(all.iter().all(|words| stderr.contains(words)), "{argument}: {stderr}");
    }
    drop(taken);
    Ok(())
}

/// If the link server ends, the agent reports it and goes on, and the server is started again.
pub(crate) fn ends() -> Result<()> {
    let site = Site::create()?;
    let agent = site.agent(&["--listen", HTTP])?;
    let first = link_pid(&agent)?;
    kill(first, Signal::KILL)?;
    let line = wait_stderr(&agent, "the link server of `[link]` ended: signal: 9")?;
    ensure!(line.contains("started again in 1 s"), "{line}");
    wait_stderr(&agent, "the link server of `[link]` runs again")?;
    let http = format!("http://{}/jetstream", agent.address("http")?);
    result(&call(&site, &http, &[], "getDestinations", &json!({}))?)?;
    let health = agent.health(Some(&site.namespace))?;
    let losses = health["losses"]["agent"].as_array().context("no losses")?;
    ensure!(losses.iter().any(|loss| loss["kind"] == "service-ended"), "{health}");
    let (second, agent_pid) = (link_pid(&agent)?, agent.pids()?);
    ensure!(second != first, "the same link server");

    // The supervisor of the link server cannot be replaced.
    let is_supervisor = |pid: &u32| children(*pid).contains(&second);
    let supervisor = agent_pid.into_iter().find(is_supervisor).context("no supervisor")?;
    kill(supervisor, Signal::KILL)?;
    let line = wait_stderr(&agent, "supervises the link server of `[link]` ended: signal: 9")?;
    ensure!(line.contains("start the agent again"), "{line}");
    let answer = call(&site, &http, &[], "getDestinations", &json!({}))?;
    ensure_error(&answer, UNAVAILABLE)?;
    ensure!(
        answer["error"]["data"].as_str().is_some_and(|why| why.contains("it has ended")),
        "{answer}"
    );
    let server = result(&call(&site, &http, &[], "getServerInfo", &json!({}))?)?;
    ensure!(server["publicKey"].is_null(), "{server}");
    std::thread::sleep(Duration::from_millis(100));
    ensure!(
        agent.health(Some(&site.namespace))?["snapshot"].is_object(),
        "the agent does not sample"
    );
    Ok(())
}

//! What the agent gives up, as the kernel reports it, and what it still can do then.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fixture::{HTTP, TIMEOUT, agent, conns, peer, rows};

/// Bits of capabilities(7) that the agent may keep.
const KEPT: [(&str, u32); 3] =
    [("CAP_DAC_READ_SEARCH", 2), ("CAP_SYS_PTRACE", 19), ("CAP_SYS_ADMIN", 21)];

fn field<'a>(status: &'a str, key: &str) -> Result<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.map(str::trim).with_context(|| format!("no {key} in {status}"))
}

fn hexadecimal(status: &str, key: &str) -> Result<u64> {
    Ok(u64::from_str_radix(field(status, key)?, 16)?)
}

fn dropped_with(more: &[&str], kept: &[&str]) -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &[&["--listen", HTTP], more].concat())?;
    let reported = agent.health(Some(&namespace))?["privileges"].clone();
    let place = format!("/proc/{}/status", agent.pid());
    let status = fs::read_to_string(place)?;

    let uids: BTreeSet<&str> = field(&status, "Uid")?.split_whitespace().collect();
    let uid = reported["uid"].to_string();
    ensure!(uid != "0", "it stays root: {reported}");
    ensure!(uids == BTreeSet::from([uid.as_str()]), "it expected {uid}, the kernel {uids:?}");
    let gid = reported["gid"].to_string();
    ensure!(field(&status, "Gid")?.split_whitespace().all(|one| one == gid), "gid {gid}: {status}");
    let names: BTreeSet<&str> = reported["capabilities"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    ensure!(names == kept.iter().copied().collect(), "it keeps {names:?}, not {kept:?}");
    let bits = KEPT.iter().filter(|(name, _)| names.contains(name));
    let bits = bits.fold(0, |bits, (_, bit)| bits | 1_u64 << bit);
    for key in ["CapEff", "CapPrm"] {
        let found = hexadecimal(&status, key)?;
        ensure!(found == bits, "{key} is {found:#x}, it expected {names:?}");
    }
    for key in ["CapInh", "CapBnd", "CapAmb"] {
        ensure!(hexadecimal(&status, key)? == 0, "{key} is not empty: {status}");
    }
    ensure!(field(&status, "NoNewPrivs")? == "1" && reported["no_new_privs"] == true, "{reported}");
    let mode = reported["seccomp"]["mode"].to_string();
    ensure!(field(&status, "Seccomp")? == mode && mode == "2", "seccomp: {reported}");
    serving_threads_have_nothing(agent.pid(), &reported)
}

/// Threads that read what clients send have no capabilities.
fn serving_threads_have_nothing(pid: u32, reported: &Value) -> Result<()> {
    let serving = serving_threads(pid)?;
    let confined = &reported["landlock"]["serving"]["confined"];
    ensure!(serving >= 2 && *confined == serving, "{serving} threads serve, confined: {confined}");
    Ok(())
}

/// How many threads serve; fails if one has capabilities.
fn serving_threads(pid: u32) -> Result<u32> {
    let mut serving = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        if field(&status, "Name")?.starts_with("conns-serve") {
            serving += 1;
            ensure!(hexadecimal(&status, "CapEff")? == 0, "a serving thread can do more: {status}");
        }
    }
    Ok(serving)
}

/// With too few descriptors to share the rules of Landlock it does not start; where they suffice, all threads that serve
/// are confined.
pub(crate) fn few_descriptors() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let (mut started, mut refused) = (0, 0);
    for descriptors in (20..180).step_by(10) {
        let script =
            format!("ulimit -n {descriptors}; exec \"$0\" serve --listen http=127.0.0.1:7979");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(conns()?).stderr(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let mut stderr = String::new();
        let mut lines = BufReader::new(child.stderr.take().context("no standard error")?);
        while !stderr.ends_with("conns: ready\n") && lines.read_line(&mut stderr)? > 0 {}
        let is_ready = stderr.ends_with("conns: ready\n");
        let threads = serving_threads(child.id());
        kill_process(Pid::from_child(&child), Signal::TERM)?;
        let status = child.wait()?;
        if is_ready {
            ensure!(threads? >= 2 && !stderr.contains("serving thread"), "{descriptors}: {stderr}");
        } else {
            ensure!(status.code() == Some(1), "{descriptors}: {status}: {stderr}");
        }
        (started, refused) = (started + u32::from(is_ready), refused + u32::from(!is_ready));
    }
    ensure!(started > 0 && refused > 0, "{started} started, {refused} did not");
    Ok(())
}

/// `/proc` confirms what the agent reports of its privileges.
pub(crate) fn dropped() -> Result<()> {
    dropped_with(&[], &["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"])?;
    dropped_with(
        &["--follow-namespaces"],
        &["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"],
    )
}

/// The peers run as root, the agent does not any more.
pub(crate) fn owners() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP])?;
    let listener = peer(&namespace, "listen --at 127.0.0.1:9001 --do ignore")?;
    let client = peer(&namespace, "connect --to 127.0.0.1:9001 --do ignore")?;
    for (filter, pid) in [
        ("remote_port == 9001", client.pid()),
        ("local_port == 9001 and state == established", listener.pid()),
    ] {
        wait_for(&format!("the owner of {filter}"), TIMEOUT, || {
            let rows = rows(&agent, &namespace, &namespace, filter)?;
            Ok((rows.len() == 1 && rows[0]["pid"] == pid).then_some(()))
        })
        .with_context(|| {
            format!("pid {pid} in {:?}", rows(&agent, &namespace, &namespace, filter))
        })?;
    }
    Ok(())
}

/// It cannot be entered any more, which is reported as a loss.
pub(crate) fn later_namespace() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP, "--source", "kernel"])?;
    let later = Namespace::create("later")?;
    let _listener = peer(&later, "listen --at 127.0.0.1:9003 --do ignore")?;
    let (name, inode) = (later.name().to_owned(), later.inode()?.to_string());
    let loss = wait_for("the loss to be reported", TIMEOUT, || {
        let health = agent.health(Some(&namespace))?;
        let losses = health["losses"]["snapshot"].as_array().cloned().unwrap_or_default();
        let of_it = losses.into_iter().find(|loss| {
            let message = loss["message"].as_str().unwrap_or_default();
            message.contains(&name)
                || message.contains(&inode)
                || message.contains("namespace") && loss["source"] != "procfs"
        });
        Ok(of_it.map(|loss| (loss, health)))
    })
    .with_context(|| format!("{:?}", agent.health(Some(&namespace))))?;
    let (loss, health) = loss;
    ensure!(health["status"] == "degraded", "with {loss} it is {}", health["status"]);
    let abilities = health["abilities"].as_array().cloned().unwrap_or_default();
    let all = abilities.iter().find(|ability| ability["name"] == "all-namespaces");
    ensure!(
        all.is_some_and(|all| !all["missing"].is_null()),
        "it expected that it sees all namespaces: {all:?}"
    );
    let rows = rows(&agent, &namespace, &later, "local_port == 9003")?;
    ensure!(rows.is_empty(), "it sees what it expected it cannot: {rows:?}");
    Ok(())
}

/// With the capability kept for it they are seen.
pub(crate) fn followed_namespace() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP, "--follow-namespaces"])?;
    let later = Namespace::create("later")?;
    let _listener = peer(&later, "listen --at 127.0.0.1:9004 --do ignore")?;
    let inode = later.inode()?;
    wait_for("the listener of a namespace made later", TIMEOUT, || {
        let rows = rows(&agent, &namespace, &later, "local_port == 9004")?;
        Ok((rows.len() == 1 && rows[0]["netns_inode"] == inode).then_some(()))
    })
    .with_context(|| format!("{:?}", agent.health(Some(&namespace))))
}

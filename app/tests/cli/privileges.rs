//! What a user without privileges is shown, and told.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::owner::{Folder, Owner};
use crate::program::{CONNS, Ran, is_about_privileges, plain_surroundings};
use crate::scene::{Scene, all_ends, same};
use crate::stage::{Stage, is_root};
use crate::{Case, Need};

/// `nobody` on Linux; any user without rights would do.
const NOBODY: u32 = 65534;

pub(crate) const TESTS: &[Case] = &[
    Case("nobody_sees_everybodys_sockets_and_health", &[Need::Root], everybodys),
    Case("nobody_sees_owners_of_own_processes", &[Need::Root], own_owners),
    Case("what_root_would_add_is_said_in_one_line", &[Need::Root], one_line),
    Case("what_root_would_add_is_a_loss_in_json", &[Need::Root], in_json),
    Case("nobody_is_told_which_namespaces_cannot_be_entered", &[Need::Root], foreign_namespace),
    Case("this_user_sees_owners_of_own_processes", &[Need::OtherThanRoot], this_user),
];

/// Runs a copy of `conns` as nobody; the original may lie where nobody may not look.
fn as_nobody(stage: &Stage, words: &[&str]) -> Result<Ran> {
    let folder = Folder::new()?;
    let mut command = Command::new(folder.program(Path::new(CONNS))?);
    plain_surroundings(&mut command);
    command.args(words).uid(NOBODY).gid(NOBODY);
    stage.finish(&mut command)
}

/// The stage's namespace is the one the program is in, and the only one asked for.
const OWN: [&str; 2] = ["--netns", "/proc/self/ns/net"];

fn everybodys() -> Result<()> {
    let scene = Scene::new()?;
    let ran = as_nobody(&scene.stage, &[&OWN[..], &["-a", "-o", "jsonl"]].concat())?;
    ran.code(0)?;
    let records = ran.lines_of_json()?;
    same("the sockets", all_ends(&records)?, scene.sockets()?)?;
    let client = scene.record(&records, scene.client.local_addr()?)?;
    for key in ["rtt_us", "bytes_out", "snd_cwnd", "idle_us", "send_queue_bytes"] {
        ensure!(client[key].is_u64(), "`{key}` is {} for nobody", client[key]);
    }
    ensure!(
        client["verdict"].is_string() && client["verdict"] != "unknown",
        "the verdict is {}",
        client["verdict"]
    );
    for record in &records {
        // They are held by this test, which is root's: unknown, not absent.
        same("the pid", record.get("pid"), Some(&serde_json::Value::Null))?;
        same("the owners", record.get("owners"), Some(&serde_json::Value::Null))?;
    }
    Ok(())
}

fn own_owners() -> Result<()> {
    let stage = Stage::new()?;
    let listener = stage.listen("127.0.0.1:0")?;
    let (client, _server): (TcpStream, _) = stage.connect(listener.local_addr()?, &listener)?;
    let port = client.local_addr()?.port();
    let owner = Owner::start(b"nobodys", &[], client, Some(NOBODY))?;
    let ran = as_nobody(&stage, &[&OWN[..], &["-o", "jsonl"]].concat())?;
    let records = ran.code(0)?.lines_of_json()?;
    let mine = records.iter().find(|record| record["local_port"] == port).context("no record")?;
    same("the pid", &mine["pid"], &owner.pid().into())?;
    same("the process", &mine["process"], &"nobodys".into())?;
    same("the user id", &mine["process_uid"], &NOBODY.into())?;
    let other = records.iter().find(|record| record["local_port"] != port).context("no record")?;
    same("the pid of root's", &other["pid"], &serde_json::Value::Null)
}

fn one_line() -> Result<()> {
    let scene = Scene::new()?;
    for words in [
        &["-a"][..],
        &["-a", "-o", "wide"],
        &["-a", "-o", "jsonl"],
        &["-a", "-o", "csv"],
        &["-a", "--group-by", "process"],
        &["-l"],
        &["why", "--for", "0.1"],
        &["call", "Network.GetConnections"],
    ] {
        let ran = as_nobody(&scene.stage, &[words, &OWN].concat())?;
        ran.code(0)?;
        let lines: Vec<&str> = ran.err.lines().collect();
        let [line] = &*lines else { anyhow::bail!("{words:?}: {} lines: {lines:?}", lines.len()) };
        ensure!(is_about_privileges(line) && line.contains("root"), "{words:?}: {line:?}");
        for capability in ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"] {
            ensure!(line.contains(capability), "{words:?}: no {capability} in {line:?}");
        }
    }
    Ok(())
}

fn in_json() -> Result<()> {
    let scene = Scene::new()?;
    let ran = as_nobody(&scene.stage, &[&OWN[..], &["-a", "-o", "json"]].concat())?;
    let json = ran.code(0)?.json()?;
    let losses = json["losses"].as_array().context("no list of losses")?;
    ensure!(losses.iter().any(|loss| loss["kind"] == "not-permitted"), "the losses are {losses:?}");
    ensure!(
        losses.iter().all(|loss| loss["count"].as_u64() > Some(0)),
        "a loss of nothing in {losses:?}"
    );
    // Also where people look; one line as in every format.
    same("lines", ran.err.lines().filter(|line| is_about_privileges(line)).count(), 1)
}

/// A namespace that has a name can be found by everybody, and entered by root only.
fn foreign_namespace() -> Result<()> {
    let (here, there) = (Scene::new()?, Stage::new()?);
    let ran = as_nobody(&here.stage, &["-a", "-o", "jsonl"])?;
    // That privileges are missing is no failure.
    ran.code(0)?;
    let own: Vec<_> = ran
        .lines_of_json()?
        .into_iter()
        .filter(|r| r["netns_inode"] == here.stage.inode().unwrap_or(0))
        .collect();
    same("the sockets here", all_ends(&own)?, here.sockets()?)?;
    let lines: Vec<&str> = ran.err.lines().collect();
    same("lines", lines.len(), 1)?;
    ensure!(lines[0].contains(there.name()?), "{} is not named in {lines:?}", there.name()?);
    // Asked for by name, it is the whole question.
    let ran = as_nobody(&here.stage, &["-a", "--netns", there.name()?])?;
    ensure!(ran.err.contains(there.name()?), "{} is not named in {:?}", there.name()?, ran.err);
    ensure!(
        ran.code != Some(0),
        "a namespace that could not be entered is an answer with exit code 0"
    );
    Ok(())
}

/// The same of the user who runs the tests.
fn this_user() -> Result<()> {
    ensure!(!is_root(), "this is root");
    let scene = Scene::new()?;
    let ran = scene.stage.run(&["-a", "-o", "jsonl"], "")?;
    ran.good()?;
    let records = ran.lines_of_json()?;
    same("the sockets", all_ends(&records)?, scene.sockets()?)?;
    ensure!(
        records.iter().all(|record| record["pid"] == std::process::id()),
        "an owner is missing"
    );
    // Process 1 is root's; where it can be read nevertheless, nothing is missing.
    let is_hidden = std::fs::read_dir("/proc/1/fd").is_err();
    same("lines on standard error", ran.err.lines().count(), usize::from(is_hidden))
}

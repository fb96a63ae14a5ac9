//! Output and messages for an unprivileged user.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::owner::{Folder, Owner};
use crate::program::{CONNS, Ran, is_about_privileges, plain_surroundings};
use crate::sandbox::{Sandbox, is_root};
use crate::scene::{Scene, all_ends, same};
use crate::{Case, Need};

/// `nobody` on Linux; any user without rights would do.
const UNPRIVILEGED: u32 = 65534;

pub(crate) const TESTS: &[Case] = &[
    Case("unprivileged_users_see_sockets_and_health_of_all_users", &[Need::Root], of_all_users),
    Case("unprivileged_users_see_owners_of_their_own_processes", &[Need::Root], own_owners),
    Case("missing_privileges_are_reported_in_one_line", &[Need::Root], one_line),
    Case("missing_privileges_are_a_loss_in_json", &[Need::Root], in_json),
    Case("namespaces_that_cannot_be_entered_are_reported", &[Need::Root], foreign_namespace),
    Case("many_namespaces_that_cannot_be_entered_are_one_short_line", &[Need::Root], many),
    Case("unprivileged_users_read_what_each_ability_needs", &[Need::Root], abilities),
    Case("this_user_sees_owners_of_own_processes", &[Need::Unprivileged], this_user),
];

/// Runs a copy of `conns` as an unprivileged user, who may not be able to read the original.
fn unprivileged(sandbox: &Sandbox, words: &[&str]) -> Result<Ran> {
    let folder = Folder::new()?;
    let mut command = Command::new(folder.program(Path::new(CONNS))?);
    plain_surroundings(&mut command);
    command.args(words).uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    sandbox.finish(&mut command)
}

/// The sandbox's namespace is the one the program is in, and the only one asked for.
const OWN: [&str; 2] = ["--netns", "/proc/self/ns/net"];

fn of_all_users() -> Result<()> {
    let scene = Scene::new()?;
    let ran = unprivileged(&scene.sandbox, &[&OWN[..], &["-a", "-o", "jsonl"]].concat())?;
    ran.code(0)?;
    let records = ran.lines_of_json()?;
    same("the sockets", all_ends(&records)?, scene.sockets()?)?;
    let client = scene.record(&records, scene.client.local_addr()?)?;
    for key in ["rtt_us", "bytes_out", "snd_cwnd", "idle_us", "send_queue_bytes"] {
        ensure!(client[key].is_u64(), "`{key}` is {} for an unprivileged user", client[key]);
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
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let (client, _server): (TcpStream, _) = sandbox.connect(listener.local_addr()?, &listener)?;
    let port = client.local_addr()?.port();
    let owner = Owner::start(b"nobodys", &[], client, Some(UNPRIVILEGED))?;
    let ran = unprivileged(&sandbox, &[&OWN[..], &["-o", "jsonl"]].concat())?;
    let records = ran.code(0)?.lines_of_json()?;
    let mine = records.iter().find(|record| record["local_port"] == port).context("no record")?;
    same("the pid", &mine["pid"], &owner.pid().into())?;
    same("the process", &mine["process"], &"nobodys".into())?;
    same("the user id", &mine["process_uid"], &UNPRIVILEGED.into())?;
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
        let ran = unprivileged(&scene.sandbox, &[words, &OWN].concat())?;
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
    let ran = unprivileged(&scene.sandbox, &[&OWN[..], &["-a", "-o", "json"]].concat())?;
    let json = ran.code(0)?.json()?;
    let losses = json["losses"].as_array().context("no list of losses")?;
    ensure!(losses.iter().any(|loss| loss["kind"] == "not-permitted"), "the losses are {losses:?}");
    ensure!(
        losses.iter().all(|loss| loss["count"].as_u64() > Some(0)),
        "a loss of nothing in {losses:?}"
    );
    // Also on standard error, in one line as in every format.
    same("lines", ran.err.lines().filter(|line| is_about_privileges(line)).count(), 1)
}

/// All users can find a namespace with a name, but only root can enter it.
fn foreign_namespace() -> Result<()> {
    let (here, there) = (Scene::new()?, Sandbox::new()?);
    let ran = unprivileged(&here.sandbox, &["-a", "-o", "jsonl"])?;
    // That privileges are missing is no failure.
    ran.code(0)?;
    let own: Vec<_> = ran
        .lines_of_json()?
        .into_iter()
        .filter(|r| r["netns_inode"] == here.sandbox.inode().unwrap_or(0))
        .collect();
    same("the sockets here", all_ends(&own)?, here.sockets()?)?;
    let lines: Vec<&str> = ran.err.lines().collect();
    same("lines", lines.len(), 1)?;
    ensure!(lines[0].contains("cannot enter"), "no namespace in {lines:?}");
    // The line names a few of them, and JSON all.
    let ran = unprivileged(&here.sandbox, &["-a", "-o", "json"])?;
    let losses = ran.code(0)?.json()?["losses"].take();
    let is_named = losses.to_string().contains(&format!("network namespace {} ", there.name()?));
    ensure!(is_named, "{} is not named in {losses}", there.name()?);
    // Asked for by name, it is the whole question.
    let ran = unprivileged(&here.sandbox, &["-a", "--netns", there.name()?])?;
    ensure!(ran.err.contains(there.name()?), "{} is not named in {:?}", there.name()?, ran.err);
    ensure!(
        ran.code != Some(0),
        "a namespace that could not be entered is an answer with exit code 0"
    );
    Ok(())
}

fn many() -> Result<()> {
    let here = Sandbox::new()?;
    let there: Vec<Sandbox> = (0..30).map(|_| Sandbox::new()).collect::<Result<_>>()?;
    let ran = unprivileged(&here, &["-a"])?;
    ran.code(0)?;
    let lines: Vec<&str> = ran.err.lines().collect();
    same("lines", lines.len(), 1)?;
    ensure!(
        lines[0].contains(" network namespaces (") && lines[0].contains(" more: -o json has all"),
        "{lines:?}"
    );
    ensure!(lines[0].contains("): not permitted; run as root"), "{lines:?}");
    let named = there.iter().filter(|one| one.name().is_ok_and(|name| lines[0].contains(name)));
    ensure!(named.count() <= 3, "{lines:?}");
    ensure!(lines[0].len() < 600, "{} characters: {lines:?}", lines[0].len());
    Ok(())
}

/// What is missing is not permitted, and the message has who may.
fn abilities() -> Result<()> {
    let (here, _there) = (Sandbox::new()?, Sandbox::new()?);
    let ran = unprivileged(&here, &["abilities", "-o", "json"])?;
    let json = ran.code(0)?.json()?;
    let abilities = json["abilities"].as_array().context("no list of abilities")?;
    let missing: Vec<(&str, &str)> = abilities
        .iter()
        .filter_map(|one| Some((one["name"].as_str()?, one["missing"].as_str()?)))
        .collect();
    for name in ["all-namespaces", "owners-of-others"] {
        ensure!(
            missing.iter().any(|(missing, _)| *missing == name),
            "{name} is not in {missing:?}"
        );
    }
    for (name, why) in missing {
        let is_plain =
            why.contains("not permitted") || why.contains("cannot be inspected by this user");
        // A kernel without BTF or with another reason has no programs for root either.
        let is_of_privileges = !name.starts_with("ebpf-") || why.contains("CAP_BPF");
        ensure!(!why.contains("os error"), "{name}: {why}");
        ensure!(!is_of_privileges || is_plain && why.contains("root"), "{name}: {why}");
    }
    Ok(())
}

/// The same of the user who runs the tests.
fn this_user() -> Result<()> {
    ensure!(!is_root(), "this is root");
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a", "-o", "jsonl"], "")?;
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

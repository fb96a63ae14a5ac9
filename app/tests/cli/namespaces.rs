//! `--netns`: every way to name a network namespace, and names that lead nowhere.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::program::{conns, finish, run};
use crate::scene::{all_ends, each, ends, same};
use crate::stage::Stage;
use crate::{Case, Need};

pub(crate) const TESTS: &[Case] = &[
    Case("netns_by_name_inode_pid_and_path", &[Need::Root], every_way),
    Case("netns_of_another_is_a_column", &[Need::Root], column),
    Case("netns_is_repeatable_and_each_is_listed_once", &[Need::Root], repeated),
    Case("netns_own_by_inode_and_path", &[], own),
    Case("netns_unknown_is_refused_with_what_is_known", &[], unknown),
    Case("netns_of_a_file_that_is_none_is_refused", &[Need::Root], no_namespace),
    Case("no_netns_lists_all_namespaces", &[Need::Root], all),
];

/// A stage with one listener, and its end.
fn listening() -> Result<(Stage, TcpListener)> {
    let stage = Stage::new()?;
    let listener = stage.listen("127.0.0.1:0")?;
    Ok((stage, listener))
}

/// Runs `conns` outside of the stage's namespace.
fn listed(words: &[&str]) -> Result<BTreeSet<crate::scene::Ends>> {
    let ran = run(&[words, &["-l", "-o", "jsonl"]].concat())?;
    all_ends(&ran.good()?.lines_of_json()?)
}

fn every_way() -> Result<()> {
    let (stage, listener) = listening()?;
    let wanted = BTreeSet::from([ends("tcp", "LISTEN", listener.local_addr()?, None)]);
    // A process in there, for its pid; `cat` ends with its input.
    let mut inhabitant = stage.spawn(Command::new("cat").stdin(Stdio::piped()))?;
    let inode = stage.inode()?;
    let ways = [
        stage.name()?.to_owned(),
        inode.to_string(),
        format!("net:[{inode}]"),
        inhabitant.id().to_string(),
        format!("/run/netns/{}", stage.name()?),
        format!("/proc/{}/ns/net", inhabitant.id()),
    ];
    let seen: Result<Vec<_>> =
        ways.iter().map(|way| Ok((way, listed(&["--netns", way])?))).collect();
    drop(inhabitant.stdin.take());
    inhabitant.wait()?;
    for (way, seen) in seen? {
        same(&format!("--netns {way}"), seen, wanted.clone())?;
    }
    Ok(())
}

fn column() -> Result<()> {
    let (stage, _listener) = listening()?;
    let outside = run(&["-l", "--netns", stage.name()?])?;
    let text = outside.good()?.text()?;
    let mut lines = text.lines();
    ensure!(lines.next().is_some_and(|line| line.contains(" NETNS ")), "no NETNS in {text:?}");
    ensure!(
        lines.next().is_some_and(|line| line.contains(stage.name().unwrap_or("?"))),
        "no name in {text:?}"
    );
    let json = run(&["-l", "-o", "jsonl", "--netns", stage.name()?])?.good()?.lines_of_json()?;
    same("the name in JSON", &json[0]["netns"], &stage.name()?.into())?;
    let inside = stage.run(&["-l"], "")?;
    ensure!(
        !inside.good()?.text()?.contains("NETNS"),
        "NETNS is shown where there is only one's own"
    );
    Ok(())
}

fn repeated() -> Result<()> {
    let (one, first) = listening()?;
    let (two, second) = listening()?;
    let (_third, _third_listener) = listening()?;
    let wanted = [&first, &second].map(|l| Ok(ends("tcp", "LISTEN", l.local_addr()?, None)));
    let wanted: BTreeSet<_> = wanted.into_iter().collect::<Result<_>>()?;
    let inode = one.inode()?.to_string();
    // The first one is named twice, by name and by inode.
    let seen = listed(&["--netns", one.name()?, "--netns", two.name()?, "--netns", &inode])?;
    same("the sockets of both", seen, wanted)
}

fn own() -> Result<()> {
    let (stage, listener) = listening()?;
    let port = listener.local_addr()?.port();
    let inode = stage.inode()?.to_string();
    for way in [&*inode, "/proc/self/ns/net"] {
        let mut command = conns(["-l", "-o", "jsonl", "--netns", way]);
        command.arg(format!("tcp and local_port == {port} and pid == {}", std::process::id()));
        let ran = stage.finish(&mut command)?;
        let seen = all_ends(&ran.good()?.lines_of_json()?)?;
        same(way, seen, BTreeSet::from([ends("tcp", "LISTEN", listener.local_addr()?, None)]))?;
    }
    Ok(())
}

fn unknown() -> Result<()> {
    let stage = Stage::new()?;
    let own = std::fs::read_link("/proc/self/ns/net")?;
    let own = own.to_str().context("a link that is no text")?;
    for wanted in ["no-such-namespace", "/no/such/file", "4294967294", "net:[1]", ""] {
        let ran = run(&["-a", "--netns", wanted])?;
        ran.refused(&[&format!("`{wanted}`"), own])?;
        // Also beside one that is there.
        let inode = stage.inode()?.to_string();
        run(&["-a", "--netns", &inode, "--netns", wanted])?.refused(&[&format!("`{wanted}`")])?;
    }
    Ok(())
}

fn no_namespace() -> Result<()> {
    each(["/etc/passwd", "/dev/null", "/proc/self/ns/mnt"], |wanted| {
        run(&["-a", "--netns", wanted])?.refused(&[wanted])
    })
}

fn all() -> Result<()> {
    let (one, first) = listening()?;
    let (two, second) = listening()?;
    let filter = format!("netns == \"{}\" or netns == \"{}\"", one.name()?, two.name()?);
    let ran = finish(&mut conns(["-l", "-o", "jsonl", &*filter]))?;
    let ports: BTreeSet<_> =
        ran.lines_of_json()?.iter().map(|r| r["local_port"].to_string()).collect();
    let wanted = [&first, &second].map(|l| Ok(l.local_addr()?.port().to_string()));
    same("the ports", ports, wanted.into_iter().collect::<Result<_>>()?)
}

//! `--netns`: every way to name a network namespace, and names that lead nowhere.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::program::{conns, finish, run};
use crate::sandbox::Sandbox;
use crate::scene::{all_ends, each, ends, same};
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

/// A sandbox with one listener, and its end.
fn listening() -> Result<(Sandbox, TcpListener)> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    Ok((sandbox, listener))
}

/// Runs `conns` outside of the sandbox's namespace.
fn listed(words: &[&str]) -> Result<BTreeSet<crate::scene::Ends>> {
    let ran = run(&[words, &["-l", "-o", "jsonl"]].concat())?;
    all_ends(&ran.good()?.lines_of_json()?)
}

fn every_way() -> Result<()> {
    let (sandbox, listener) = listening()?;
    let expected = BTreeSet::from([ends("tcp", "LISTEN", listener.local_addr()?, None)]);
    // A process in there, for its pid; `cat` ends with its input.
    let mut inhabitant = sandbox.spawn(Command::new("cat").stdin(Stdio::piped()))?;
    let inode = sandbox.inode()?;
    let ways = [
        sandbox.name()?.to_owned(),
        inode.to_string(),
        format!("net:[{inode}]"),
        inhabitant.id().to_string(),
        format!("/run/netns/{}", sandbox.name()?),
        format!("/proc/{}/ns/net", inhabitant.id()),
    ];
    let seen: Result<Vec<_>> =
        ways.iter().map(|way| Ok((way, listed(&["--netns", way])?))).collect();
    drop(inhabitant.stdin.take());
    inhabitant.wait()?;
    for (way, seen) in seen? {
        same(&format!("--netns {way}"), seen, expected.clone())?;
    }
    Ok(())
}

fn column() -> Result<()> {
    let (sandbox, _listener) = listening()?;
    let outside = run(&["-l", "--netns", sandbox.name()?])?;
    let text = outside.good()?.text()?;
    let mut lines = text.lines();
    ensure!(lines.next().is_some_and(|line| line.contains(" NETNS ")), "no NETNS in {text:?}");
    ensure!(
        lines.next().is_some_and(|line| line.contains(sandbox.name().unwrap_or("?"))),
        "no name in {text:?}"
    );
    let json = run(&["-l", "-o", "jsonl", "--netns", sandbox.name()?])?.good()?.lines_of_json()?;
    same("the name in JSON", &json[0]["netns"], &sandbox.name()?.into())?;
    let inside = sandbox.run(&["-l"], "")?;
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
    let expected = [&first, &second].map(|l| Ok(ends("tcp", "LISTEN", l.local_addr()?, None)));
    let expected: BTreeSet<_> = expected.into_iter().collect::<Result<_>>()?;
    let inode = one.inode()?.to_string();
    // The first one is named twice, by name and by inode.
    let seen = listed(&["--netns", one.name()?, "--netns", two.name()?, "--netns", &inode])?;
    same("the sockets of both", seen, expected)
}

fn own() -> Result<()> {
    let (sandbox, listener) = listening()?;
    let port = listener.local_addr()?.port();
    let inode = sandbox.inode()?.to_string();
    for way in [&*inode, "/proc/self/ns/net"] {
        let mut command = conns(["-l", "-o", "jsonl", "--netns", way]);
        command.arg(format!("tcp and local_port == {port} and pid == {}", std::process::id()));
        let ran = sandbox.finish(&mut command)?;
        let seen = all_ends(&ran.good()?.lines_of_json()?)?;
        same(way, seen, BTreeSet::from([ends("tcp", "LISTEN", listener.local_addr()?, None)]))?;
    }
    Ok(())
}

fn unknown() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let own = std::fs::read_link("/proc/self/ns/net")?;
    let own = own.to_str().context("a link that is no text")?;
    for expected in ["no-such-namespace", "/no/such/file", "4294967294", "net:[1]", ""] {
        let ran = run(&["-a", "--netns", expected])?;
        ran.refused(&[&format!("`{expected}`"), own])?;
        // Also beside one that is there.
        let inode = sandbox.inode()?.to_string();
        run(&["-a", "--netns", &inode, "--netns", expected])?
            .refused(&[&format!("`{expected}`")])?;
    }
    Ok(())
}

fn no_namespace() -> Result<()> {
    each(["/etc/passwd", "/dev/null", "/proc/self/ns/mnt"], |expected| {
        run(&["-a", "--netns", expected])?.refused(&[expected])
    })
}

fn all() -> Result<()> {
    let (one, first) = listening()?;
    let (two, second) = listening()?;
    let filter = format!("netns == \"{}\" or netns == \"{}\"", one.name()?, two.name()?);
    let ran = finish(&mut conns(["-l", "-o", "jsonl", &*filter]))?;
    let ports: BTreeSet<_> =
        ran.lines_of_json()?.iter().map(|r| r["local_port"].to_string()).collect();
    let expected = [&first, &second].map(|l| Ok(l.local_addr()?.port().to_string()));
    same("the ports", ports, expected.into_iter().collect::<Result<_>>()?)
}

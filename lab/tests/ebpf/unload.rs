//! A killed process cleans up nothing: the kernel must free its objects.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::follow::Follower;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use rustix::process::Signal;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns};
use crate::loaded::{all, owned_by, ownerless_since, pinned};

/// The kernel frees programs after a grace period of RCU, and maps after their programs.
const FREE_TIMEOUT: Duration = Duration::from_secs(20);

fn leaves_nothing(
    pid: u32,
    kill: impl FnOnce() -> Result<()>,
    before: &crate::loaded::Objects,
) -> Result<()> {
    let pinned_before = pinned()?;
    let owned = owned_by(pid)?;
    let there = all()?;
    for kind in ["prog", "map", "link"] {
        ensure!(owned.iter().any(|(one, _)| *one == kind), "it has no {kind}: {owned:?}");
    }
    ensure!(
        owned.is_subset(&there),
        "bpftool does not list all its objects: {owned:?} of {there:?}"
    );
    kill()?;
    wait_for("all its objects to be freed", FREE_TIMEOUT, || {
        let there = all()?;
        Ok(owned.is_disjoint(&there).then_some(()))
    })?;
    // What is loaded is the whole machine's, so these tests run alone; still, other programs may load and unload meanwhile.
    // An object without a process that refers to it was left behind.
    wait_for("no object to be left without a process", FREE_TIMEOUT, || {
        Ok(ownerless_since(before)?.is_empty().then_some(()))
    })
    .with_context(|| format!("left: {:?}", ownerless_since(before)))?;
    let pinned_after = pinned()?;
    ensure!(
        pinned_after == pinned_before,
        "pinned are {pinned_after:?} instead of {pinned_before:?}"
    );
    Ok(())
}

/// `conns serve`.
pub(crate) fn agent() -> Result<()> {
    let before = all()?;
    let namespace = Namespace::create("a")?;
    let mut agent =
        Agent::start(conns()?.path(), Some(&namespace), &["--listen", "http=127.0.0.1:0"])?;
    leaves_nothing(
        agent.pid(),
        || {
            agent.signal(Signal::KILL)?;
            agent.wait(TIMEOUT).map(|_| ())
        },
        &before,
    )
}

/// `conns events`.
pub(crate) fn events() -> Result<()> {
    let before = all()?;
    let follower = Follower::start(conns()?.path())?;
    leaves_nothing(follower.pid(), || follower.kill(), &before)
}

/// One connection of the namespace, opened, accepted and closed.
fn connect(namespace: &Namespace) -> Result<(SocketAddr, SocketAddr)> {
    namespace.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (mut server, _) = listener.accept()?;
        let ends = (client.local_addr()?, listener.local_addr()?);
        drop(client);
        std::io::Read::read_to_end(&mut server, &mut Vec::new())?;
        Ok(ends)
    })?
}

/// Whether an agent reports this connection of the namespace `of`: both ends, from open to close, each event once. Other
/// tests may have connections with the same ends in their own namespaces.
fn reports(
    agent: &Agent,
    home: &Namespace,
    of: &Namespace,
    ends: (SocketAddr, SocketAddr),
) -> Result<Option<()>> {
    let path = format!("/api/v1/events?limit=1000&filter=netns_inode=={}", of.inode()?);
    let answer = agent.get(Some(home), &path)?;
    ensure!(answer.status == 200, "the list of events answers {}", answer.status);
    let list: Value = serde_json::from_slice(&answer.body)?;
    let events = list["events"].as_array().context("the list of events has no events")?;
    let kinds = |ends| -> Vec<&str> {
        let of = events.iter().filter(|event| conns_lab::follow::ends(event) == Some(ends));
        of.filter_map(|event| event["event"].as_str()).collect()
    };
    let (client, server) = (kinds(ends), kinds((ends.1, ends.0)));
    let is_all = client == ["opened", "closed"] && server == ["opened", "accepted", "closed"];
    ensure!(client.len() <= 2 && server.len() <= 3, "{client:?} and {server:?} are reported");
    Ok(is_all.then_some(()))
}

/// Both report every event; one is killed, and the other continues.
pub(crate) fn two_agents() -> Result<()> {
    let (place, home) = (Namespace::create("a")?, Namespace::create("home")?);
    let start = || {
        Agent::start(
            conns()?.path(),
            Some(&home),
            &["--listen", "http=127.0.0.1:0", "--follow-namespaces"],
        )
    };
    let (mut first, second) = (start()?, start()?);
    let ends = connect(&place)?;
    for agent in [&first, &second] {
        wait_for("an agent to report a connection", TIMEOUT, || {
            reports(agent, &home, &place, ends)
        })?;
    }
    first.signal(Signal::KILL)?;
    first.wait(TIMEOUT)?;
    let ends = connect(&place)?;
    wait_for("the other agent to report one more", TIMEOUT, || {
        reports(&second, &home, &place, ends)
    })
}

//! `conns serve`: its list has the owners after privileges are dropped, and its abilities are those of `conns abilities`.

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns, peer};

/// What it can do less than the command: namespaces made later are closed to it.
const LESS: &[&str] = &["all-namespaces"];

pub(crate) fn answers() -> Result<()> {
    let conns = conns()?;
    let namespace = Namespace::create("a")?;
    let listener = peer(&namespace, "listen --at 127.0.0.1:7068 --do ignore")?;
    let agent = Agent::start(conns.path(), Some(&namespace), &["--listen", "http=127.0.0.1:0"])?;
    let client = peer(&namespace, "connect --to 127.0.0.1:7068 --do ignore")?;
    let inode = namespace.inode()?;
    let path = format!(
        "/api/v1/connections?view=all&filter=netns_inode=={inode}%20and%20(local_port==7068%20or%20remote_port==7068)"
    );
    let read = || -> Result<Value> {
        let answer = agent.get(Some(&namespace), &path)?;
        ensure!(answer.status == 200, "{}", answer.head);
        Ok(serde_json::from_slice(&answer.body)?)
    };
    wait_for("the three sockets with their owners", TIMEOUT, || {
        let answer = read()?;
        let rows = answer["connections"].as_array().context("no connections")?;
        let of = |pid: u32| rows.iter().filter(|row| row["pid"] == pid).count();
        let is_whole = rows.len() == 3 && of(listener.pid()) == 2 && of(client.pid()) == 1;
        Ok(is_whole.then_some(()))
    })
    .with_context(|| format!("{:?}", read()))?;
    let health = agent.health(Some(&namespace))?;
    ensure!(health["privileges"]["no_new_privs"] == true, "{}", health["privileges"]);
    ensure!(health["privileges"]["seccomp"]["mode"] == 2, "{}", health["privileges"]);
    for ability in health["abilities"].as_array().context("no abilities")? {
        let name = ability["name"].as_str().context("an ability has no name")?;
        let (of_agent, of_command) = (&ability["missing"], conns.missing(name)?);
        let is_equal = of_agent.is_null() == of_command.is_none() || LESS.contains(&name);
        ensure!(is_equal, "{name}: {of_agent} in the agent, {of_command:?} in the command");
    }
    Ok(())
}

//! A table on a terminal: as wide as the terminal at most, and coloured where that is expected.

use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::owner::Owner;
use crate::program::conns;
use crate::scene::{Scene, each, same};
use crate::terminal::{on_terminal, without_escapes};
use crate::{Case, Need};

pub(crate) const TESTS: &[Case] = &[
    Case("tables_fit_60_columns", &[Need::Ipv6], || fits(60)),
    Case("tables_fit_80_columns", &[Need::Ipv6], || fits(80)),
    Case("tables_fit_100_columns", &[Need::Ipv6], || fits(100)),
    Case("tables_fit_200_columns", &[Need::Ipv6], || fits(200)),
    Case("group_tables_fit_60_columns", &[], || groups_fit(60)),
    Case("group_tables_fit_80_columns", &[], || groups_fit(80)),
    Case("group_tables_fit_200_columns", &[], || groups_fit(200)),
    Case("narrow_tables_keep_who_where_and_verdict", &[], keeps),
    Case("a_pipe_has_no_width", &[], pipe),
    Case("colours_are_for_terminals_only", &[], terminals_only),
    Case("no_color_and_dumb_terminals_are_respected", &[], respected),
    Case("color_always_and_never_overrule", &[], overruled),
    Case("machine_read_output_is_never_coloured", &[], machine_read),
];

/// Fails if a line of `text` is wider than the terminal.
fn no_wider(what: &str, text: &str, columns: u16) -> Result<()> {
    let plain = without_escapes(text);
    ensure!(plain.lines().count() > 1, "{what} prints {text:?}");
    for line in plain.lines() {
        let width = line.chars().count();
        ensure!(width <= columns.into(), "{what}: {width} columns instead of {columns}: {line:?}");
    }
    Ok(())
}

/// Ends with long addresses, held by a process with a long name and a long command line.
fn fits(columns: u16) -> Result<()> {
    let scene = Scene::new()?;
    let sandbox = &scene.sandbox;
    let listener = sandbox.listen("[::1]:0")?;
    let (client, _server): (TcpStream, _) = sandbox.connect(listener.local_addr()?, &listener)?;
    let _long = Owner::start(b"fifteen-letters", &[&"long".repeat(100)], client, None)?;
    let cases = [
        &[][..],
        &["-a"],
        &["-l"],
        &["-a", "-r"],
        &["-a", "--columns", "+cmdline"],
        &["-a", "--columns", "+why"],
        &["-a", "--columns", "process,cmdline,exe,remote"],
    ];
    each(cases, |words| {
        let text = on_terminal(sandbox, sandbox.conns(words, "")?, columns)?;
        no_wider(&format!("conns {}", words.join(" ")), &text, columns)
    })
}

fn groups_fit(columns: u16) -> Result<()> {
    let scene = Scene::new()?;
    each(["process", "remote", "state", "cmdline"], |field| {
        let text = on_terminal(
            &scene.sandbox,
            scene.sandbox.conns(&["-a", "--group-by", field], "")?,
            columns,
        )?;
        no_wider(&format!("--group-by {field}"), &text, columns)
    })
}

fn keeps() -> Result<()> {
    let scene = Scene::new()?;
    let text = without_escapes(&on_terminal(&scene.sandbox, scene.sandbox.conns(&[], "")?, 80)?);
    let header: Vec<&str> = text.lines().next().context("no header")?.split_whitespace().collect();
    for title in ["PROCESS", "REMOTE", "VERDICT"] {
        ensure!(header.contains(&title), "no {title} at 80 columns: {header:?}");
    }
    let client = scene.client.peer_addr()?.to_string();
    ensure!(text.contains(&client), "{client} is not whole at 80 columns: {text:?}");
    Ok(())
}

fn pipe() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = scene.sandbox.conns(&["-a", "--columns", "+cmdline"], "")?;
    let ran = scene.sandbox.finish(command.env("COLUMNS", "60"))?;
    let program = std::env::current_exe()?;
    ensure!(
        ran.good()?.text()?.contains(&*program.to_string_lossy()),
        "a command line is cut in a pipe"
    );
    Ok(())
}

/// What `conns` writes to a terminal, with the environment changed.
fn written(scene: &Scene, words: &[&str], change: impl FnOnce(&mut Command)) -> Result<String> {
    let mut command = scene.sandbox.conns(words, "")?;
    change(&mut command);
    on_terminal(&scene.sandbox, command, 200)
}

fn has_escapes(text: &str) -> bool {
    text.contains('\u{1b}')
}

fn terminals_only() -> Result<()> {
    let scene = Scene::new()?;
    let text = written(&scene, &["-a"], |_| {})?;
    ensure!(has_escapes(&text), "no colours on a terminal");
    // Colours change nothing else.
    let columns = ["-a", "--columns", "proto,state,local,remote,pid"];
    let coloured = written(&scene, &columns, |_| {})?;
    let piped = scene.sandbox.run(&columns, "")?;
    ensure!(!has_escapes(piped.good()?.text()?), "colours in a pipe");
    same("the text", without_escapes(&coloured).as_str(), piped.text()?)?;
    let call = ["call", "Network.GetListeningEndpoints", "-o", "table"].map(str::to_owned);
    for words in [vec!["fields".to_owned()], [&call[..], &scene.sandbox.netns()?].concat()] {
        let piped = scene.sandbox.finish(&mut conns(&words))?;
        ensure!(!has_escapes(piped.good()?.text()?), "colours in a pipe of {words:?}");
        let shown = on_terminal(&scene.sandbox, conns(&words), 200)?;
        ensure!(has_escapes(&shown), "no colours of {words:?}");
    }
    Ok(())
}

fn respected() -> Result<()> {
    let scene = Scene::new()?;
    let text = written(&scene, &["-a"], |command| {
        command.env("NO_COLOR", "1");
    })?;
    ensure!(!has_escapes(&text), "NO_COLOR=1 is not respected");
    let text = written(&scene, &["-a"], |command| {
        command.env("TERM", "dumb");
    })?;
    ensure!(!has_escapes(&text), "TERM=dumb is not respected");
    // https://no-color.org: only when not empty.
    let text = written(&scene, &["-a"], |command| {
        command.env("NO_COLOR", "");
    })?;
    ensure!(has_escapes(&text), "an empty NO_COLOR takes the colours away");
    Ok(())
}

fn overruled() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = scene.sandbox.conns(&["-a", "--color", "always"], "")?;
    let ran = scene.sandbox.finish(command.env("NO_COLOR", "1").env("TERM", "dumb"))?;
    ensure!(has_escapes(ran.good()?.text()?), "--color always is not respected");
    let text = written(&scene, &["-a", "--color", "never"], |_| {})?;
    ensure!(!has_escapes(&text), "--color never is not respected");
    Ok(())
}

fn machine_read() -> Result<()> {
    let sandbox = Scene::new()?;
    for format in ["json", "jsonl", "csv"] {
        let text = written(&sandbox, &["-a", "--color", "always", "-o", format], |_| {})?;
        ensure!(!has_escapes(&text), "colours in {format}");
    }
    Ok(())
}

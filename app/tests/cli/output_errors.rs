//! Output whose reader closed, or that cannot be written.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::program::{Ran, collect, conns, first_line, short};
use crate::scene::{Scene, each};
use crate::{Case, Need};

pub(crate) const TESTS: &[Case] = &[
    Case("a_closed_pipe_is_a_good_end_for_lists", &[], || lists(closed_pipe, reader_had_enough)),
    Case("a_closed_pipe_is_a_good_end_for_pages", &[], || pages(closed_pipe, reader_had_enough)),
    Case("head_of_a_long_list_is_a_good_end", &[], head),
    Case("a_full_disk_is_reported_by_lists", &[], || lists(full_disk, is_reported)),
    Case("a_full_disk_is_reported_by_pages", &[], || pages(full_disk, is_reported)),
    Case("help_on_a_full_disk_is_no_success", &[], help_on_a_full_disk),
    Case("closed_standard_error_changes_no_answer", &[Need::Program("sh", "dash")], no_stderr),
];

const LISTS: &[&[&str]] = &[
    &["-a"],
    &["-a", "-o", "wide"],
    &["-a", "-o", "json"],
    &["-a", "-o", "jsonl"],
    &["-a", "-o", "csv"],
    &["-a", "--group-by", "state"],
    &["-a", "--group-by", "state", "-o", "json"],
    &["why", "--for", "0.1", "-a"],
    &["why", "--for", "0.1", "-a", "-o", "json"],
];

const PAGES: &[&[&str]] = &[
    &["fields"],
    &["fields", "-o", "markdown"],
    &["fields", "-o", "json"],
    &["man"],
    &["completions", "bash"],
    &["completions", "zsh"],
    &["completions", "fish"],
];

type Run = fn(&mut Command) -> Result<Ran>;
type Judge = fn(&Ran) -> Result<()>;

fn lists(run: Run, judge: Judge) -> Result<()> {
    let scene = Scene::new()?;
    each(LISTS, |words| {
        let mut command = scene.sandbox.conns(words, "")?;
        judge(&scene.sandbox.inside(|| run(&mut command))?)
    })
}

fn pages(run: Run, judge: Judge) -> Result<()> {
    each(PAGES, |words| judge(&run(&mut conns(*words))?))
}

/// Runs with an output whose reader closes before anything is written.
fn closed_pipe(command: &mut Command) -> Result<Ran> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    run_into(command, writer.into())
}

fn full_disk(command: &mut Command) -> Result<Ran> {
    let full = OpenOptions::new().write(true).open("/dev/full").context("opening /dev/full")?;
    run_into(command, full.into())
}

fn run_into(command: &mut Command, output: Stdio) -> Result<Ran> {
    let shown = short(command);
    let child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn()?;
    // The command keeps a copy of the output.
    command.stdout(Stdio::null());
    collect(child, shown)
}

fn reader_had_enough(ran: &Ran) -> Result<()> {
    ran.good().map(|_| ())
}

fn is_reported(ran: &Ran) -> Result<()> {
    ran.code(1)?;
    let stderr = ran.complaints();
    let [line] = &*stderr else { anyhow::bail!("{} prints {stderr:?}, not one line", ran.shown) };
    ensure!(line.contains("No space left on device"), "{} prints {line:?}", ran.shown);
    Ok(())
}

/// More output than a pipe holds, of which one line is read.
fn head() -> Result<()> {
    let scene = Scene::new()?;
    let pairs: Vec<_> = (0..50)
        .map(|_| scene.sandbox.connect(scene.listener.local_addr()?, &scene.listener))
        .collect::<Result<_>>()?;
    let mut command = scene.sandbox.conns(&["-a", "-o", "jsonl", "--columns", "all"], "")?;
    let mut child = scene
        .sandbox
        .spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let line = first_line(&mut child)?;
    scene.sandbox.collect(child, "conns | head -1")?.good()?;
    ensure!(line.len() * pairs.len() * 2 > 64 * 1024, "the output would fit a pipe");
    Ok(())
}

fn help_on_a_full_disk() -> Result<()> {
    each([&["--help"][..], &["--version"], &["why", "--help"]], |words| {
        let ran = full_disk(&mut conns(words))?;
        ensure!(ran.code != Some(0), "{}: exit code 0, and nothing was written", ran.shown);
        Ok(())
    })
}

fn no_stderr() -> Result<()> {
    let scene = Scene::new()?;
    let list = scene.sandbox.conns(&["-a", "-o", "jsonl"], "")?;
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&-"]).arg(list.get_program()).args(list.get_args());
    let ran = scene.sandbox.finish(&mut command)?;
    ensure!(ran.code(0)?.lines_of_json()?.len() == 5, "{} lines", ran.lines_of_json()?.len());
    Ok(())
}

//! What is written once and read by people: help, man page, completions, the field reference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::owner::Folder;
use crate::program::{finish, run};
use crate::{Case, Need};

/// Longer lines are hard to read; the width help has where there is no terminal.
const WIDEST_HELP: usize = 100;

pub(crate) const TESTS: &[Case] = &[
    Case("golden_help", &[], || golden(&["--help"], "help.txt")),
    Case("golden_short_help", &[], || golden(&["-h"], "short-help.txt")),
    Case("golden_why_help", &[], || golden(&["why", "--help"], "why-help.txt")),
    Case("golden_call_help", &[], || golden(&["call", "--help"], "call-help.txt")),
    Case("golden_events_help", &[], || golden(&["events", "--help"], "events-help.txt")),
    Case("golden_abilities_help", &[], || golden(&["abilities", "--help"], "abilities-help.txt")),
    Case("golden_fields_help", &[], || golden(&["fields", "--help"], "fields-help.txt")),
    Case("golden_man_page", &[], || golden(&["man"], "conns.1")),
    Case("golden_bash_completions", &[], || golden(&["completions", "bash"], "completions.bash")),
    Case("golden_zsh_completions", &[], || golden(&["completions", "zsh"], "completions.zsh")),
    Case("golden_fish_completions", &[], || golden(&["completions", "fish"], "completions.fish")),
    Case("golden_fields_page", &[], || {
        golden(&["fields", "-o", "markdown"], "../../../docs/fields.md")
    }),
    Case("bash_accepts_its_completions", &[Need::Program("bash", "bash")], || {
        accepted("bash", &["-n"])
    }),
    Case("zsh_accepts_its_completions", &[Need::Program("zsh", "zsh")], || {
        accepted("zsh", &["-n"])
    }),
    Case("fish_accepts_its_completions", &[Need::Program("fish", "fish")], || {
        accepted("fish", &["-n"])
    }),
    Case(
        "man_formats_the_man_page_without_warning",
        &[Need::Program("man", "man-db")],
        man_page_formats,
    ),
    Case("help_is_at_most_100_columns_wide", &[], help_is_narrow),
    Case("every_flag_is_in_the_man_page", &[], man_page_is_whole),
];

/// Fails unless `conns` with these words prints what the file holds; rewrites the file on request.
fn golden(words: &[&str], file: &str) -> Result<()> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let ran = run(words)?;
    ran.code(0)?;
    ensure!(ran.err.is_empty(), "{} complains: {}", ran.shown, ran.err);
    let printed = ran.text()?;
    ensure!(!printed.is_empty(), "{} prints nothing", ran.shown);
    if std::env::var_os("CONNS_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return fs::write(&place, printed).with_context(|| format!("writing {}", place.display()));
    }
    let hint = "CONNS_UPDATE_GOLDEN=1 writes it anew";
    let kept =
        fs::read_to_string(&place).with_context(|| format!("{}; {hint}", place.display()))?;
    if printed == kept {
        return Ok(());
    }
    let differing = printed.lines().zip(kept.lines()).position(|(a, b)| a != b);
    let at = differing.unwrap_or_else(|| printed.lines().count().min(kept.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    bail!(
        "{} differs from {} in line {}: {:?} instead of {:?}; {hint}",
        ran.shown,
        place.display(),
        at + 1,
        line(printed),
        line(&kept)
    )
}

/// A file with the output of `conns` with these words.
fn written(folder: &Folder, words: &[&str]) -> Result<PathBuf> {
    let place = folder.path().join("printed");
    fs::write(&place, &run(words)?.code(0)?.out)?;
    Ok(place)
}

fn accepted(shell: &str, check: &[&str]) -> Result<()> {
    let folder = Folder::new()?;
    let place = written(&folder, &["completions", shell])?;
    let ran = finish(Command::new(shell).args(check).arg(place))?;
    ran.code(0)?;
    ensure!(ran.err.is_empty(), "{shell} printed {:?}", ran.err);
    Ok(())
}

fn man_page_formats() -> Result<()> {
    let folder = Folder::new()?;
    let place = written(&folder, &["man"])?;
    let ran = finish(
        Command::new("man")
            .args(["--warnings", "-l", "-P", "cat"])
            .arg(place)
            .env("MANWIDTH", "80"),
    )?;
    ran.code(0)?;
    ensure!(ran.err.is_empty(), "man printed {:?}", ran.err);
    ensure!(ran.text()?.contains("NAME"), "man shows no page");
    Ok(())
}

fn help_is_narrow() -> Result<()> {
    for words in [&["-h"][..], &["--help"], &["why", "-h"], &["call", "-h"], &["events", "-h"]] {
        let ran = run(words)?;
        let too_wide = ran.text()?.lines().find(|line| line.chars().count() > WIDEST_HELP);
        ensure!(too_wide.is_none(), "{}: wider than {WIDEST_HELP}: {too_wide:?}", ran.shown);
    }
    Ok(())
}

/// Every flag `--help` knows stands in the man page.
fn man_page_is_whole() -> Result<()> {
    let (help, man) = (run(&["--help"])?, run(&["man"])?);
    let man = man.text()?.replace('\\', "");
    let flags: Vec<&str> = help
        .text()?
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .map(|word| word.split("[=").next().unwrap_or(word))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect();
    ensure!(flags.len() > 15, "--help shows only {flags:?}");
    for flag in flags {
        ensure!(man.contains(flag), "{flag} is not in the man page");
    }
    Ok(())
}

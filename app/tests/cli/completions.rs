//! Completion in a real bash, by the script that `conns completions bash` prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::owner::Folder;
use crate::program::{CONNS, finish, plain_surroundings, run};
use crate::sandbox::Sandbox;
use crate::scene::{each, same};
use crate::{Case, Need};

const BASH: Need = Need::Program("bash", "bash");

pub(crate) const TESTS: &[Case] = &[
    Case("bash_completes_fields_columns_and_values", &[BASH], offers),
    Case("bash_completes_network_namespaces", &[BASH, Need::Root], namespaces),
];

/// Loads the script, and calls the function that it registers as bash does when the tab key is pressed in the last word.
const PRESS_TAB: &str = r#"
source "$1" || exit 1
shift
registered=$(complete -p conns) || exit 1
function=${registered##*-F }
function=${function%% *}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
"$function" conns "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Result<BTreeSet<String>> {
    let folder = Folder::new()?;
    let script = folder.path().join("completions");
    fs::write(&script, &run(&["completions", "bash"])?.code(0)?.out)?;
    let mut command = Command::new("bash");
    plain_surroundings(&mut command);
    let own = Path::new(CONNS).parent().context("a program without a folder")?;
    let path = std::env::var("PATH")?;
    command.env("PATH", format!("{}:{path}", own.display()));
    command.args(["--norc", "--noprofile", "-c", PRESS_TAB, "bash"]).arg(&script).args(words);
    let ran = finish(&mut command)?;
    ran.code(0)?;
    ensure!(ran.err.is_empty(), "{words:?}: {}", ran.err);
    Ok(ran.text()?.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn offers() -> Result<()> {
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--columns", "remote_na"], &["remote_name", "remote_name_origin"]),
        (&["--columns", "pid,-remote_name_o"], &["pid,-remote_name_origin"]),
        (&["--columns", "pid,snap"], &["pid,snapshot"]),
        (&["--sort", "-remote_name_o"], &["-remote_name_origin"]),
        (&["--group-by", "remote_name_"], &["remote_name_origin"]),
        (&["--group-by", "process", "--columns", "rate_"], &["rate_in", "rate_out"]),
        (&["--group-by", "process", "--sort", "pid,-conn"], &["pid,-connections"]),
        (&["state", "est"], &["ESTAB", "established"]),
        (&["why", "state", "==", "time-w"], &["TIME-WAIT"]),
        (&["verdict", "!", "=", "bufferb"], &["bufferbloat"]),
        (&["remote_name_o"], &["remote_name_origin"]),
        (&["events", "--kind", "f"], &["failed"]),
        (&["completi"], &["completions"]),
    ];
    each(cases, |(words, expected)| {
        let seen = offered(&[&["conns"], words].concat())?;
        same(&format!("{words:?}"), seen, expected.iter().map(|one| (*one).to_owned()).collect())
    })
}

fn namespaces() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let name = sandbox.name()?;
    same("its name", offered(&["conns", "--netns", name])?, BTreeSet::from([name.to_owned()]))?;
    let all = offered(&["conns", "--netns", ""])?;
    ensure!(all.contains(name) && all.contains("self"), "{all:?}");
    Ok(())
}

//! The thing under test: finds the `conns` binary, runs it, reads its JSON.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::beside_me;

/// The exit code of `conns` for an answer of which a part could not be read.
const PARTLY: i32 = 3;

/// The `conns` binary.
#[derive(Clone, Debug)]
pub struct Conns(PathBuf);

impl Conns {
    /// Takes the given place, else `$CONNS`, else the binary beside the running executable.
    pub fn find(given: Option<&Path>) -> Result<Self> {
        let place = given
            .map(Path::to_path_buf)
            .or_else(|| std::env::var_os("CONNS").map(PathBuf::from))
            .or_else(|| beside_me("conns"));
        match place {
            Some(place) if place.is_file() => Ok(Self(place)),
            Some(place) => {
                bail!("no conns binary at {}; run `cargo build` or set CONNS", place.display())
            }
            None => bail!("no conns binary beside this program; run `cargo build` or set CONNS"),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs it and returns its standard output; a failing run is an error with its standard error.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!(
                "conns {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The records of `conns … -o json`.
    pub fn records(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        self.array(arguments, "connections")
    }

    /// The records of `conns … -o json` where a part may be unreadable, if `conns` reports which.
    pub fn readable_records(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let all = [arguments, &["-o", "json"]].concat();
        let output = self.output(&all)?;
        let mut parsed: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "parsing the output of conns {}, which ended with {}",
                all.join(" "),
                output.status
            )
        })?;
        let has = |key: &str| parsed[key].as_array().is_some_and(|list| !list.is_empty());
        match output.status.code() {
            Some(0) => {}
            Some(PARTLY) if has("notices") || has("losses") || !output.stderr.is_empty() => {}
            Some(PARTLY) => bail!(
                "conns {} ended with {PARTLY} and did not report what it could not read",
                all.join(" ")
            ),
            _ => bail!("conns {} ended with {}", all.join(" "), output.status),
        }
        match parsed["connections"].take() {
            Value::Array(rows) => Ok(rows),
            other => bail!("conns {} printed no connections but {other}", all.join(" ")),
        }
    }

    /// Why an ability is missing here, from `conns abilities`; `None` if it is available. It is run once: on a slow machine the
    /// kernel verifies programs for seconds.
    pub fn missing(&self, ability: &str) -> Result<Option<String>> {
        static ABILITIES: OnceLock<Vec<Value>> = OnceLock::new();
        let abilities = match ABILITIES.get() {
            Some(abilities) => abilities,
            None => {
                let read = self.array(&["abilities"], "abilities")?;
                ABILITIES.get_or_init(|| read)
            }
        };
        let found = abilities.iter().find(|one| one["name"] == ability);
        let found = found.with_context(|| format!("conns abilities has no `{ability}`"))?;
        Ok(found["missing"].as_str().map(str::to_owned))
    }

    /// The verdicts of `conns why … -o json`.
    pub fn verdicts(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let all = [&["why"], arguments].concat();
        self.array(&all, "verdicts")
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.0)
            .args(arguments)
            .output()
            .with_context(|| format!("running {}", self.0.display()))
    }

    fn array(&self, arguments: &[&str], key: &str) -> Result<Vec<Value>> {
        let all = [arguments, &["-o", "json"]].concat();
        let text = self.run(&all)?;
        let shown = || format!("the output of conns {}", all.join(" "));
        let mut parsed: Value =
            serde_json::from_str(&text).with_context(|| format!("parsing {}", shown()))?;
        match parsed[key].take() {
            Value::Array(rows) => Ok(rows),
            other => bail!("{} has no list `{key}` but {other}", shown()),
        }
    }
}

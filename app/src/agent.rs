//! Opens the [`Agent`] that the flags or the environment name: this machine, a capture file, or a remote agent.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use conns_api::Agent;
use conns_client::{Remote, RemoteError, Target};
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::failure::Failure;
use crate::file::{self, FileAgent};
use crate::flags::{AgentFlags, SourceChoice};
use crate::local::Local;
use crate::pair_key;

/// The agent's URL if `--agent` is not given.
const AGENT_VARIABLE: &str = "CONNS_AGENT";
/// The token if `--token-file` is not given.
const TOKEN_VARIABLE: &str = "CONNS_TOKEN";

/// Longest file with a secret that is read, in bytes; a token has about 50.
const MAX_SECRET_FILE_BYTES: u64 = 4096;

/// Opens the file or the agent of `flags`, else the agent of the environment, else this machine. `memory` and
/// `purpose` configure the local engine; a remote agent has its own.
pub(crate) fn open(
    flags: &AgentFlags,
    source: Option<SourceChoice>,
    memory: Retention,
    purpose: Purpose,
) -> Result<Box<dyn Agent>, Failure> {
    let Some(url) = url(flags, source)? else {
        let unused = [("--token-file", &flags.token_file), ("--agent-ca", &flags.agent_ca)];
        if let Some((flag, _)) = unused.iter().find(|(_, path)| path.is_some()) {
            return Err(Failure::Usage(format!("{flag} needs --agent URL")));
        }
        if let Some(engine) = file::engine(&flags.file, purpose)? {
            return Ok(Box::new(FileAgent::new(engine)));
        }
        let source = source.unwrap_or(SourceChoice::Auto);
        let pair_key = pair_key::of_environment()?;
        return Ok(Box::new(Local::open(source, memory, purpose, pair_key)?));
    };
    let token = match &flags.token_file {
        Some(path) => Some(secret_in(path, "token")?),
        None => variable(TOKEN_VARIABLE)?,
    };
    let target = Target { url, token, ca: flags.agent_ca.clone() };
    Ok(Box::new(Remote::connect(&target)?))
}

/// Whether [`open`] connects to a remote agent.
pub(crate) fn is_remote(flags: &AgentFlags, source: Option<SourceChoice>) -> bool {
    url(flags, source).is_ok_and(|url| url.is_some())
}

/// The URL of the remote agent: `--agent` first, then the environment. `--source` overrides the
/// environment, because it selects a source of this machine, and so does `--read`.
fn url(flags: &AgentFlags, source: Option<SourceChoice>) -> Result<Option<String>, Failure> {
    match (&flags.agent, source) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(_)) => Ok(None),
        (None, None) if flags.file.read.is_some() => Ok(None),
        (None, None) => variable(AGENT_VARIABLE),
    }
}

/// The value of an environment variable; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var_os(name) {
        Some(value) if !value.is_empty() => {
            let not_text =
                |_| Failure::Usage(format!("the environment variable {name} is not UTF-8"));
            value.into_string().map(Some).map_err(not_text)
        }
        _ => Ok(None),
    }
}

/// The secret in a file, without white space around it; `what` names it.
pub(crate) fn secret_in(path: &Path, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_SECRET_FILE_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_SECRET_FILE_BYTES => {
            let path = path.display();
            Err(Failure::Usage(format!(
                "{path} is no file with a {what}: it is longer than {MAX_SECRET_FILE_BYTES} bytes"
            )))
        }
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => {
            let path = path.display();
            Err(Failure::Usage(format!("cannot read the {what} in {path}: {error}")))
        }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        if error.is_usage() {
            Self::Usage(error.to_string())
        } else {
            Self::NoAnswer(error.to_string())
        }
    }
}

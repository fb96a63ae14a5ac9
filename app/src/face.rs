//! Who is asked: this machine, or an agent elsewhere. Behind the `Agent` no command knows which.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use conns_api::Agent;
use conns_client::{Remote, RemoteError, Target};
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::failure::Failure;
use crate::flags::{AgentFlags, SourceChoice};
use crate::local::Local;

/// The agent, where no flag names one.
const AGENT_VARIABLE: &str = "CONNS_AGENT";
/// The token, where no flag names a file with it.
const TOKEN_VARIABLE: &str = "CONNS_TOKEN";

/// Longest file of a token that is read, bytes; a token has about 50.
const TOKEN_FILE_BYTES: u64 = 4096;

/// The `Agent` that the flags mean, or else the environment. `memory` and
/// `purpose` are for what looks at this machine will be used; an agent has its own.
pub(crate) fn open(
    agent: &AgentFlags,
    source: Option<SourceChoice>,
    memory: Retention,
    purpose: Purpose,
) -> Result<Box<dyn Agent>, Failure> {
    let Some(url) = url(agent, source)? else {
        let useless = [("--token-file", &agent.token_file), ("--agent-ca", &agent.agent_ca)];
        if let Some((flag, _)) = useless.iter().find(|(_, path)| path.is_some()) {
            return Err(Failure::Usage(format!("{flag} is of use only with --agent URL")));
        }
        let source = source.unwrap_or(SourceChoice::Auto);
        return Ok(Box::new(Local::open(source, memory, purpose)?));
    };
    let token = match &agent.token_file {
        Some(path) => Some(token_in(path)?),
        None => variable(TOKEN_VARIABLE)?,
    };
    let target = Target { url, token, ca: agent.agent_ca.clone() };
    Ok(Box::new(Remote::connect(&target)?))
}

/// Whether [`open`] asks an agent elsewhere.
pub(crate) fn is_elsewhere(agent: &AgentFlags, source: Option<SourceChoice>) -> bool {
    url(agent, source).is_ok_and(|url| url.is_some())
}

/// The flag goes before everything; `--source` goes before the environment, as it is about this
/// machine.
fn url(agent: &AgentFlags, source: Option<SourceChoice>) -> Result<Option<String>, Failure> {
    match (&agent.agent, source) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(_)) => Ok(None),
        (None, None) => variable(AGENT_VARIABLE),
    }
}

/// The variable, if it is set to anything.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var_os(name) {
        Some(value) if !value.is_empty() => {
            let not_text = |_| Failure::Usage(format!("the variable {name} is not UTF-8"));
            value.into_string().map(Some).map_err(not_text)
        }
        _ => Ok(None),
    }
}

fn token_in(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(TOKEN_FILE_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > TOKEN_FILE_BYTES => {
            let path = path.display();
            Err(Failure::Usage(format!(
                "{path} holds more than a token: it is longer than {TOKEN_FILE_BYTES} bytes"
            )))
        }
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => {
            let path = path.display();
            Err(Failure::Usage(format!("cannot read the token in {path}: {error}")))
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

//! Opens the [`Agent`] that the flags or the environment name: this machine, a capture file, or a remote agent.

use conns_api::Agent;
use conns_client::{Remote, RemoteError, Target};
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::environment::variable;
use crate::failure::Failure;
use crate::file::{self, FileAgent};
use crate::flags::{AgentFlags, SourceChoice};
use crate::local::Local;
use crate::pair_key;
use crate::secret::secret_in;

/// The agent's URL if `--agent` is not given.
const AGENT_VARIABLE: &str = "CONNS_AGENT";
/// The token if `--token-file` is not given.
const TOKEN_VARIABLE: &str = "CONNS_TOKEN";

/// Opens the file or the agent of `flags`, else the agent of the environment, else this machine. `memory` and
/// `purpose` configure the local engine; a remote agent has its own.
pub(crate) fn open(
    flags: &AgentFlags,
    source: Option<SourceChoice>,
    memory: Retention,
    purpose: Purpose,
) -> Result<Box<dyn Agent>, Failure> {
    if let Some(remote) = remote(flags, source)? {
        return Ok(Box::new(remote));
    }
    let unused = [("--token-file", &flags.token_file), ("--agent-ca", &flags.agent_ca)];
    if let Some((flag, _)) = unused.iter().find(|(_, path)| path.is_some()) {
        return Err(Failure::Usage(format!("{flag} needs --agent URL")));
    }
    if let Some(engine) = file::engine(&flags.file, purpose)? {
        return Ok(Box::new(FileAgent::new(engine)));
    }
    let source = source.unwrap_or(SourceChoice::Auto);
    let pair_key = pair_key::of_environment()?;
    Ok(Box::new(Local::open(source, memory, purpose, pair_key)?))
}

/// The remote agent that [`open`] connects to, if it does.
pub(crate) fn remote(
    flags: &AgentFlags,
    source: Option<SourceChoice>,
) -> Result<Option<Remote>, Failure> {
    let Some(url) = url(flags, source)? else { return Ok(None) };
    let token = match &flags.token_file {
        Some(path) => Some(secret_in(path, "token")?),
        None => variable(TOKEN_VARIABLE)?,
    };
    let target = Target { url, token, ca: flags.agent_ca.clone() };
    Ok(Some(Remote::connect(&target)?))
}

/// Whether [`open`] connects to a remote agent.
pub(crate) fn is_remote(flags: &AgentFlags, source: Option<SourceChoice>) -> bool {
    url(flags, source).is_ok_and(|url| url.is_some())
}

/// The URL of the remote agent that [`open`] connects to: `--agent` first, then the environment. `--source` overrides the
/// environment, because it selects a source of this machine, and so does `--read`.
pub(crate) fn url(
    flags: &AgentFlags,
    source: Option<SourceChoice>,
) -> Result<Option<String>, Failure> {
    match (&flags.agent, source) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(_)) => Ok(None),
        (None, None) if flags.file.read.is_some() => Ok(None),
        (None, None) => variable(AGENT_VARIABLE),
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

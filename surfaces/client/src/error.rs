//! Why a remote agent gives no answer, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use conns_api::{AgentError, WireError};

/// Why there is no answer. Each message names the agent, what failed, and what can be done.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not the address of an agent.
    #[error(
        "`{address}` is no address of an agent: {reason}. Expected http://HOST:PORT, \
         https://HOST, HOST:PORT or unix:/PATH"
    )]
    Address {
        /// What was given.
        address: String,
        /// Why it is none.
        reason: &'static str,
    },
    /// A token that no header can carry.
    #[error("that is no token: {0}. `conns token` makes one")]
    Token(&'static str),
    /// The token could be read on the way.
    #[error(
        "{agent} is reached in clear text over the network, where the token could be read on the \
         way; it was not sent. Serve the agent with TLS and use https://, or reach it through a \
         tunnel that ends on this machine"
    )]
    TokenInClear {
        /// The agent.
        agent: String,
    },
    /// The file of certificates cannot be used.
    #[error("cannot use the certificates in {}: {reason}. Expected PEM", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Nothing answers there.
    #[error("cannot reach the agent {agent}: {cause}. {remedy}")]
    Unreachable {
        /// The agent.
        agent: String,
        /// Why.
        cause: io::Error,
        /// What can be done.
        remedy: &'static str,
    },
    /// There is no TLS, or none that is to be trusted.
    #[error("no secure connection to the agent {agent}: {reason}. {remedy}")]
    Tls {
        /// The agent.
        agent: String,
        /// Why.
        reason: String,
        /// What can be done.
        remedy: &'static str,
    },
    /// It took too long.
    #[error(
        "the agent {agent} did not {what} within {} s. Is it overloaded, or the path to it slow?",
        limit.as_secs_f32()
    )]
    TooSlow {
        /// The agent.
        agent: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// The answer broke off.
    #[error("the answer of the agent {agent} broke off: {reason}. {remedy}")]
    BrokenOff {
        /// The agent.
        agent: String,
        /// How.
        reason: String,
        /// What can be done.
        remedy: &'static str,
    },
    /// It refused to answer.
    #[error("the agent {agent} refuses to answer ({status}): {reason}")]
    Refused {
        /// The agent.
        agent: String,
        /// The HTTP status.
        status: u16,
        /// Its message, or ours.
        reason: String,
    },
    /// Something answered, but no agent.
    #[error("{agent} answers, but is no conns agent: {reason}")]
    NotAnAgent {
        /// Where.
        agent: String,
        /// How that shows.
        reason: String,
    },
    /// An answer that cannot be understood.
    #[error("the answer of the agent {agent} cannot be read: {error}")]
    Unreadable {
        /// The agent.
        agent: String,
        /// Why not.
        error: WireError,
    },
    /// The query names something that does not exist.
    #[error("{0}")]
    NotThere(String),
    /// The runtime cannot be started.
    #[error("cannot start the client of the agent: {0}")]
    NoRuntime(io::Error),
}

impl RemoteError {
    /// Whether the command line is at fault, not the agent.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Address { .. }
                | Self::Token(_)
                | Self::TokenInClear { .. }
                | Self::Certificates { .. }
                | Self::NotThere(_)
        )
    }
}

impl From<RemoteError> for AgentError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::NotThere(message) => Self::NotThere(message),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

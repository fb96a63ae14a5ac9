//! Exit codes of commands, and messages on standard error.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use conns_api::AgentError;
use conns_core::explain::loss_lines;
use conns_core::model::{Loss, LossKind};
use conns_core::query::{ColumnError, FilterError, SortError, UnknownField};
use conns_dialects::one_e::CallError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An invalid filter, column or other argument.
    #[error("{0}")]
    Usage(String),
    /// There is no answer.
    #[error("{0}")]
    NoAnswer(String),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
}

/// Parse errors are usage errors.
macro_rules! usage_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Usage(error.to_string())
            }
        })*
    };
}
usage_errors!(FilterError, ColumnError, SortError, UnknownField, CallError);

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Unavailable(message) => Self::NoAnswer(message),
            AgentError::NotThere(message) => Self::Usage(message),
        }
    }
}

impl Failure {
    /// Prints the message, and returns the exit code that `--help` lists.
    pub(crate) fn report(&self) -> ExitCode {
        let code = match self {
            // The reader of the output closed the pipe.
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Usage(_) => 2,
            Self::NoAnswer(_) | Self::Write(_) => 1,
        };
        // Errors of standard error cannot be reported.
        let _ = writeln!(io::stderr(), "conns: {}", presentable(&self.to_string()));
        ExitCode::from(code)
    }
}

/// Writes a line to standard error, the log of the agent. A log that cannot be written (its disk is
/// full, its reader has closed it) does not stop the agent.
pub(crate) fn log(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "conns: {message}");
}

/// Prints an error of the flags, or the output of `--help` and `--version`.
pub(crate) fn report_flags(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // "to pass '-p' as a value, use '-- -p'": what is meant by a flag is never a word of a filter.
        let advises = |line: &&str| !line.trim_start().starts_with("tip: to pass '-");
        let text = error.render().to_string();
        let text: String = text.split_inclusive('\n').filter(|line| advises(line)).collect();
        let _ = write!(io::stderr(), "{}", presentable(&text));
        return ExitCode::from(2);
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::Write(error).report(),
    }
}

/// Maximum length of a message, in characters; it can repeat a long argument.
const MAX_MESSAGE_CHARACTERS: usize = 2000;

/// The message without control characters except line ends, truncated.
fn presentable(message: &str) -> String {
    let mut text: String = message
        .split('\n')
        .map(|line| conns_print::printable(line.into()).into_owned())
        .collect::<Vec<_>>()
        .join("\n");
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
        text.truncate(end);
        text.push_str("…\n");
    }
    text
}

/// Prints losses, one line for those of one kind, and those for lack of privileges on one line. Returns whether there
/// are losses for other reasons.
pub(crate) fn report_losses(losses: &[Loss]) -> bool {
    let (not_permitted, lost): (Vec<&Loss>, Vec<&Loss>) =
        losses.iter().partition(|loss| loss.kind() == LossKind::NotPermitted);
    let joined = loss_lines(not_permitted).join("; ");
    let mut stderr = io::stderr().lock();
    let lines = loss_lines(lost.iter().copied()).into_iter().chain([joined]);
    for line in lines.filter(|line| !line.is_empty()) {
        // The text can come from a remote agent.
        let _ = writeln!(stderr, "conns: {}", presentable(&line));
    }
    !lost.is_empty()
}

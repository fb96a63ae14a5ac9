//! How a command ends: the exit code, and what is said on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use conns_api::AgentError;
use conns_core::model::{Loss, LossKind};
use conns_core::query::{ColumnError, FilterError, SortError, UnknownField};
use conns_dialects::one_e::CallError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A filter, column or other text that cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// There is no answer.
    #[error("{0}")]
    NoAnswer(String),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
}

/// Every way to misunderstand a text is a usage error with its own words.
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
    /// Says it, and gives the exit code of `--help`'s list.
    pub(crate) fn report(&self) -> ExitCode {
        let code = match self {
            // Whoever read the answer has read enough.
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Usage(_) => 2,
            Self::NoAnswer(_) | Self::Write(_) => 1,
        };
        // With standard error closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "conns: {}", presentable(&self.to_string()));
        ExitCode::from(code)
    }
}

/// Says what is wrong with the flags, or what `--help` and `--version` ask for.
pub(crate) fn report_flags(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        let _ = write!(io::stderr(), "{}", presentable(&text));
        return ExitCode::from(2);
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::Write(error).report(),
    }
}

/// Longest message, in characters; whoever typed more knows it.
const MESSAGE_CHARACTERS: usize = 2000;

/// A message that may repeat what was typed: without control characters but line ends, and cut.
fn presentable(message: &str) -> String {
    let mut text: String = message
        .split('\n')
        .map(|line| conns_print::printable(line.into()).into_owned())
        .collect::<Vec<_>>()
        .join("\n");
    if let Some((cut, _)) = text.char_indices().nth(MESSAGE_CHARACTERS) {
        text.truncate(cut);
        text.push_str("…\n");
    }
    text
}

/// Says what is missing, one line each (what only privileges would add: one line in all), and
/// whether anything was lost that privileges would not have brought.
pub(crate) fn report_losses(losses: &[Loss]) -> bool {
    let (not_permitted, lost): (Vec<&Loss>, Vec<&Loss>) =
        losses.iter().partition(|loss| loss.kind() == LossKind::NotPermitted);
    let add = not_permitted.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut stderr = io::stderr().lock();
    let lines = lost.iter().map(ToString::to_string).chain([add]);
    for line in lines.filter(|line| !line.is_empty()) {
        // The words may come from an agent elsewhere.
        let _ = writeln!(stderr, "conns: {}", presentable(&line));
    }
    !lost.is_empty()
}

//! The flags of commands that answer from the history.

use std::path::PathBuf;

use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;
use crate::when;

/// Which history of this machine is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeptFlags {
    /// Read the history in FILE [default: that of the agent of this machine; env: CONNS_HISTORY_PATH]
    #[arg(long = "history", value_name = "FILE", conflicts_with_all = ["agent", "read"], help_heading = PAST)]
    pub(crate) path: Option<PathBuf>,
}

impl KeptFlags {
    /// Refuses the file where nothing is read of it: unless the past is asked for, by `flags`.
    pub(crate) fn check(&self, is_past: bool, flags: &str) -> Result<(), Failure> {
        match self.path {
            Some(_) if !is_past => {
                Err(Failure::Usage(format!("--history needs a time of the past: add {flags}")))
            }
            _ => Ok(()),
        }
    }
}

/// When it was.
#[derive(Debug, Clone, Args)]
pub(crate) struct PastFlags {
    /// As it was at this time, by the history: 14:03, `yesterday 14:03`, 2026-11-28T14:03, `5m ago`
    #[arg(
        long, value_name = "TIME", value_parser = when::parse, conflicts_with_all = ["read", "source", "until"], help_heading = PAST
    )]
    pub(crate) at: Option<i64>,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
}

/// From when to when verdicts held.
#[derive(Debug, Clone, Args)]
pub(crate) struct PeriodFlags {
    /// Verdicts that held from this time on, by the history
    #[arg(
        long, value_name = "TIME", value_parser = when::parse, conflicts_with_all = ["at", "read", "source", "until"],
        help_heading = PAST
    )]
    pub(crate) from: Option<i64>,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "from", help_heading = PAST)]
    pub(crate) to: Option<i64>,
}

/// From when to when connections of `--closed` ended or failed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClosedFlags {
    /// With --closed: those that ended or failed from this time on, by the history
    #[arg(
        long, value_name = "TIME", value_parser = when::parse, requires = "closed", conflicts_with_all = ["read", "source", "until"],
        help_heading = PAST
    )]
    pub(crate) from: Option<i64>,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "from", help_heading = PAST)]
    pub(crate) to: Option<i64>,
}

/// From when to when connections ended or failed, and then those to come.
#[derive(Debug, Clone, Args)]
pub(crate) struct EndedFlags {
    /// First what ended or failed since this time, by the history: 14:03, `yesterday`, `5m ago`
    #[arg(long, value_name = "TIME", value_parser = when::parse, conflicts_with = "read", help_heading = PAST)]
    pub(crate) since: Option<i64>,
    /// Only up to this time, and nothing of what follows
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "since", help_heading = PAST)]
    pub(crate) to: Option<i64>,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
}

/// The error of the flags; that about `--at` of a command of the present names the flags of the past.
pub(super) fn advised(mut error: clap::Error) -> clap::Error {
    let flag = error.get(ContextKind::InvalidArg);
    let is_at = matches!(flag, Some(ContextValue::String(flag)) if flag == "--at");
    if is_at && error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::Usage);
        let advice = ContextValue::StyledStrs(vec![ADVICE.into()]);
        error.insert(ContextKind::Suggested, advice);
    }
    error
}

const ADVICE: &str = "this command shows the present only. `conns`, `conns why` and `conns streams` take --at, `conns events` takes \
    --since and --to, `conns --closed` and `conns why` take --from and --to, `conns sql` names the tables of the history, and \
    in `conns top` the key [ steps back";

/// The help heading of flags of the history.
const PAST: &str = "History";

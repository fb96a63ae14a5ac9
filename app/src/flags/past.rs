//! The flags of commands that answer from the history.

use std::path::PathBuf;

use clap::Args;

use crate::when;

/// Which history of this machine is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeptFlags {
    /// Read the history in FILE [default: that of the agent of this machine; env: CONNS_HISTORY_PATH]
    #[arg(long = "history", value_name = "FILE", conflicts_with_all = ["agent", "read"], help_heading = PAST)]
    pub(crate) path: Option<PathBuf>,
}

/// When it was.
#[derive(Debug, Clone, Args)]
pub(crate) struct PastFlags {
    /// As it was at this time, by the history: 14:03, `yesterday 14:03`, 2026-11-28T14:03, `5m ago`
    #[arg(long, value_name = "TIME", value_parser = when::parse, conflicts_with = "read", help_heading = PAST)]
    pub(crate) at: Option<i64>,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
}

/// From when to when verdicts held.
#[derive(Debug, Clone, Args)]
pub(crate) struct PeriodFlags {
    /// Verdicts that held from this time on, by the history
    #[arg(long, value_name = "TIME", value_parser = when::parse, conflicts_with_all = ["at", "read"], help_heading = PAST)]
    pub(crate) from: Option<i64>,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "from", help_heading = PAST)]
    pub(crate) to: Option<i64>,
}

/// From when to when connections ended or failed.
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

/// The help heading of flags of the history.
const PAST: &str = "History";

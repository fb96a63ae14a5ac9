//! Flags of `conns top`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use conns_tui::Screen;

use super::past::KeptFlags;
use super::{Among, parse_span};
use crate::completions;

#[derive(Debug, Args)]
pub(crate) struct TopFlags {
    #[command(flatten)]
    pub(crate) among: Among,
    /// Columns by name; `+name` and `-name` change the default, `all` is every field
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, add = completions::columns())]
    pub(crate) columns: Option<String>,
    /// Sort by these fields; `-name` is descending. Groups: by their field, `connections` or what they sum
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, add = completions::sort())]
    pub(crate) sort: Option<String>,
    /// One row for each value of a field, with sums; `l` opens one
    #[arg(long, value_name = "FIELD", add = completions::field())]
    pub(crate) group_by: Option<String>,
    /// What is shown first
    #[arg(long, value_enum, value_name = "VIEW", default_value_t = ViewFlag::Connections)]
    pub(crate) view: ViewFlag,
    /// Time between two samples of this machine; an agent has its own
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_span, conflicts_with = "read")]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
    /// Draw with ASCII only; the default where the locale is not UTF-8
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// The views behind the keys 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewFlag {
    /// Connections
    Connections,
    /// Processes
    Processes,
    /// Listening endpoints
    Listeners,
    /// Events, with failures and what closed
    Events,
    /// Media streams
    Streams,
    /// Transfers between hosts
    Transfers,
}

impl From<ViewFlag> for Screen {
    fn from(flag: ViewFlag) -> Self {
        match flag {
            ViewFlag::Connections => Self::Connections,
            ViewFlag::Processes => Self::Processes,
            ViewFlag::Listeners => Self::Listeners,
            ViewFlag::Events => Self::Events,
            ViewFlag::Streams => Self::Streams,
            ViewFlag::Transfers => Self::Transfers,
        }
    }
}

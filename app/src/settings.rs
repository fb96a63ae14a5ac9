//! The settings of the agent: one row of [`SETTINGS`] declares the key, flag, variable, kind, default
//! and help of each, and how it is stored in [`Config`].

mod config;
mod kind;
mod link;
mod parse;
mod table;

pub(crate) use config::{Config, History};
pub(crate) use kind::{Kind, Value};
pub(crate) use link::Link;
pub(crate) use parse::ServingProcess;
#[cfg(test)]
pub(crate) use parse::UserName;
pub(crate) use table::{SETTINGS, Setting};

/// The configuration file if neither `--config` nor `CONNS_CONFIG` names one; it may be missing.
#[cfg(not(windows))]
pub(crate) const DEFAULT_FILE: &str = "/etc/conns/conns.toml";
/// There only administrators can create it; `\etc` could be created by every user.
#[cfg(windows)]
pub(crate) const DEFAULT_FILE: &str = r"C:\Program Files\conns\conns.toml";

/// The environment variable with the path of the configuration file.
pub(crate) const FILE_VARIABLE: &str = "CONNS_CONFIG";

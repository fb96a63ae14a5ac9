//! Where a setting came from, and what is wrong with it: all of it at once, a line each.

use std::fmt;
use std::path::PathBuf;

use super::Setting;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// The configuration file; without a line if it could not be read at all.
    File {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// This variable.
    Environment(String),
    /// This flag, without its dashes.
    Flag(&'static str),
}

impl Origin {
    /// What errors are sorted by: the layer, and the line.
    pub(super) fn place(&self) -> (u8, usize) {
        match self {
            Self::Default => (0, 0),
            Self::File { line, .. } => (1, line.unwrap_or(0)),
            Self::Environment(_) => (2, 0),
            Self::Flag(_) => (3, 0),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub(crate) struct ConfigError {
    /// Where.
    pub(crate) at: Origin,
    /// What, and what was expected.
    pub(crate) what: String,
}

impl ConfigError {
    pub(super) fn new(at: Origin, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// Names the key too, where its place does not.
    pub(super) fn of(setting: &Setting, at: Origin, what: String) -> Self {
        match at {
            Origin::File { .. } | Origin::Default => {
                Self::new(at, format!("`{}`: {what}", setting.key))
            }
            Origin::Environment(_) | Origin::Flag(_) => Self::new(at, what),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of its layers; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "\n" };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

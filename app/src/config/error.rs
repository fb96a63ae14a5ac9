//! The origin of a setting, and the errors of a configuration: all at once, one per line.

use std::fmt;
use std::path::PathBuf;

use crate::settings::Setting;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The built-in default.
    Default,
    /// The configuration file; without a line if it could not be read.
    File {
        /// Its path.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// This environment variable.
    Environment(String),
    /// This flag, without its dashes.
    Flag(&'static str),
}

impl Origin {
    /// The sort key of errors: the layer, and the line.
    pub(super) fn order(&self) -> (u8, usize) {
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

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub(crate) struct ConfigError {
    /// The origin of the value.
    pub(crate) at: Origin,
    /// What is wrong, and what was expected.
    pub(crate) what: String,
}

impl ConfigError {
    pub(super) fn new(at: Origin, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// Names the key too, unless the origin does.
    pub(super) fn of(setting: &Setting, at: Origin, what: String) -> Self {
        match at {
            Origin::File { .. } | Origin::Default => {
                Self::new(at, format!("`{}`: {what}", setting.key))
            }
            Origin::Environment(_) | Origin::Flag(_) => Self::new(at, what),
        }
    }
}

/// All errors of a configuration, in the order of its layers; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

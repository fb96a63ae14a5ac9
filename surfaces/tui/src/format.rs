//! How what is shown is written.

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As `-o json`.
    Json,
    /// As `-o csv`.
    Csv,
    /// The command that gives it.
    Command,
}

impl Format {
    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Command];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Json => "JSON, to a file",
            Self::Csv => "CSV, to a file",
            Self::Command => "the command that gives it",
        }
    }

    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Json => "conns-top.json",
            Self::Csv | Self::Command => "conns-top.csv",
        }
    }
}

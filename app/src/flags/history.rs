//! The flags of `conns history`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::past::KeptFlags;
use crate::when;

/// How far back the history reaches, and how long it will.
#[derive(Debug, Args)]
pub(crate) struct HistoryFlags {
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = HistoryFormat::Table, value_name = "FORMAT")]
    pub(crate) output: HistoryFormat,
}

/// What else `conns history` does.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Write a kept table to a file, as Parquet or CSV
    Export(ExportFlags),
}

/// What is exported.
#[derive(Debug, Args)]
pub(crate) struct ExportFlags {
    /// The table: closed, failed, samples … (`conns sql --tables`)
    pub(crate) table: String,
    /// The file; `-` is standard output
    pub(crate) file: PathBuf,
    /// From this time on: 14:03, `yesterday`, 2026-11-28T14:03, `5m ago`
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(crate) from: Option<i64>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(crate) to: Option<i64>,
    /// The format [default: by the extension of the file, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryFormat {
    /// A table
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Apache Parquet, compressed with zstd
    Parquet,
    /// Comma-separated values
    Csv,
}

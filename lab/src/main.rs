//! `conns-lab`: the traffic peers, the matrix of scenarios, storms and soaks.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use conns_lab::{conns::Conns, matrix, peer::Role, soak, storm, try_path};

#[derive(Parser)]
#[command(name = "conns-lab", about = "Proof of conns against real kernels")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run one traffic peer.
    Peer {
        #[command(subcommand)]
        role: Role,
    },
    /// Run every case of every scenario and print which verdicts were right.
    Matrix {
        /// The conns binary; else $CONNS, else the one beside this program.
        #[arg(long)]
        conns: Option<PathBuf>,
        /// Only scenarios or cases whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Cases at the same time.
        #[arg(long, default_value_t = matrix::DEFAULT_JOBS)]
        jobs: usize,
        /// Do not run conns; print what `ss` shows of the expected sockets during the same window.
        #[arg(long)]
        ss: bool,
        /// Write the evidence of each case into this folder, as in corpus/verdict.
        #[arg(long, conflicts_with = "ss")]
        record: Option<PathBuf>,
    },
    /// Open and close very many connections in a namespace of their own.
    Storm(storm::Standalone),
    /// Open and close very many connections while `conns` watches, and print whether it reported each correctly.
    StormTruth(storm::Proof),
    /// Carry a path between two namespaces until standard input ends.
    Path(try_path::Options),
    /// Attack a `conns serve` for a while and check that it keeps its limits.
    Soak(soak::Options),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().action {
        Action::Peer { role } => role.run().map(|()| ExitCode::SUCCESS),
        Action::Matrix { conns, only, jobs, ss, record } => {
            if let Some(folder) = record {
                matrix::record_into(folder);
            }
            let judge = if ss {
                matrix::Judge::Ss
            } else {
                matrix::Judge::Conns(Conns::find(conns.as_deref())?)
            };
            let passed = matrix::run(&judge, only.as_deref(), jobs)?;
            Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Action::Storm(options) => options.run().map(|()| ExitCode::SUCCESS),
        Action::StormTruth(proof) => {
            let is_ok = proof.run()?;
            Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Action::Path(options) => options.run().map(|()| ExitCode::SUCCESS),
        Action::Soak(options) => {
            let verdict = soak::run(&options, |line| println!("{line}"))?;
            Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

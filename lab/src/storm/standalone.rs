//! A storm by hand, for other observers.

use std::io::{BufRead, stdin};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::{Options, Storm, write_ends};
use crate::netns::Namespace;

/// Arguments of `conns-lab storm`.
#[derive(Args, Clone, Debug)]
pub struct Standalone {
    #[command(flatten)]
    options: Options,
    /// Wait for a line on standard input before it starts, and for another before its namespace is removed.
    #[arg(long)]
    wait: bool,
    /// Write what each end did to FILE, one a line: number, side, local and remote address, bytes sent and received,
    /// whether it closed first.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Standalone {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        let program = std::env::current_exe().context("finding the own executable")?;
        let namespace = Namespace::create("storm")?;
        let storm = Storm::prepare(&program, &namespace, self.options)?;
        println!("ready in the namespace {}", namespace.name());
        self.wait()?;
        let done = storm.run()?;
        println!(
            "{} connections in {:.3} s: {:.0} a second; the latest started {:.1} ms late",
            done.count(),
            done.took.as_secs_f64(),
            done.rate(),
            done.latest.as_secs_f64() * 1e3,
        );
        if let Some(place) = &self.record {
            write_ends(place, &done.ends)?;
        }
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        if self.wait {
            stdin().lock().read_line(&mut String::new()).context("waiting for a line")?;
        }
        Ok(())
    }
}

//! The program `conns`: reads the flags, asks a `Face`, and hands the answer to a surface.

mod call;
mod failure;
mod fields;
mod flags;
mod list;
mod local;
mod terminal;
mod why;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use failure::Failure;
use flags::{Command, Flags};

/// The answer is there, but a part of it could not be read.
const INCOMPLETE: u8 = 3;

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => return failure::report_flags(&error),
    };
    match run(&flags) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(INCOMPLETE),
        Err(failure) => failure.report(),
    }
}

/// Runs the command; true if a part of the answer was lost.
fn run(flags: &Flags) -> Result<bool, Failure> {
    match &flags.command {
        None => return list::run(&flags.list),
        Some(Command::Why(why)) => return why::run(why),
        Some(Command::Call(call)) => return call::run(call),
        Some(Command::Fields(fields)) => fields::run(fields.output)?,
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Flags::command()).render(&mut page)?;
            write(&page)?;
        }
        Some(Command::Completions { shell }) => {
            // The generator panics where writing fails, so it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Flags::command(), "conns", &mut script);
            write(&script)?;
        }
    }
    Ok(false)
}

fn write(text: &[u8]) -> Result<(), Failure> {
    let mut out = terminal::stdout();
    out.write_all(text)?;
    Ok(out.flush()?)
}

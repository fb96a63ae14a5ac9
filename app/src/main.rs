//! The program `conns`: parses the flags, queries an [`Agent`](conns_api::Agent) and prints the answer.

mod abilities;
mod agent;
mod call;
mod closed;
mod completions;
mod config;
mod dialects;
mod environment;
mod events;
mod failure;
mod fields;
mod file;
mod flags;
mod follow;
mod history;
mod kept;
#[cfg(target_os = "linux")]
mod link;
mod list;
mod local;
mod losses;
mod misspelt_command;
mod pair_key;
mod past;
mod secret;
mod serve;
mod settings;
mod sql;
mod state_folder;
mod streams;
mod terminal;
mod top;
mod when;
mod why;

use std::process::ExitCode;

use clap::CommandFactory;

use failure::Failure;
use flags::serve::{ConfigCommand, DefaultFormat};
use flags::{Command, Flags};

/// Exit code of an incomplete answer.
const INCOMPLETE: u8 = 3;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(flags) = flags::serve::of_serving_process() {
        return match flags.map(|flags| serve::serving_process::run(&flags)) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(failure)) => failure.report(),
            Err(error) => failure::report_flags(&error),
        };
    }
    match completions::answer_if_asked(Flags::command) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return failure::report_flags(&error),
    }
    let flags = match Flags::read() {
        Ok(flags) => flags,
        Err(error) => return failure::report_flags(&error),
    };
    match run(&flags) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(INCOMPLETE),
        Err(failure) => failure.report(),
    }
}

/// Runs the command; true if the answer is incomplete.
fn run(flags: &Flags) -> Result<bool, Failure> {
    match &flags.command {
        None if flags.list.closed => return closed::run(&flags.list, &flags.agent),
        None => return list::run(&flags.list, &flags.agent),
        Some(Command::Events(events)) => return events::run(events, &flags.agent),
        Some(Command::Abilities(abilities)) => abilities::run(abilities, &flags.agent)?,
        Some(Command::Why(why)) => return why::run(why, &flags.agent),
        Some(Command::Top(top)) => top::run(top, &flags.agent)?,
        Some(Command::Streams(streams)) => return streams::run(streams, &flags.agent),
        Some(Command::Sql(sql)) => return sql::run(sql, &flags.agent),
        Some(Command::History(history)) => return history::run(history, &flags.agent),
        Some(Command::Call(call)) => return call::run(call, &flags.agent),
        Some(Command::Fields(fields)) => fields::run(fields.output)?,
        Some(Command::Serve(serve)) => serve::run(serve, &flags.agent.file)?,
        #[cfg(target_os = "linux")]
        Some(Command::Link(link)) => link::run(link)?,
        Some(Command::Config(config)) => terminal::write(explained(&config.command)?.as_bytes())?,
        Some(Command::Token) => {
            let (token, hash) =
                conns_server::new_token().map_err(|error| Failure::NoAnswer(error.to_string()))?;
            terminal::write(format!("token  {token}\nhash   {hash}\n").as_bytes())?;
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Flags::command()).render(&mut page)?;
            terminal::write(&page)?;
        }
        Some(Command::Completions { shell }) => {
            terminal::write(&completions::script(*shell)?)?;
        }
    }
    Ok(false)
}

/// The output of `conns config`.
fn explained(command: &ConfigCommand) -> Result<String, Failure> {
    Ok(match command {
        ConfigCommand::Explain(explain) => {
            config::explain(&serve::load_config(&explain.serve)?, explain.output)
        }
        ConfigCommand::Default(default) => match default.output {
            DefaultFormat::Toml => config::default_file(),
            DefaultFormat::Markdown => config::markdown(),
        },
    })
}

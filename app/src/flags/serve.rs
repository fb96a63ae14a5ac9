//! The flags of `conns serve` and `conns config`. Those of settings are generated from [`SETTINGS`].

#[cfg(target_os = "linux")]
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand, ValueEnum};

use crate::settings::{DEFAULT_FILE, Kind, SETTINGS, Setting};

/// The flags of `conns serve`: texts, which the configuration parses with those of the other layers.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeFlags {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The settings given as flags, each with its values.
    pub(crate) given: Vec<(&'static Setting, Vec<String>)>,
}

const CONFIG: &str = "config";

/// The first argument of the process that serves the clients of `conns serve`, which starts it. It is no command
/// of a user, so neither help nor completions have it.
#[cfg(target_os = "linux")]
pub(crate) const SERVING_PROCESS: &str = "serving-process";

/// The flags of the agent, if this is its serving process.
#[cfg(target_os = "linux")]
pub(crate) fn of_serving_process() -> Option<Result<ServeFlags, clap::Error>> {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    arguments.next().filter(|first| first == SERVING_PROCESS)?;
    let command = ServeFlags::augment_args(Command::new("conns serving-process"));
    let matches = command.try_get_matches_from(program.into_iter().chain(arguments));
    Some(matches.and_then(|matches| ServeFlags::from_arg_matches(&matches)))
}

impl ServeFlags {
    /// The arguments that these flags are parsed from.
    #[cfg(target_os = "linux")]
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let file = self.config.as_ref().map(|file| {
            let mut argument = OsString::from(format!("--{CONFIG}="));
            argument.push(file);
            argument
        });
        let given = self.given.iter().flat_map(|(setting, values)| {
            values.iter().map(|value| format!("--{}={value}", setting.flag).into())
        });
        file.into_iter().chain(given).collect()
    }
}

impl Args for ServeFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("Read this file instead of {DEFAULT_FILE}"));
        SETTINGS.iter().fold(command.arg(file), |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one(CONFIG).cloned();
        self.given = SETTINGS
            .iter()
            .filter_map(|setting| {
                let values = matches.get_many::<String>(setting.flag)?;
                Some((setting, values.cloned().collect()))
            })
            .collect();
        Ok(())
    }
}

/// The flag of a setting.
pub(super) fn argument(setting: &'static Setting) -> Arg {
    let mut help = setting.meaning.to_owned();
    match setting.kind {
        Kind::Texts if setting.default.is_empty() => help.push_str("; repeatable"),
        Kind::Texts => {
            let default = setting.default.replace(',', " ");
            help.push_str(&format!("; repeatable [default: {default}]"));
        }
        Kind::Switch if setting.default == "false" => {}
        _ if setting.default.is_empty() => {}
        _ => help.push_str(&format!(" [default: {}]", setting.default)),
    }
    let argument = Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.placeholder)
        .help(help)
        // Limits are in --help only.
        .hide_short_help(setting.key.starts_with("limits."));
    match setting.kind {
        Kind::Texts => argument.action(ArgAction::Append),
        Kind::Choice(words) => {
            argument.action(ArgAction::Set).value_parser(PossibleValuesParser::new(words))
        }
        Kind::Switch => argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_possible_values(true)
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        _ => argument.action(ArgAction::Set).allow_hyphen_values(true),
    }
}

/// `conns config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigFlags {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting as `conns serve` with the same flags would use it, and where it comes from
    Explain(ExplainFlags),
    /// Print a configuration file with every setting and its default
    Default(DefaultFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainFlags {
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = ExplainFormat::Text, value_name = "FORMAT")]
    pub(crate) output: ExplainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct DefaultFlags {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = DefaultFormat::Toml, value_name = "FORMAT")]
    pub(crate) output: DefaultFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// A table
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DefaultFormat {
    /// A configuration file
    Toml,
    /// The page docs/config.md
    Markdown,
}

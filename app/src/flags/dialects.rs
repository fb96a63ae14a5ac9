//! The settings of dialects that `conns call` has as flags: a part of the table of settings.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::serve::{ServeFlags, argument};
use crate::settings::Setting;

/// The keys of these settings. A call has no login and no length prefix.
const KEYS: [&str; 6] = [
    "show_credentials",
    "monero.peers",
    "monero.node",
    "monero.era",
    "monero.restricted",
    "ems.streams",
];

/// The help heading of these flags.
const HEADING: &str = "Dialects, as in conns serve";

/// The settings given, each with its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct DialectFlags {
    pub(crate) given: Vec<(&'static Setting, Vec<String>)>,
}

impl DialectFlags {
    /// The same flags of `conns serve`, without a configuration file.
    pub(crate) fn as_serve(&self) -> ServeFlags {
        ServeFlags { config: None, given: self.given.clone() }
    }
}

fn settings() -> impl Iterator<Item = &'static Setting> {
    KEYS.into_iter().filter_map(Setting::of_key)
}

impl Args for DialectFlags {
    fn augment_args(command: Command) -> Command {
        settings()
            .fold(command, |command, setting| command.arg(argument(setting).help_heading(HEADING)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DialectFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given = settings()
            .filter_map(|setting| {
                let values = matches.get_many::<String>(setting.flag)?;
                Some((setting, values.cloned().collect()))
            })
            .collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS, settings};

    #[test]
    fn every_key_is_one_of_a_setting() {
        assert!(settings().map(|setting| setting.key).eq(KEYS));
    }
}

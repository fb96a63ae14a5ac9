//! Filters of a single word that are meant as a command: `conns evnts`, `conns watch`.

use clap::{Command, CommandFactory};
use conns_core::query::nearest;

use crate::failure::Failure;
use crate::flags::Flags;

/// Words that users of other programs try as commands, and what they want.
const HABITS: [(&str, &str); 11] = [
    ("watch", "conns top"),
    ("monitor", "conns top"),
    ("live", "conns top"),
    ("list", "conns"),
    ("ls", "conns"),
    ("show", "conns"),
    ("status", "conns"),
    ("ports", "conns -l"),
    ("listeners", "conns -l"),
    ("explain", "conns why"),
    ("version", "conns --version"),
];

/// The error if nothing matched a single word that resembles a command.
pub(crate) fn failure(word: &str) -> Option<Failure> {
    let commands = Flags::command();
    let commands: Vec<&str> = commands.get_subcommands().map(Command::get_name).collect();
    let habit = HABITS.iter().find(|(habit, _)| habit.eq_ignore_ascii_case(word));
    let meant = match habit {
        Some((_, meant)) => (*meant).to_owned(),
        None => format!("conns {}", nearest(word, commands)?),
    };
    Some(Failure::Usage(format!(
        "`{word}` is no command, and as a filter it matches no connection; did you mean `{meant}`?"
    )))
}

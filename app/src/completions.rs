//! Completion of the command line in a shell. The script of `conns completions SHELL` runs this program with the variable
//! [`VARIABLE`] at each completion, so that names of fields and namespaces are those of the program and the machine.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Command;
use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate, Shell};
use conns_core::query::{Field, GroupColumn, catalogue, complete, find_field};

use crate::failure::Failure;

/// Holds the name of the shell while it completes.
const VARIABLE: &str = "CONNS_COMPLETE";

/// Directory of namespaces with a name (ip-netns(8)).
const NAMED_NAMESPACES: &str = "/run/netns";

/// Prints the completions, if a shell asks for them; whether one does.
pub(crate) fn answer_if_asked(command: fn() -> Command) -> Result<bool, clap::Error> {
    CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
}

/// The script that makes a shell complete `conns`.
pub(crate) fn script(shell: Shell) -> Result<Vec<u8>, Failure> {
    let mut script = Vec::new();
    let name = shell.to_string();
    let shells = Shells::builtins();
    let known = shells.completer(&name);
    let known = known.ok_or_else(|| Failure::Usage(format!("no completions for `{name}`")))?;
    known.write_registration(VARIABLE, "conns", "conns", "conns", &mut script)?;
    Ok(script)
}

/// Completes lists of columns: names of fields, or of the columns of groups with `--group-by`.
pub(crate) fn columns() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let more = [("all", "Every column"), ("snapshot", "Time and host, in CSV and JSON lines")];
        list(current, &more)
    })
}

/// Completes lists of fields to sort by.
pub(crate) fn sort() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| list(current, &[]))
}

/// Completes the name of a field.
pub(crate) fn field() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        beginning_with(&current.to_string_lossy(), fields(), |name| name.to_owned())
    })
}

/// Completes network namespaces.
pub(crate) fn netns() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let named = std::fs::read_dir(Path::new(NAMED_NAMESPACES)).into_iter().flatten().flatten();
        let named = named.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = named.collect();
        names.sort_unstable();
        names.push("self".to_owned());
        let names = names.iter().map(|name| (name.as_str(), ""));
        beginning_with(&current.to_string_lossy(), names, |name| name.to_owned())
    })
}

/// Completes words of a filter.
pub(crate) fn filter() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let words = words_before();
        // The first is the program. What stands before a flag is no filter.
        let at = words.iter().rposition(|word| word.starts_with('-')).unwrap_or(0);
        let before = words.get(at + 1..).unwrap_or_default();
        // A field is no value of another: then the first is the command `why`, which is a field too.
        let is_field = |at: usize| before.get(at).is_some_and(|word| find_field(word).is_some());
        let skipped = usize::from(at == 0 && is_field(0) && is_field(1));
        filter_candidates(before.get(skipped..).unwrap_or_default(), &current.to_string_lossy())
    })
}

fn filter_candidates(before: &[String], current: &str) -> Vec<CompletionCandidate> {
    // All fields would hide the commands.
    if before.is_empty() && current.is_empty() {
        return Vec::new();
    }
    let before = before.iter().map(|word| format!("{word} ")).collect::<String>();
    let filter = format!("{before}{current}");
    let completion = complete(&filter, filter.len());
    let Some(start) = completion.replaced.start.checked_sub(before.len()) else {
        return Vec::new();
    };
    let kept = current.get(..start).unwrap_or_default();
    // A shell reads signs outside of quotes itself; within quotes a filter has spaces.
    let is_quoted = current.contains(' ');
    let is_word = |text: &str| is_quoted || !text.contains(['<', '>', '=', '!', '~']);
    let candidates = completion.candidates.into_iter().filter(|one| is_word(&one.text));
    let made = candidates.map(|one| {
        let help = (!one.meaning.is_empty()).then(|| one.meaning.to_owned().into());
        CompletionCandidate::new(format!("{kept}{}", one.text)).help(help)
    });
    made.collect()
}

/// Completes the last name of a list with commas, which can have a sign.
fn list(current: &OsStr, more: &[(&'static str, &'static str)]) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let start = current.rfind(',').map_or(0, |comma| comma + 1);
    let (before, last) = current.split_at(start);
    let name = last.trim_start_matches(['+', '-']);
    let sign = last.strip_suffix(name).unwrap_or_default();
    let whole = |name: &str| format!("{before}{sign}{name}");
    let more = more.iter().copied();
    match grouped_by(&words_before()) {
        Some(field) => {
            let columns = GroupColumn::ALL.iter().map(|column| (column.name(field), ""));
            beginning_with(name, columns.chain(more), whole)
        }
        None => beginning_with(name, fields().chain(more), whole),
    }
}

/// The field of `--group-by`, if it is before the cursor.
fn grouped_by(words: &[String]) -> Option<&'static Field> {
    let at = words.iter().position(|word| word == "--group-by")?;
    find_field(words.get(at + 1)?)
}

fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    catalogue().iter().map(|field| (field.name, field.meaning))
}

/// Candidates of those names that begin with `start`, each made a whole word of the shell by `whole`.
fn beginning_with<'a>(
    start: &str,
    names: impl Iterator<Item = (&'a str, &'a str)>,
    whole: impl Fn(&str) -> String,
) -> Vec<CompletionCandidate> {
    let start = start.to_ascii_lowercase();
    names
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with(&start))
        .map(|(name, meaning)| {
            let help = (!meaning.is_empty()).then(|| meaning.to_owned().into());
            CompletionCandidate::new(whole(name)).help(help)
        })
        .collect()
}

/// The words of the command line before the one that is completed; the scripts write them behind `--`.
fn words_before() -> Vec<String> {
    let words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    // Bash and zsh send where the cursor is; elsewhere it is in the last word.
    let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    let count = index.unwrap_or(words.len().saturating_sub(1));
    words.iter().take(count).map(|word| word.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(before: &[&str], current: &str) -> Vec<String> {
        let before: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        let candidates = filter_candidates(&before, current);
        candidates.iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn values_of_a_closed_list_follow_its_field() {
        assert_eq!(offered(&["state"], "syn-s"), ["SYN-SENT"]);
        assert_eq!(offered(&["state", "=="], "est"), ["ESTAB", "established"]);
        assert_eq!(offered(&["direction", "!", "="], ""), ["inbound", "outbound"]);
        assert_eq!(offered(&["exclude"], "b"), ["BOUND", "bucket", "big"]);
        assert_eq!(
            offered(&[], "rtt > 5ms and verdict == buf"),
            ["rtt > 5ms and verdict == bufferbloat"]
        );
        assert!(offered(&["process", "=="], "ngi").is_empty(), "its values are no closed list");
    }

    #[test]
    fn other_words_are_names_of_fields() {
        assert_eq!(offered(&[], "remote_n"), ["remote_name", "remote_name_origin"]);
        assert_eq!(offered(&["rtt", ">", "5ms", "and"], "verd"), ["verdict"]);
        assert!(offered(&[], "").is_empty());
    }
}

//! Arguments before clap reads them: flags in front of a command, and flags as `ss`, `netstat` and `lsof` write them.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, ValueEnum};

use super::{Flags, Format};

/// Values of `-o` that other programs know; they are errors and not words of a filter.
const FOREIGN_FORMATS: [&str; 8] =
    ["yaml", "xml", "text", "txt", "tsv", "html", "ndjson", "pretty"];

/// The arguments as clap reads them; the first is the program.
pub(super) fn prepared(mut words: Vec<OsString>) -> Vec<OsString> {
    let command = Flags::command();
    let first = first_positional(&command, &words);
    let is_command = words.get(first).and_then(|word| word.to_str()).is_some_and(|word| {
        command.get_subcommands().any(|known| known.get_name() == word || word == "help")
    });
    if is_command {
        // In `conns --agent URL why 443` the flag would make `why` a word of the filter. A flag that the command does
        // not know is an error then.
        if let Some(flags_and_word) = words.get_mut(1..=first) {
            flags_and_word.rotate_right(1);
        }
        return words;
    }
    as_of_ss(&command, words)
}

/// The index of the first argument that is no flag and no value of one.
fn first_positional(command: &Command, words: &[OsString]) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let Some(flag) = word.to_str().filter(|word| word.starts_with('-') && *word != "-") else {
            break;
        };
        if flag == "--" {
            return words.len();
        }
        at += 1 + usize::from(takes_next(command, flag));
    }
    at
}

/// Whether the next argument is the value of `flag`.
fn takes_next(command: &Command, flag: &str) -> bool {
    let needs_value = |argument: &Arg| {
        let takes = argument.get_num_args().map_or(0, |range| range.min_values());
        argument.get_action().takes_values() && (takes > 0 || argument.get_num_args().is_none())
    };
    if let Some(long) = flag.strip_prefix("--") {
        let known = command.get_arguments().find(|known| known.get_long() == Some(long));
        return known.is_some_and(needs_value);
    }
    // The first flag of a group that takes a value takes the rest of the group, if there is one.
    let letters: Vec<char> = flag.chars().skip(1).collect();
    let with_value = letters.iter().position(|letter| {
        let known = command.get_arguments().find(|known| known.get_short() == Some(*letter));
        known.is_some_and(needs_value)
    });
    with_value.is_some_and(|at| at + 1 == letters.len())
}

/// Flags that have another meaning there: `-o` alone is timers, and `-p PID` is a process. `--watch` takes a value only if it
/// cannot be a port.
fn as_of_ss(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let mut prepared = Vec::with_capacity(words.len());
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else {
            prepared.push(word);
            continue;
        };
        if text == "--" {
            prepared.push(word);
            break;
        }
        let next = words.peek().and_then(|next| next.to_str()).map(str::to_owned);
        if text == "--watch" {
            let is_time = next.as_deref().is_some_and(is_time);
            match next.filter(|_| is_time) {
                Some(span) => {
                    words.next();
                    prepared.push(format!("--watch={span}").into());
                }
                None => prepared.push(word),
            }
            continue;
        }
        match Group::of(text, next.as_deref()) {
            Some(group) => {
                if group.takes_next {
                    words.next();
                }
                prepared.extend(group.flags.into_iter().map(OsString::from));
            }
            None => {
                // A value may look like flags: `--sort -rtt`.
                let value = words.next_if(|_| takes_next(command, text));
                prepared.push(word.clone());
                prepared.extend(value);
            }
        }
    }
    prepared.extend(words);
    prepared
}

/// A group of short flags, `-tulpn`, rewritten.
struct Group {
    flags: Vec<String>,
    /// The next argument is among the flags.
    takes_next: bool,
}

impl Group {
    /// The group `text` rewritten; `None` if it stays as it is.
    fn of(text: &str, next: Option<&str>) -> Option<Self> {
        let letters = text.strip_prefix('-')?;
        if !letters.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        if let Some(pid) = letters.strip_prefix('p').filter(|pid| is_pids(pid)) {
            return Some(Self { flags: vec![format!("--pid={pid}")], takes_next: false });
        }
        if let Some(others) = letters.strip_suffix('p')
            && let Some(pid) = next.filter(|next| is_pids(next))
        {
            let mut flags = vec![format!("--pid={pid}")];
            let others = format!("-{others}");
            flags.extend(
                Self::of(&others, None).map_or_else(|| vec![others.clone()], |group| group.flags),
            );
            flags.retain(|flag| flag != "-");
            return Some(Self { flags, takes_next: true });
        }
        let (before, after) = letters.split_once('o')?;
        let is_format = match after {
            "" => next.is_some_and(is_any_format),
            value => is_any_format(value.strip_prefix('=').unwrap_or(value)),
        };
        if is_format || !before.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let others = format!("{before}{after}");
        let mut flags = vec!["--timers".to_owned()];
        if !others.is_empty() {
            // `after` may hold another `o` or `p`.
            let rest = format!("-{others}");
            match Self::of(&rest, next) {
                Some(group) => {
                    flags.extend(group.flags);
                    return Some(Self { flags, takes_next: group.takes_next });
                }
                None => flags.push(rest),
            }
        }
        Some(Self { flags, takes_next: false })
    }
}

fn is_any_format(text: &str) -> bool {
    Format::from_str(text, true).is_ok() || FOREIGN_FORMATS.contains(&text)
}

/// Whether it has the form of a time and not of a port or an address: `5s`, `0.5`, also `5x` and `0`, which are errors.
fn is_time(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number(whole)
        && is_number(fraction)
        && (number.len() < text.len() || number.contains('.') || text == "0")
}

/// One pid, or several as `lsof` takes them.
fn is_pids(text: &str) -> bool {
    !text.is_empty()
        && text
            .split(',')
            .all(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn flags_may_precede_the_command() {
        for (typed, read) in [
            ("conns --agent u why 443", "conns why --agent u 443"),
            ("conns --agent=u --token-file f why", "conns why --agent=u --token-file f"),
            ("conns --agent u", "conns --agent u"),
            ("conns --agent", "conns --agent"),
            ("conns -t why", "conns why -t"),
            ("conns -4 --netns a -o json why 443", "conns why -4 --netns a -o json 443"),
            ("conns --sort rtt why", "conns why --sort rtt"),
            ("conns --watch why", "conns why --watch"),
            ("conns --agent u -l why", "conns why --agent u -l"),
            ("conns --agent u -- why", "conns --agent u -- why"),
            ("conns why --agent u", "conns why --agent u"),
            ("conns nginx --agent u why", "conns nginx --agent u why"),
            ("conns", "conns"),
        ] {
            assert_eq!(prepared(words(typed)), words(read), "{typed}");
        }
        let refused = Flags::try_parse_from(prepared(words("conns --sort rtt why")));
        assert!(refused.is_err(), "why has no --sort");
    }

    #[test]
    fn flags_of_ss_netstat_and_lsof_are_read() {
        for typed in [
            "-tulpn",
            "-tlnp",
            "-anp",
            "-n",
            "-p",
            "-H",
            "-e",
            "-i",
            "-m",
            "-o",
            "-tno",
            "-tinmoe",
            "-plunt",
            "-antup",
            "-p 12",
            "-tp 12",
            "-p12",
            "-p 12,13",
            "--json",
            "-o state established",
            "-P -n -i :443",
            "-ntop",
            "-on",
            "-onp 12",
        ] {
            let read = Flags::try_parse_from(prepared(words(&format!("conns {typed}"))));
            let list = read.unwrap_or_else(|error| panic!("{typed}: {error}")).list;
            assert_eq!(
                list.as_of_ss.timers,
                typed.split(' ').next().unwrap().contains('o') && !typed.starts_with("--"),
                "{typed}"
            );
            assert_eq!(!list.as_of_ss.pid.is_empty(), typed.contains("12"), "{typed}");
        }
        for (typed, output) in [
            ("-o json", Format::Json),
            ("-tojson", Format::Json),
            ("-to csv", Format::Csv),
            ("-o=wide", Format::Wide),
        ] {
            let read = Flags::try_parse_from(prepared(words(&format!("conns {typed}"))));
            let list = read.unwrap_or_else(|error| panic!("{typed}: {error}")).list;
            assert_eq!((list.output, list.as_of_ss.timers), (output, false), "{typed}");
        }
        assert!(Flags::try_parse_from(prepared(words("conns -o yaml"))).is_err());
    }

    #[test]
    fn watch_takes_times_and_no_ports() {
        for (typed, watch, filter) in [
            ("--watch", Some("2"), ""),
            ("--watch 443", Some("2"), "443"),
            ("--watch nginx", Some("2"), "nginx"),
            ("--watch 500ms nginx", Some("500ms"), "nginx"),
            ("--watch=5 nginx", Some("5"), "nginx"),
            ("nginx", None, "nginx"),
        ] {
            let read = Flags::try_parse_from(prepared(words(&format!("conns {typed}"))));
            let list = read.unwrap_or_else(|error| panic!("{typed}: {error}")).list;
            assert_eq!(list.watch.as_deref(), watch, "{typed}");
            assert_eq!(list.selection.among.filter.join(" "), filter, "{typed}");
        }
    }
}

//! The commands: what each is called, what it takes, and what it answers. Not how an answer is sent.
//!
//! The one idea: a command is one row of a table, from which both `help` and the calls are served.

use std::borrow::Cow;

use bytes::Bytes;
use conns_core::model::{Connection, Snapshot};

use super::State;
use super::entry::{Entry, Role, serial_of, write_entries};
use super::line::Call;
use super::print::{Form, Printer};
use crate::ResponseCache;

/// Room for a short answer, bytes.
const SHORT: usize = 256;
/// Bytes of one entry as JSON, about; a dump is longer.
const ENTRY: usize = 384;

/// What a call is answered, before it is framed.
#[derive(Debug)]
pub(super) struct Reply {
    /// Whether `status` is SUCCESS.
    pub(super) is_success: bool,
    /// What happened, or why not.
    pub(super) description: Cow<'static, str>,
    /// The data, written in the form that was asked for.
    pub(super) data: Bytes,
    /// Whether the caller wants the connection closed.
    pub(super) closes: bool,
}

impl Reply {
    fn success(description: &'static str, data: Bytes) -> Self {
        Self { is_success: true, description: description.into(), data, closes: false }
    }

    fn fail(description: impl Into<Cow<'static, str>>, form: Form) -> Self {
        let data = written(form, Printer::null);
        Self { is_success: false, description: description.into(), data, closes: false }
    }
}

/// A parameter, as `help` tells it.
struct Parameter {
    name: &'static str,
    description: &'static str,
    default: DefaultValue,
}

/// What `help` tells of a parameter that is not given.
enum DefaultValue {
    /// It is mandatory.
    None,
    Number(u64),
    Text(&'static str),
}

/// What every command takes.
const COMMAND_ID: Parameter = Parameter {
    name: "commandId",
    description: "Any text; the answer has it as responseId, so that it can be told from others",
    default: DefaultValue::Text("-No default value-"),
};

/// The commands, in the order `help` tells them.
const COMMANDS: [Command; 10] = [
    Command {
        name: "help",
        description: "Tells the commands",
        is_deprecated: false,
        parameters: &[],
        answer: help,
    },
    Command {
        name: "quit",
        description: "Closes this command line",
        is_deprecated: false,
        parameters: &[],
        answer: quit,
    },
    Command {
        name: "listConnections",
        description: "Tells everything about each active connection",
        is_deprecated: true,
        parameters: &[Parameter {
            name: "excludeNonNetworkProtocols",
            description: "Not 0: leaves out what no TCP or UDP socket carries",
            default: DefaultValue::Number(0),
        }],
        answer: list_connections,
    },
    Command {
        name: "listConnectionsIds",
        description: "Tells the id of each active connection",
        is_deprecated: false,
        parameters: &[],
        answer: list_connections_ids,
    },
    Command {
        name: "getConnectionInfo",
        description: "Tells everything about one connection",
        is_deprecated: false,
        parameters: &[Parameter {
            name: "id",
            description: "The id of any protocol of the connection, as listConnectionsIds tells it",
            default: DefaultValue::None,
        }],
        answer: connection_info,
    },
    Command {
        name: "getExtendedConnectionCounters",
        description: "Tells how many sockets of each kind there are, were at most, and were in all",
        is_deprecated: false,
        parameters: &[],
        answer: extended_counters,
    },
    Command {
        name: "getConnectionsCount",
        description: "Tells how many connections are active",
        is_deprecated: false,
        parameters: &[],
        answer: connections_count,
    },
    Command {
        name: "getConnectionsCountLimit",
        description: "Tells how many connections are active, and how many may be; 0 is no limit",
        is_deprecated: false,
        parameters: &[],
        answer: connections_count_limit,
    },
    Command {
        name: "resetMaxFdCounters",
        description: "Sets the highest counts to the current ones",
        is_deprecated: false,
        parameters: &[],
        answer: reset_max,
    },
    Command {
        name: "resetTotalFdCounters",
        description: "Sets the highest and the total counts to the current ones",
        is_deprecated: false,
        parameters: &[],
        answer: reset_total,
    },
];

struct Command {
    name: &'static str,
    description: &'static str,
    is_deprecated: bool,
    parameters: &'static [Parameter],
    answer: fn(&Asked<'_>) -> Reply,
}

/// A call and everything its answer depends on.
struct Asked<'a> {
    state: &'a State,
    call: &'a Call,
    cache: &'a ResponseCache,
    form: Form,
}

/// Answers `call` with its data written in `form`.
pub(super) fn answer(state: &State, call: &Call, cache: &ResponseCache, form: Form) -> Reply {
    let asked = Asked { state, call, cache, form };
    let known = COMMANDS.iter().find(|known| known.name.eq_ignore_ascii_case(&call.command));
    match known {
        Some(command) => (command.answer)(&asked),
        None => {
            let name = &call.command;
            Reply::fail(format!("command {name} not known. Type help for list of commands"), form)
        }
    }
}

fn help(asked: &Asked<'_>) -> Reply {
    let data = written(asked.form, |printer| {
        printer.array(|printer| COMMANDS.iter().for_each(|command| command.write(printer)));
    });
    Reply::success("Available commands", data)
}

fn quit(asked: &Asked<'_>) -> Reply {
    Reply { closes: true, ..Reply::success("Bye!", written(asked.form, Printer::null)) }
}

fn list_connections(asked: &Asked<'_>) -> Reply {
    let only_network = asked.call.flag("excludeNonNetworkProtocols").unwrap_or(false);
    let name = asked.list_name(if only_network { "list of the network" } else { "list" });
    let data = asked.cache.list(&name, |snapshot| {
        let listed = listed(asked.state, snapshot);
        let mut printer = Printer::new(asked.form, SHORT + listed.len() * ENTRY);
        let entries = listed.into_iter().filter_map(|one| Entry::of(one, snapshot.at));
        write_entries(&mut printer, entries, only_network);
        printer.into_bytes()
    });
    Reply::success("Available connections", data)
}

fn list_connections_ids(asked: &Asked<'_>) -> Reply {
    let data = asked.cache.list(&asked.list_name("ids"), |snapshot| {
        let entries =
            listed(asked.state, snapshot).into_iter().filter_map(|one| Entry::of(one, snapshot.at));
        let ids: Vec<u64> = entries.filter_map(|entry| entry.last_id()).collect();
        let mut printer = Printer::new(asked.form, SHORT);
        if ids.is_empty() {
            printer.null();
        } else {
            printer.array(|printer| ids.iter().for_each(|id| printer.unsigned(*id)));
        }
        printer.into_bytes()
    });
    Reply::success("Available connection IDs", data)
}

fn connection_info(asked: &Asked<'_>) -> Reply {
    if asked.call.arguments.is_empty() {
        return Reply::fail("Syntax error. No parameters provided", asked.form);
    }
    let Some(id) = asked.call.text("id").and_then(number) else {
        return Reply::fail("Syntax error. Parameter id is invalid", asked.form);
    };
    let snapshot = asked.cache.snapshot();
    let serial = serial_of(id);
    let entry = snapshot
        .connections
        .iter()
        .find(|one| one.stats.serial == serial && asked.state.options.streams.matches(one))
        .and_then(|one| Entry::of(one, snapshot.at))
        .filter(|entry| entry.has(id));
    match entry {
        Some(entry) => Reply::success(
            "Connection information",
            written(asked.form, |printer| entry.write(printer)),
        ),
        None => {
            // The upper half is the process id of an edge, in a cluster.
            let (edge, id) = (id >> 32, id & u64::from(u32::MAX));
            Reply::fail(format!("Connection {edge}:{id} not found"), asked.form)
        }
    }
}

fn extended_counters(asked: &Asked<'_>) -> Reply {
    let data = asked.state.counters(asked.cache.update(), |counters| {
        written(asked.form, |printer| counters.write(printer))
    });
    Reply::success("Connection counters", data)
}

fn connections_count(asked: &Asked<'_>) -> Reply {
    let count = asked.state.counters(asked.cache.update(), |counters| counters.carriers_now());
    let data = written(asked.form, |printer| {
        printer.object(|printer| {
            printer.key("count");
            printer.unsigned(count);
        });
    });
    Reply::success("Active connections count", data)
}

fn connections_count_limit(asked: &Asked<'_>) -> Reply {
    let current = asked.state.counters(asked.cache.update(), |counters| counters.carriers_now());
    let data = written(asked.form, |printer| {
        printer.object(|printer| {
            printer.key("current");
            printer.unsigned(current);
            // Nothing is limited here.
            printer.key("limit");
            printer.unsigned(0);
        });
    });
    Reply::success("Connection counters", data)
}

fn reset_max(asked: &Asked<'_>) -> Reply {
    asked.state.counters(asked.cache.update(), |counters| counters.reset_max());
    Reply::success("Max counters are cleared", written(asked.form, Printer::null))
}

fn reset_total(asked: &Asked<'_>) -> Reply {
    asked.state.counters(asked.cache.update(), |counters| counters.reset_total());
    Reply::success("Total counters are cleared", written(asked.form, Printer::null))
}

impl Asked<'_> {
    /// The name a list has on the shelf: all it depends on besides the beat.
    fn list_name(&self, what: &str) -> String {
        format!("ems {what} {:?} {}", self.form, self.state.options.streams)
    }
}

impl Command {
    fn write(&self, printer: &mut Printer) {
        printer.object(|printer| {
            printer.key("command");
            printer.text(self.name);
            printer.key("deprecated");
            printer.boolean(self.is_deprecated);
            printer.key("description");
            printer.text(self.description);
            printer.key("parameters");
            printer.array(|printer| {
                self.parameters.iter().chain([&COMMAND_ID]).for_each(|one| one.write(printer));
            });
        });
    }
}

impl Parameter {
    fn write(&self, printer: &mut Printer) {
        printer.object(|printer| {
            printer.key("defaultValue");
            match self.default {
                DefaultValue::None => printer.null(),
                DefaultValue::Number(number) => printer.unsigned(number),
                DefaultValue::Text(text) => printer.text(text),
            }
            printer.key("description");
            printer.text(self.description);
            printer.key("mandatory");
            printer.boolean(matches!(self.default, DefaultValue::None));
            printer.key("name");
            printer.text(self.name);
        });
    }
}

/// The connections that are listed, oldest first: so the ids ascend.
fn listed<'a>(state: &State, snapshot: &'a Snapshot) -> Vec<&'a Connection> {
    let mut listed: Vec<&Connection> = snapshot
        .connections
        .iter()
        .filter(|one| Role::of(one).is_some_and(Role::is_carrier))
        .filter(|one| state.options.streams.matches(one))
        .collect();
    listed.sort_unstable_by_key(|one| one.stats.serial);
    listed
}

/// An integer written the one way it is printed: so neither `+5` nor `007`. Larger than a signed
/// one of 64 bits cannot be given, because RMS reads it by `atoll`.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let number: i64 = text.parse().ok()?;
    let is_as_printed = itoa::Buffer::new().format(number) == text;
    u64::try_from(number).ok().filter(|_| is_as_printed)
}

fn written(form: Form, write: impl FnOnce(&mut Printer)) -> Bytes {
    let mut printer = Printer::new(form, SHORT);
    write(&mut printer);
    printer.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, number};

    #[test]
    fn a_number_is_given_as_it_is_printed() {
        let cases = [
            ("71", Some(71)),
            (" 71\t", Some(71)),
            ("0", Some(0)),
            ("9223372036854775807", Some(9_223_372_036_854_775_807)),
            ("9223372036854775808", None),
            ("071", None),
            ("+71", None),
            ("-1", None),
            ("-0", None),
            ("71x", None),
            ("0x47", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_command_is_called_like_another() {
        let mut names = COMMANDS.map(|command| command.name.to_ascii_lowercase());
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}

//! The commands: their names, parameters and replies. Each is one row of `COMMANDS`, which serves both
//! `help` and the calls.

mod connections;
mod request;
mod streams;

use super::line::Call;
use super::print::{Form, Printer};
use super::state::State;
use crate::cache::ResponseCache;

use connections::{
    connection_info, connections_count, connections_count_limit, extended_counters,
    list_connections, list_connections_ids, reset_max, reset_total,
};
pub(super) use request::Reply;
use request::{Request, written};
use streams::{
    clients_connected, is_inbound, list_inbound_stream_names, list_streams, list_streams_ids,
    stream_info, streams_count,
};

/// A parameter, as in `help`.
struct Parameter {
    name: &'static str,
    description: &'static str,
    default: DefaultValue,
}

/// The default of a parameter, as in `help`.
enum DefaultValue {
    /// The parameter is mandatory.
    None,
    Number(u64),
    Text(&'static str),
}

/// The parameter of every command.
const COMMAND_ID: Parameter = Parameter {
    name: "commandId",
    description: "Any text; the answer repeats it as responseId",
    default: DefaultValue::Text("-No default value-"),
};

/// Internal streams are those between the processes of a cluster; here are none.
const INTERNAL_STREAMS: Parameter = Parameter {
    name: "disableInternalStreams",
    description: "Not 0: without streams between the processes of a cluster",
    default: DefaultValue::Number(1),
};

/// The commands, in the order of `help`.
const COMMANDS: [Command; 18] = [
    Command {
        name: "help",
        description: "Lists the commands",
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
        description: "Lists each active connection with all details",
        is_deprecated: true,
        parameters: &[Parameter {
            name: "excludeNonNetworkProtocols",
            description: "Not 0: only connections on a TCP or UDP socket",
            default: DefaultValue::Number(0),
        }],
        answer: list_connections,
    },
    Command {
        name: "listConnectionsIds",
        description: "Lists the id of each active connection",
        is_deprecated: false,
        parameters: &[],
        answer: list_connections_ids,
    },
    Command {
        name: "getConnectionInfo",
        description: "Returns all details of one connection",
        is_deprecated: false,
        parameters: &[Parameter {
            name: "id",
            description: "The id of any protocol of the connection, as in listConnectionsIds",
            default: DefaultValue::None,
        }],
        answer: connection_info,
    },
    Command {
        name: "listStreams",
        description: "Lists each active stream with all details",
        is_deprecated: false,
        parameters: &[INTERNAL_STREAMS],
        answer: |request| list_streams(request, "Available streams", |_| true),
    },
    Command {
        name: "listInboundStreams",
        description: "Lists each active stream that is received, with all details",
        is_deprecated: false,
        parameters: &[INTERNAL_STREAMS],
        answer: |request| list_streams(request, "Available inbound streams", is_inbound),
    },
    Command {
        name: "listStreamsIds",
        description: "Lists the id of each active stream",
        is_deprecated: false,
        parameters: &[INTERNAL_STREAMS],
        answer: list_streams_ids,
    },
    Command {
        name: "listInboundStreamNames",
        description: "Lists the name of each active stream that is received",
        is_deprecated: false,
        parameters: &[INTERNAL_STREAMS],
        answer: list_inbound_stream_names,
    },
    Command {
        name: "getStreamInfo",
        description: "Returns all details of one stream",
        is_deprecated: false,
        parameters: &[
            Parameter {
                name: "id",
                description: "The id of the stream, as in listStreamsIds",
                default: DefaultValue::Number(0),
            },
            Parameter {
                name: "localStreamName",
                description: "The name of the stream, if there is no id",
                default: DefaultValue::Text(""),
            },
        ],
        answer: stream_info,
    },
    Command {
        name: "getStreamsCount",
        description: "Returns the number of active streams",
        is_deprecated: false,
        parameters: &[],
        answer: |request| streams_count(request, "streamCount", "Active streams count", |_| true),
    },
    Command {
        name: "getInboundStreamsCount",
        description: "Returns the number of active streams that are received",
        is_deprecated: false,
        parameters: &[],
        answer: |request| {
            streams_count(request, "inboundStreamsCount", "Active inbound streams", is_inbound)
        },
    },
    Command {
        name: "clientsConnected",
        description: "Returns the number of streams that are sent, of all or of one name",
        is_deprecated: false,
        parameters: &[Parameter {
            name: "localStreamName",
            description: "Only those of the stream of this name",
            default: DefaultValue::Text(""),
        }],
        answer: clients_connected,
    },
    Command {
        name: "getExtendedConnectionCounters",
        description: "Returns the current, highest and total number of sockets of each kind",
        is_deprecated: false,
        parameters: &[],
        answer: extended_counters,
    },
    Command {
        name: "getConnectionsCount",
        description: "Returns the number of active connections",
        is_deprecated: false,
        parameters: &[],
        answer: connections_count,
    },
    Command {
        name: "getConnectionsCountLimit",
        description: "Returns the number of active connections and its limit; 0 is no limit",
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
    answer: fn(&Request<'_>) -> Reply,
}

/// The names of the commands, in the order of `help`.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// The reply to `call`, with its data in `form`.
pub(super) fn answer(state: &State, call: &Call, cache: &ResponseCache, form: Form) -> Reply {
    let request = Request { state, call, cache, form };
    let known = COMMANDS.iter().find(|known| known.name.eq_ignore_ascii_case(&call.command));
    match known {
        Some(command) => (command.answer)(&request),
        None => {
            let name = &call.command;
            Reply::fail(format!("command {name} not known. Type help for list of commands"), form)
        }
    }
}

fn help(request: &Request<'_>) -> Reply {
    let data = written(request.form, |printer| {
        printer.array(|printer| COMMANDS.iter().for_each(|command| command.write(printer)));
    });
    Reply::success("Available commands", data)
}

fn quit(request: &Request<'_>) -> Reply {
    Reply { closes: true, ..Reply::success("Bye!", written(request.form, Printer::null)) }
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

#[cfg(test)]
mod tests {
    use super::COMMANDS;
    use super::request::number;

    #[test]
    fn a_number_is_read_in_its_canonical_form() {
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
    fn command_names_are_unique_in_any_case() {
        let mut names = COMMANDS.map(|command| command.name.to_ascii_lowercase());
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}

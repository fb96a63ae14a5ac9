//! The commands: their names, parameters and replies. Each is one row of `COMMANDS`, which serves both
//! `help` and the calls.

use std::borrow::Cow;

use bytes::Bytes;
use conns_core::model::{Connection, Snapshot};

use super::entry::{Entry, Role, write_entries};
use super::line::Call;
use super::print::{Form, Printer};
use super::server;
use super::state::State;
use super::stream::StreamEntry;
use crate::cache::ResponseCache;

/// Room for a short answer, bytes.
const SHORT: usize = 256;
/// Approximate length of an entry as JSON, bytes; a dump is longer.
const ENTRY: usize = 384;
/// Approximate length of a stream as JSON, bytes.
const STREAM: usize = 1024;

/// The reply to a call, before framing.
#[derive(Debug)]
pub(super) struct Reply {
    /// Whether `status` is SUCCESS.
    pub(super) is_success: bool,
    /// The result or the error, as text.
    pub(super) description: Cow<'static, str>,
    /// The data, in the form requested.
    pub(super) data: Bytes,
    /// Whether the connection is closed after the reply.
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

/// A call and everything its reply depends on.
struct Request<'a> {
    state: &'a State,
    call: &'a Call,
    cache: &'a ResponseCache,
    form: Form,
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

fn list_connections(request: &Request<'_>) -> Reply {
    let only_network = request.call.flag("excludeNonNetworkProtocols").unwrap_or(false);
    let name = request.list_name(if only_network { "list of the network" } else { "list" });
    let data = request.cache.list(&name, |snapshot| {
        let entries = entries(request, snapshot);
        let mut printer = Printer::new(request.form, SHORT + entries.len() * ENTRY);
        write_entries(&mut printer, &entries, only_network);
        printer.into_bytes()
    });
    Reply::success("Available connections", data)
}

fn list_connections_ids(request: &Request<'_>) -> Reply {
    let data = request.cache.list(&request.list_name("ids"), |snapshot| {
        let entries = entries(request, snapshot);
        let ids: Vec<u64> = entries.iter().filter_map(Entry::last_id).collect();
        let mut printer = Printer::new(request.form, SHORT);
        if ids.is_empty() {
            printer.null();
        } else {
            printer.array(|printer| ids.iter().for_each(|id| printer.unsigned(*id)));
        }
        printer.into_bytes()
    });
    Reply::success("Available connection IDs", data)
}

fn connection_info(request: &Request<'_>) -> Reply {
    if request.call.arguments.is_empty() {
        return Reply::fail("Syntax error. No parameters provided", request.form);
    }
    let Some(id) = request.call.text("id").and_then(number) else {
        return Reply::fail("Syntax error. Parameter id is invalid", request.form);
    };
    let entry = entries(request, request.cache.snapshot()).into_iter().find(|one| one.has(id));
    match entry {
        Some(entry) => Reply::success(
            "Connection information",
            written(request.form, |printer| entry.write(printer)),
        ),
        None => {
            // In a cluster the upper half is the process id of an edge.
            let (edge, id) = (id >> 32, id & u64::from(u32::MAX));
            Reply::fail(format!("Connection {edge}:{id} not found"), request.form)
        }
    }
}

fn is_inbound(stream: &StreamEntry) -> bool {
    !stream.is_output
}

/// The streams of the selected connections, in ascending order of their ids.
fn streams(request: &Request<'_>, snapshot: &Snapshot) -> Vec<StreamEntry> {
    let entries = entries(request, snapshot);
    let mut streams: Vec<StreamEntry> =
        entries.into_iter().flat_map(|one| one.top.streams).collect();
    streams.sort_by_key(|stream| stream.id);
    streams
}

fn list_streams(
    request: &Request<'_>,
    description: &'static str,
    is_listed: fn(&StreamEntry) -> bool,
) -> Reply {
    let data = request.cache.list(&request.list_name(description), |snapshot| {
        let streams = streams(request, snapshot);
        let mut listed = streams.iter().filter(|stream| is_listed(stream)).peekable();
        let mut printer = Printer::new(request.form, SHORT + streams.len() * STREAM);
        if listed.peek().is_none() {
            printer.null();
        } else {
            printer.array(|printer| {
                listed.for_each(|stream| stream.write(printer, snapshot.at.wall_us, true));
            });
        }
        printer.into_bytes()
    });
    Reply::success(description, data)
}

fn list_streams_ids(request: &Request<'_>) -> Reply {
    let data = request.cache.list(&request.list_name("stream ids"), |snapshot| {
        let streams = streams(request, snapshot);
        let mut printer = Printer::new(request.form, SHORT);
        if streams.is_empty() {
            printer.null();
        } else {
            printer.array(|printer| streams.iter().for_each(|stream| printer.unsigned(stream.id)));
        }
        printer.into_bytes()
    });
    Reply::success("Available stream IDs", data)
}

fn list_inbound_stream_names(request: &Request<'_>) -> Reply {
    let data = request.cache.list(&request.list_name("stream names"), |snapshot| {
        let streams = streams(request, snapshot);
        let mut listed = streams.iter().filter(|stream| is_inbound(stream)).peekable();
        let mut printer = Printer::new(request.form, SHORT);
        if listed.peek().is_none() {
            printer.null();
        } else {
            printer.array(|printer| {
                for stream in listed {
                    printer.object(|printer| {
                        printer.key("name");
                        printer.text(&stream.name);
                    });
                }
            });
        }
        printer.into_bytes()
    });
    Reply::success("Inbound local stream names", data)
}

fn stream_info(request: &Request<'_>) -> Reply {
    if request.call.arguments.is_empty() {
        return Reply::fail("Syntax error. No parameters provided", request.form);
    }
    let id = match request.call.text("id") {
        Some(text) => match number(text) {
            Some(id) => id,
            None => return Reply::fail("Syntax error. Parameter id is invalid", request.form),
        },
        None => 0,
    };
    let name = request.call.text("localStreamName");
    let snapshot = request.cache.snapshot();
    let is_meant = |stream: &StreamEntry| match id {
        0 => Some(stream.name.as_str()) == name,
        id => stream.id == id,
    };
    match streams(request, snapshot).into_iter().find(is_meant) {
        Some(stream) => Reply::success(
            "Stream information",
            written(request.form, |printer| stream.write(printer, snapshot.at.wall_us, false)),
        ),
        None => {
            let (edge, id) = (id >> 32, id & u64::from(u32::MAX));
            Reply::fail(format!("Stream {edge}:{id} not found"), request.form)
        }
    }
}

fn streams_count(
    request: &Request<'_>,
    key: &'static str,
    description: &'static str,
    is_counted: fn(&StreamEntry) -> bool,
) -> Reply {
    let streams = streams(request, request.cache.snapshot());
    let count = streams.iter().filter(|stream| is_counted(stream)).count() as u64;
    Reply::success(description, count_of(request.form, key, count))
}

fn clients_connected(request: &Request<'_>) -> Reply {
    let name = request.call.text("localStreamName").filter(|name| !name.is_empty());
    let is_client =
        |stream: &&StreamEntry| stream.is_output && name.is_none_or(|name| stream.name == name);
    let streams = streams(request, request.cache.snapshot());
    let count = streams.iter().filter(is_client).count() as u64;
    let description = format!("{} outbound client connections count", request.state.options.brand);
    Reply {
        is_success: true,
        description: description.into(),
        data: count_of(request.form, "outboundCount", count),
        closes: false,
    }
}

/// An object of one number.
fn count_of(form: Form, key: &'static str, count: u64) -> Bytes {
    written(form, |printer| {
        printer.object(|printer| {
            printer.key(key);
            printer.unsigned(count);
        });
    })
}

fn extended_counters(request: &Request<'_>) -> Reply {
    let data = request.state.counters(request.cache.update(), |counters| {
        written(request.form, |printer| counters.write(printer))
    });
    Reply::success("Connection counters", data)
}

fn connections_count(request: &Request<'_>) -> Reply {
    let count = request.state.counters(request.cache.update(), |counters| counters.carriers_now());
    Reply::success("Active connections count", count_of(request.form, "count", count))
}

fn connections_count_limit(request: &Request<'_>) -> Reply {
    let current =
        request.state.counters(request.cache.update(), |counters| counters.carriers_now());
    let data = written(request.form, |printer| {
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

fn reset_max(request: &Request<'_>) -> Reply {
    request.state.counters(request.cache.update(), |counters| counters.reset_max());
    Reply::success("Max counters are cleared", written(request.form, Printer::null))
}

fn reset_total(request: &Request<'_>) -> Reply {
    request.state.counters(request.cache.update(), |counters| counters.reset_total());
    Reply::success("Total counters are cleared", written(request.form, Printer::null))
}

impl Request<'_> {
    /// The key of a list in the response cache: all it depends on besides the update.
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

/// The entries of the selected connections, in ascending order of their ids.
fn entries(request: &Request<'_>, snapshot: &Snapshot) -> Vec<Entry> {
    let mut listed: Vec<&Connection> = snapshot
        .connections
        .iter()
        .filter(|one| Role::of(one).is_some_and(Role::is_carrier))
        .filter(|one| request.state.options.streams.matches(one))
        .collect();
    listed.sort_unstable_by_key(|one| one.stats.serial);
    server::entries(&listed, &request.cache.update().files, snapshot.at)
}

/// An integer in its canonical form: neither `+5` nor `007`. At most `i64::MAX`, because RMS parses
/// it with `atoll`.
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

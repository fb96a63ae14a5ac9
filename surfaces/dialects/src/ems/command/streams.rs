//! The commands about streams.

use conns_core::model::Snapshot;

use super::request::{Reply, Request, SHORT, count_of, entries, number, written};
use crate::ems::print::Printer;
use crate::ems::stream::StreamEntry;

/// Approximate length of a stream as JSON, bytes.
const STREAM: usize = 1024;

pub(super) fn is_inbound(stream: &StreamEntry) -> bool {
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

pub(super) fn list_streams(
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

pub(super) fn list_streams_ids(request: &Request<'_>) -> Reply {
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

pub(super) fn list_inbound_stream_names(request: &Request<'_>) -> Reply {
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

pub(super) fn stream_info(request: &Request<'_>) -> Reply {
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

pub(super) fn streams_count(
    request: &Request<'_>,
    key: &'static str,
    description: &'static str,
    is_counted: fn(&StreamEntry) -> bool,
) -> Reply {
    let streams = streams(request, request.cache.snapshot());
    let count = streams.iter().filter(|stream| is_counted(stream)).count() as u64;
    Reply::success(description, count_of(request.form, key, count))
}

pub(super) fn clients_connected(request: &Request<'_>) -> Reply {
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

//! The commands about connections and their counters.

use super::request::{Reply, Request, SHORT, count_of, entries, number, written};
use crate::ems::entry::{Entry, write_entries};
use crate::ems::print::Printer;

/// Approximate length of an entry as JSON, bytes; a dump is longer.
const ENTRY: usize = 384;

pub(super) fn list_connections(request: &Request<'_>) -> Reply {
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

pub(super) fn list_connections_ids(request: &Request<'_>) -> Reply {
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

pub(super) fn connection_info(request: &Request<'_>) -> Reply {
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

pub(super) fn extended_counters(request: &Request<'_>) -> Reply {
    let data = request.state.counters(request.cache.update(), |counters| {
        written(request.form, |printer| counters.write(printer))
    });
    Reply::success("Connection counters", data)
}

pub(super) fn connections_count(request: &Request<'_>) -> Reply {
    let count = request.state.counters(request.cache.update(), |counters| counters.carriers_now());
    Reply::success("Active connections count", count_of(request.form, "count", count))
}

pub(super) fn connections_count_limit(request: &Request<'_>) -> Reply {
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

pub(super) fn reset_max(request: &Request<'_>) -> Reply {
    request.state.counters(request.cache.update(), |counters| counters.reset_max());
    Reply::success("Max counters are cleared", written(request.form, Printer::null))
}

pub(super) fn reset_total(request: &Request<'_>) -> Reply {
    request.state.counters(request.cache.update(), |counters| counters.reset_total());
    Reply::success("Total counters are cleared", written(request.form, Printer::null))
}

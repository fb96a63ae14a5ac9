//! `conns call`: the answer to a call of another system, in that system's shape.
//!
//! Invariant: the bytes come from the dialect that also serves the port of that system. Only the
//! formats of 1E's tables that no port sends are written here.

mod request;

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use conns_api::{Pace, next_update};
use conns_core::model::{OpenFile, Snapshot, Transfer, Update};
use conns_core::track::Retention;
use conns_dialects::jetstream::{self, Backend, Service};
use conns_dialects::one_e::{Cell, ColumnType, Method, OneE, Table, answer};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, ResponseCache};
use conns_engine::Purpose;
use conns_print::{Layout, plain_table, printable};
use http::header::ACCEPT;

use crate::agent;
use crate::config::{self, Config};
use crate::dialects::{ems_server, host_name, monero_node, secret};
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, CallFlags, Colour, Format};
use crate::terminal;
use request::Request;

/// Runs a call; true if a part of the answer was lost.
pub(crate) fn run(flags: &CallFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    let request = Request::read(&flags.call)?;
    if flags.output != Format::Json && !matches!(request, Request::OneE(_)) {
        return Err(Failure::Usage(format!(
            "--output is for the tables of 1E; `{}` is answered in JSON",
            flags.call
        )));
    }
    let config = read_config(flags)?;
    if config.show_credentials {
        conns_core::decode::show_credentials();
    }
    let mut ask = request.ask();
    ask.namespaces.clone_from(&flags.netns);
    let host_name = (!agent::is_remote(agent_flags, flags.source)).then(host_name).flatten();
    let mut agent = agent::open(agent_flags, flags.source, Retention::None, Purpose::Sample)?;
    let mut updates = agent.updates(&ask, Pace::default())?;
    let Update { snapshot, files, transfers, .. } = Update::clone(&*next_update(&mut *updates)?);
    let is_remote = agent::is_remote(agent_flags, flags.source);
    let seen = Seen { snapshot, files, transfers, is_remote };
    let mut out = terminal::stdout();
    match &request {
        Request::OneE(method) if flags.output != Format::Json => {
            print_table(&mut out, flags, *method, &seen)?;
        }
        _ => write_body(&mut out, &respond(&request, &config, host_name, &seen)?)?,
    }
    out.flush()?;
    Ok(report_losses(&seen.snapshot.losses))
}

/// The defaults and the flags: neither file nor variables, which are those of an agent.
fn read_config(flags: &CallFlags) -> Result<Config, Failure> {
    let missing = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
    config::load(&flags.dialects.as_serve(), |_| None, missing)
        .map(|loaded| loaded.config)
        .map_err(|errors| Failure::Usage(errors.to_string()))
}

/// What the port of the system sends.
fn respond(
    request: &Request,
    config: &Config,
    host_name: Option<String>,
    seen: &Seen,
) -> Result<Vec<Bytes>, Failure> {
    let no_answer = |error: getrandom::Error| Failure::NoAnswer(error.to_string());
    match request {
        Request::OneE(method) => {
            post(&OneE, "/", "application/json", method.to_string().into(), seen)
        }
        Request::Monero(body) => {
            let node = monero_node(config, secret().map_err(no_answer)?);
            post(&node, "/json_rpc", "*/*", body.clone(), seen)
        }
        Request::Ems(line) => {
            let mut config = config.clone();
            config.ems.length_prefix = false;
            let outcome = ems_server(&config).json_cli().answer(line.as_bytes(), &cache(seen)?);
            Ok(outcome.chunks)
        }
        Request::JetStream(message) => {
            let backend = if seen.is_remote { Backend::None } else { link_server() };
            let options = jetstream::Options { host_name, backend, ..Default::default() };
            let service = Service::new(options);
            post(&service.http(), "/", "*/*", message.clone(), seen)
        }
    }
}

/// The link server of this machine that answers calls about transfers.
#[cfg(target_os = "linux")]
fn link_server() -> Backend {
    crate::link::forward().map_or(Backend::None, Backend::Forward)
}

/// There is no link server on this system.
#[cfg(not(target_os = "linux"))]
fn link_server() -> Backend {
    Backend::None
}

/// The body of the response to a POST.
fn post(
    dialect: &impl HttpDialect,
    path: &str,
    accept: &str,
    body: Bytes,
    seen: &Seen,
) -> Result<Vec<Bytes>, Failure> {
    let request = http::Request::post(path).header(ACCEPT, accept).body(body);
    let request = request.map_err(|error| Failure::NoAnswer(error.to_string()))?;
    match dialect.answer(&request, &cache(seen)?) {
        HttpOutcome::Answer(response) => Ok(response.into_body()),
        HttpOutcome::Hangup => Err(Failure::NoAnswer(
            "this system closes the connection on such a request, without an answer".to_owned(),
        )),
    }
}

/// What dialects answer from.
struct Seen {
    snapshot: Arc<Snapshot>,
    files: Arc<[OpenFile]>,
    transfers: Arc<[Transfer]>,
    is_remote: bool,
}

/// A response cache of it.
fn cache(seen: &Seen) -> Result<ResponseCache, Failure> {
    let instance = getrandom::u64().map_err(|error| Failure::NoAnswer(error.to_string()))?;
    Ok(ResponseCache::new(Arc::new(Update {
        instance,
        snapshot: Arc::clone(&seen.snapshot),
        files: Arc::clone(&seen.files),
        transfers: Arc::clone(&seen.transfers),
        closed_complete_since: seen.snapshot.sequence,
        ..Update::default()
    })))
}

/// The body, and a line end unless it has one.
fn write_body(out: &mut impl Write, body: &[Bytes]) -> io::Result<()> {
    for chunk in body {
        out.write_all(chunk)?;
    }
    match body.last() {
        Some(last) if !last.ends_with(b"\n") => writeln!(out),
        _ => Ok(()),
    }
}

/// Prints a table of 1E in any format except JSON.
fn print_table(
    out: &mut impl Write,
    flags: &CallFlags,
    method: Method,
    seen: &Seen,
) -> Result<(), Failure> {
    if flags.output == Format::Csv {
        let body = post(&OneE, "/", "text/csv", method.to_string().into(), seen)?.concat();
        let header = body.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let start = if flags.no_header { header } else { 0 };
        return Ok(out.write_all(body.get(start..).unwrap_or_default())?);
    }
    let table = answer(method, &seen.snapshot);
    if flags.output != Format::Jsonl {
        return print_columns(out, flags, &table);
    }
    for record in table.records() {
        serde_json::to_writer(&mut *out, &record).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

fn print_columns(out: &mut impl Write, flags: &CallFlags, table: &Table) -> Result<(), Failure> {
    let palette = terminal::palette(Colour::Auto);
    let layout = Layout { width: None, header: !flags.no_header, palette };
    let titles: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let right: Vec<bool> = table.columns.iter().map(|c| c.ty == ColumnType::Int).collect();
    let text = |cell: Cell<'_>| match cell {
        Cell::Text(text) => printable(text).into_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Null => "null".to_owned(),
    };
    let rows: Vec<Vec<String>> =
        table.records().map(|record| record.cells().map(text).collect()).collect();
    Ok(plain_table(out, layout, &titles, &right, &rows)?)
}

//! One connection: why it is slow, its charts, its events, its layers, and every field with its source
//! or the reason it is unknown.

use conns_core::media::published_streams;
use conns_core::model::{Connection, ConnectionId};
use conns_core::query::{Value, catalogue};
use conns_print::{
    Layout, Palette, event_line, field_text, layer_lines, origin_text, record_lines, verdicts,
};

use crate::detail::Detail;
use crate::history::charted;
use crate::state::State;

/// One line of it.
#[derive(Debug)]
pub(crate) enum DetailLine {
    Heading(String),
    Text(String),
    /// The figure with this index, as a chart.
    Chart(usize),
}

/// All lines, for a screen of this width.
pub(crate) fn lines(state: &State, detail: &Detail, width: usize) -> Vec<DetailLine> {
    let connection = &*detail.connection;
    let mut lines = why(state, connection, width);
    if detail.is_closed {
        lines.insert(1, DetailLine::Text("  closed; this is how it was last".to_owned()));
    }
    lines.push(DetailLine::Heading("Since the screen opened".to_owned()));
    lines.extend((0..charted().count()).map(DetailLine::Chart));
    section(&mut lines, "Events", events(state, detail.id));
    let layers = layer_lines(connection);
    section(&mut lines, "Layers", layers.into_iter().map(|line| format!("  {line}")).collect());
    section(&mut lines, "Fields", fields(state, connection));
    lines
}

fn section(lines: &mut Vec<DetailLine>, title: &str, texts: Vec<String>) {
    if !texts.is_empty() {
        lines.push(DetailLine::Heading(title.to_owned()));
        lines.extend(texts.into_iter().map(DetailLine::Text));
    }
}

/// The verdict, with its evidence and advice.
fn why(state: &State, connection: &Connection, width: usize) -> Vec<DetailLine> {
    let layout = Layout { width: Some(width), header: false, palette: Palette::new(false) };
    let all: Vec<&Connection> = state.list.update.snapshot.connections.iter().collect();
    // Without layers there is no stream, and no list of all of them is searched.
    let streams = match connection.application.value() {
        Some(_) => published_streams(&all),
        None => Vec::new(),
    };
    let mut text = Vec::new();
    let written = verdicts(&mut text, layout, &[connection], &streams, &state.names);
    debug_assert!(written.is_ok(), "memory takes every text");
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines().map(str::to_owned);
    let heading = lines.next().map(DetailLine::Heading);
    heading.into_iter().chain(lines.map(DetailLine::Text)).collect()
}

fn events(state: &State, id: ConnectionId) -> Vec<String> {
    let line = |event: &std::sync::Arc<_>| {
        let mut line = Vec::new();
        let palette = Palette::new(false);
        let written = event_line(&mut line, palette, &state.time, event, &state.names);
        debug_assert!(written.is_ok(), "memory takes every text");
        format!("  {}", String::from_utf8_lossy(&line).trim_end())
    };
    state.events.of(id).map(line).collect()
}

/// Every field; those that do not apply on one line.
fn fields(state: &State, connection: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    let mut not_applicable = Vec::new();
    let longest = catalogue().iter().map(|field| field.name.len()).max().unwrap_or(0);
    for field in catalogue() {
        if field.value(connection) == Value::NotApplicable {
            not_applicable.push(field.name);
            continue;
        }
        let text = field_text(field, connection, &state.names);
        let origin = origin_text(field, connection).unwrap_or_default();
        lines.push(format!("  {:longest$}  {text:14}  {origin}", field.name));
        let records = record_lines(field, connection).into_iter();
        lines.extend(records.map(|record| format!("  {:longest$}  - {record}", "")));
    }
    if !not_applicable.is_empty() {
        lines.push(format!("  does not apply: {}", not_applicable.join(", ")));
    }
    lines
}

//! Verdicts as sentences, for `conns why`.

use std::io::{self, Write};

use conns_api::printable;
use conns_core::media::{PublishedStream, StreamState};
use conns_core::model::Connection;
use conns_core::query::find_field;

use crate::names::Names;
use crate::palette::Palette;
use crate::text::field_text;

/// Writes for each connection its process and ends, the class of the verdict, the explanation and the advice.
///
/// # Errors
/// If writing fails.
pub fn verdicts(
    out: &mut impl Write,
    palette: Palette,
    connections: &[&Connection],
    streams: &[PublishedStream<'_>],
    names: &Names,
) -> io::Result<()> {
    for connection in connections {
        let verdict = &connection.verdict;
        let (bold, style, faint) =
            (palette.header(), palette.verdict(verdict.class), palette.faint());
        let text = |name: &str| {
            find_field(name).map(|field| field_text(field, connection, names)).unwrap_or_default()
        };
        let arrow = match connection.direction.get() {
            Some(conns_core::model::Direction::Inbound) => "<-",
            Some(conns_core::model::Direction::Outbound) => "->",
            None => "--",
        };
        write!(
            out,
            "{bold}{}[{}] {} {}",
            text("process"),
            text("pid"),
            text("proto"),
            text("local")
        )?;
        if connection.socket.remote.is_some() {
            write!(out, " {arrow} {}", text("remote"))?;
        }
        if !connection.is_established() {
            write!(out, " {}", text("state"))?;
        }
        if !connection.socket.netns.is_own {
            write!(out, " in {}", text("netns"))?;
        }
        writeln!(out, "{bold:#}")?;
        write!(out, "  {style}{}{style:#}", verdict.class.name())?;
        if verdict.confidence_percent > 0 {
            write!(out, " {faint}({}% sure){faint:#}", verdict.confidence_percent)?;
        }
        writeln!(out, ": {}", verdict.why(&connection.socket))?;
        write_streams(out, palette, connection, streams)?;
        let advice = verdict.advice(&connection.socket);
        if !advice.is_empty() {
            writeln!(out, "  {faint}->{faint:#} {advice}")?;
        }
    }
    Ok(())
}

/// The streams that a connection carries and how they go, with the connection that slows them.
fn write_streams(
    out: &mut impl Write,
    palette: Palette,
    connection: &Connection,
    streams: &[PublishedStream<'_>],
) -> io::Result<()> {
    let faint = palette.faint();
    for stream in streams {
        let ends = stream.publishers.iter().chain(&stream.players);
        for end in ends.filter(|end| std::ptr::eq(end.connection, connection)) {
            let name = printable(stream.name.into());
            write!(out, "  {faint}stream{faint:#} {name}: {}", end.state.why())?;
            if let StreamState::StarvedByPublisher { .. } = end.state
                && let Some(publisher) = stream.publishers.first()
            {
                let other = publisher.connection;
                let remote = other.remote().map(|end| format!(" <- {end}")).unwrap_or_default();
                write!(out, " Publisher: {}{remote}.", other.local())?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

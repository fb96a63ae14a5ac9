//! `conns streams`: the media streams that are published and played, by server and name.

use std::io::Write;
use std::time::Duration;

use conns_api::{observe, write_streams};
use conns_core::media::{PublishedStream, published_streams};
use conns_core::model::{Connection, Moment};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{Layout, STREAM_RIGHT, STREAM_TITLES, plain_table, stream_rows};

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, StreamsFlags, StreamsFormat};
use crate::list::parse_filter;
use crate::past::{self, Asked};
use crate::terminal;

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// Runs `streams`; true if the answer is incomplete.
pub(crate) fn run(flags: &StreamsFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    flags.past.kept.check(flags.past.at.is_some(), "--at TIME")?;
    let filter = parse_filter(&flags.among.filter)?;
    let ask = flags.among.ask(conns_api::View::All);
    let (source, memory) = (flags.among.source, Retention::Window(flags.span * 2));
    let mut agent = match flags.past.at {
        Some(at_us) => past::open(agent_flags, &flags.past.kept, Asked::At(at_us))?,
        None => agent::open(agent_flags, source, memory, Purpose::Agent { tap: true })?,
    };
    let interval = SAMPLE_INTERVAL.min(flags.span / 2);
    let snapshot = observe(&mut *agent, &ask, flags.span, interval)?;
    let chosen: Vec<&Connection> = snapshot
        .connections
        .iter()
        .filter(|c| filter.as_ref().is_none_or(|filter| filter.matches(c)))
        .collect();
    let streams = published_streams(&chosen);
    let mut out = terminal::stdout();
    match flags.output {
        StreamsFormat::Table => print(&mut out, flags, &streams, snapshot.at)?,
        StreamsFormat::Json => write_streams(&mut out, &streams, &snapshot.losses)?,
    }
    out.flush()?;
    Ok(report_losses(&snapshot.losses))
}

fn print(
    out: &mut impl Write,
    flags: &StreamsFlags,
    streams: &[PublishedStream<'_>],
    now: Moment,
) -> Result<(), Failure> {
    if streams.is_empty() {
        let text = match flags.past.at {
            Some(_) => "No media stream is kept of that moment.",
            None => "No media stream is published or played.",
        };
        return Ok(writeln!(out, "{text}")?);
    }
    let width = terminal::size().map(|(width, _)| width);
    let layout = Layout { width, header: true, palette: terminal::palette(flags.among.color) };
    let rows: Vec<Vec<String>> =
        stream_rows(streams, now).into_iter().map(|(_, cells)| cells).collect();
    Ok(plain_table(out, layout, &STREAM_TITLES, &STREAM_RIGHT, &rows)?)
}

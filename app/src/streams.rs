//! `conns streams`: the media streams that are published and played, by server and name.

use std::io::Write;
use std::time::Duration;

use conns_api::{observe, write_streams};
use conns_core::decode::MediaStream;
use conns_core::human;
use conns_core::media::{PublishedStream, StreamEnd, StreamServer, published_streams};
use conns_core::model::{Connection, Moment};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{Layout, plain_table, printable};

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, StreamsFlags, StreamsFormat};
use crate::list::parse_filter;
use crate::terminal;

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

const TITLES: [&str; 12] = [
    "STREAM", "SERVER", "ROLE", "PEER", "CODECS", "SIZE", "FPS", "RATE", "KEY", "DROPPED", "AGE",
    "STATE",
];
/// Which columns are aligned to the right.
const RIGHT: [bool; 12] =
    [false, false, false, false, false, true, true, true, true, true, true, false];

/// Runs `streams`; true if the answer is incomplete.
pub(crate) fn run(flags: &StreamsFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    let filter = parse_filter(&flags.among.filter)?;
    let ask = flags.among.ask(conns_api::View::All);
    let (source, memory) = (flags.among.source, Retention::Window(flags.span * 2));
    let mut agent = agent::open(agent_flags, source, memory, Purpose::Agent { tap: true })?;
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
        return Ok(writeln!(out, "No media stream is published or played.")?);
    }
    let width = terminal::size().map(|(width, _)| width);
    let layout = Layout { width, header: true, palette: terminal::palette(flags.among.color) };
    let rows: Vec<Vec<String>> = streams
        .iter()
        .flat_map(|stream| {
            let publishers = stream.publishers.iter().map(|end| (end, "publisher"));
            let players = stream.players.iter().map(|end| (end, "player"));
            publishers.chain(players).map(|(end, role)| row(stream, end, role, now))
        })
        .collect();
    Ok(plain_table(out, layout, &TITLES, &RIGHT, &rows)?)
}

fn row(stream: &PublishedStream<'_>, end: &StreamEnd<'_>, role: &str, now: Moment) -> Vec<String> {
    let media = end.stream;
    let text =
        |text: &str| if text.is_empty() { "-".into() } else { printable(text.into()).into_owned() };
    let server = match stream.server {
        StreamServer::Process(name, pid) => format!("{}[{pid}]", text(name)),
        StreamServer::End(end) => end.to_string(),
    };
    let peer = end.connection.remote().map_or_else(|| "-".into(), |end| end.to_string());
    let age_us =
        media.time_us("since_us").and_then(|since| u64::try_from(now.wall_us - since).ok());
    vec![
        text(stream.name),
        server,
        role.into(),
        peer,
        codecs(media),
        size(media),
        or_dash(frame_rate(media)),
        or_dash(rate(media)),
        or_dash(media.count("key_frame_interval_us").map(human::duration)),
        dropped(media).to_string(),
        or_dash(age_us.map(human::duration)),
        end.state.name().into(),
    ]
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

fn codecs(media: MediaStream<'_>) -> String {
    let names: Vec<&str> =
        ["video_codec", "audio_codec"].into_iter().filter_map(|key| media.text(key)).collect();
    if names.is_empty() { "-".into() } else { names.join("+") }
}

fn size(media: MediaStream<'_>) -> String {
    match (media.count("width"), media.count("height")) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        _ => "-".into(),
    }
}

fn frame_rate(media: MediaStream<'_>) -> Option<String> {
    let interval_us = media.count("video_frame_interval_us").filter(|us| *us > 0)?;
    Some(format!("{:.1}", 1e6 / interval_us as f64))
}

/// Bits a second, as media tools print them.
fn rate(media: MediaStream<'_>) -> Option<String> {
    let rates = ["audio_rate_bytes_per_s", "video_rate_bytes_per_s"].map(|key| media.rate(key));
    let bytes = rates.into_iter().flatten().reduce(|a, b| a + b)?;
    Some(format!("{:.0}kbit/s", bytes * 8.0 / 1000.0))
}

fn dropped(media: MediaStream<'_>) -> u64 {
    let count = |key| media.count(key).unwrap_or(0);
    count("audio_dropped_packets") + count("video_dropped_packets")
}

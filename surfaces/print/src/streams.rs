//! Media streams as rows of a table: one for each end.

use conns_core::decode::MediaStream;
use conns_core::human;
use conns_core::media::{PublishedStream, StreamEnd, StreamServer};
use conns_core::model::{Connection, Moment};

use conns_api::printable;

/// Titles of the columns.
pub const STREAM_TITLES: [&str; 12] = [
    "STREAM", "SERVER", "ROLE", "PEER", "CODECS", "SIZE", "FPS", "RATE", "KEY", "DROPPED", "AGE",
    "STATE",
];
/// Which columns are aligned to the right.
pub const STREAM_RIGHT: [bool; 12] =
    [false, false, false, false, false, true, true, true, true, true, true, false];

/// The ends of all streams, publishers first: the connection of each, and its cells.
#[must_use]
pub fn stream_rows<'a>(
    streams: &[PublishedStream<'a>],
    now: Moment,
) -> Vec<(&'a Connection, Vec<String>)> {
    let ends = streams.iter().flat_map(|stream| {
        let publishers = stream.publishers.iter().map(|end| (end, "publisher"));
        let players = stream.players.iter().map(|end| (end, "player"));
        publishers.chain(players).map(move |(end, role)| (stream, end, role))
    });
    ends.map(|(stream, end, role)| (end.connection, row(stream, end, role, now))).collect()
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
        or_dash(dropped(media).map(|count| count.to_string())),
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

fn dropped(media: MediaStream<'_>) -> Option<u64> {
    let counts = ["audio_dropped_packets", "video_dropped_packets"].map(|key| media.count(key));
    counts.into_iter().flatten().reduce(|a, b| a + b)
}

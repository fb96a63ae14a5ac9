//! The media streams of a machine as JSON.

use std::io::{self, Write};

use conns_core::decode::MEDIA_COLUMNS;
use conns_core::media::{PublishedStream, StreamEnd, StreamServer};
use conns_core::model::{Loss, Scalar};
use conns_core::query::{Value, find_field};
use serde_json::{Map, Value as Json, json};

use crate::LossShape;

/// Writes `{"streams":[…],"losses":[…]}`: each stream with its server, its publishers and its players.
///
/// # Errors
/// The error of the writer.
pub fn write_streams(
    out: &mut impl Write,
    streams: &[PublishedStream<'_>],
    losses: &[Loss],
) -> io::Result<()> {
    let streams: Vec<Json> = streams.iter().map(stream).collect();
    let answer = json!({ "streams": streams, "losses": LossShape::all(losses) });
    serde_json::to_writer(&mut *out, &answer)?;
    out.write_all(b"\n")
}

fn stream(stream: &PublishedStream<'_>) -> Json {
    let server = match stream.server {
        StreamServer::Process(name, pid) => json!({ "process": name, "pid": pid }),
        StreamServer::End(end) => json!({ "end": end.to_string() }),
    };
    json!({
        "name": stream.name,
        "server": server,
        "viewers": stream.players.len(),
        "publishers": stream.publishers.iter().map(end).collect::<Vec<Json>>(),
        "players": stream.players.iter().map(end).collect::<Vec<Json>>(),
    })
}

fn end(end: &StreamEnd<'_>) -> Json {
    let mut record = Map::new();
    for name in ["local", "remote", "process", "pid", "verdict"] {
        let value = find_field(name).map(|field| field.value(end.connection));
        record.insert(name.into(), value.as_ref().map_or(Json::Null, plain));
    }
    record.insert("state".into(), end.state.name().into());
    record.insert("why".into(), end.state.why().into());
    for (column, value) in MEDIA_COLUMNS.iter().zip(end.stream.values()) {
        let value =
            value.value().map_or(Json::Null, |scalar: &Scalar| plain(&Value::of_scalar(scalar)));
        record.insert(column.key.into(), value);
    }
    Json::Object(record)
}

/// A value without parts, in the unit of its key.
fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => (*n).into(),
        Value::BytesPerSecond(n) | Value::Percent(n) => (*n).into(),
        Value::Bool(is) => (*is).into(),
        Value::Time(us) => (*us).into(),
        Value::Unknown(_) | Value::NotApplicable => Json::Null,
        Value::Several(values) => values.first().map_or(Json::Null, plain),
        other => other.clone().plain_text().into(),
    }
}

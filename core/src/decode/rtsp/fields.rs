//! The fields of the protocol, and their values as one end has them.

use crate::decode::media::{STREAMS, records};
use crate::decode::{Side, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown, Words};

use super::session::{Session, SetUp};

/// A field of the protocol.
macro_rules! field {
    ($name:literal, $kind:expr, $meaning:literal, $origin:literal) => {
        field(concat!("rtsp.", $name), $kind, $meaning, concat!("RTSP: ", $origin))
    };
}

/// In the order of [`values`].
pub(super) static FIELDS: &[FieldSpec] = &[
    field!(
        "role",
        Kind::Text,
        "Whether this end is the client, which sends requests, or the server.",
        "which end sends requests"
    )
    .words(Words::List(&["client", "server"])),
    field!("user_agent", Kind::Text, "Software of the client.", "User-Agent"),
    field!("server", Kind::Text, "Software of the server.", "Server"),
    field!(
        "path",
        Kind::Text,
        "Path of what is published or played, without parameters.",
        "URL of ANNOUNCE or DESCRIBE"
    ),
    field!("title", Kind::Text, "Title of the session.", "s= of the session description"),
    field!("stream", Kind::Text, "Name of the stream: the title, else the path.", "RECORD, SETUP"),
    field!("streams", Kind::List(&STREAMS), "Publications and playbacks.", "RECORD, SETUP"),
    field!(
        "transport",
        Kind::Text,
        "How media is carried: in the connection, by flows of UDP, or by flows to a group.",
        "Transport of the answer to SETUP"
    )
    .words(Words::List(&["interleaved", "udp", "multicast"])),
    field!(
        "client_ports",
        Kind::Text,
        "First UDP port of the client for each media, with commas between.",
        "client_port"
    ),
    field!(
        "server_ports",
        Kind::Text,
        "First UDP port of the server for each media, with commas between.",
        "server_port"
    ),
    field!("requests", Kind::Count, "Requests of the client.", "request lines"),
    field!("answers", Kind::Count, "Answers of the server.", "status lines"),
    field!(
        "media_packets_sent",
        Kind::Count,
        "Packets of media this end sent, over the connection and its flows.",
        "RTP packets"
    ),
    field!(
        "media_packets_received",
        Kind::Count,
        "Packets of media this end received, over the connection and its flows.",
        "RTP packets"
    ),
];

/// The values as the end that sends `own` has them.
pub(super) fn values(session: &Session, own: Side, now: Moment) -> Box<[Known<Scalar>]> {
    let known =
        |value: Option<Scalar>| Known::from_option(value, Source::Wire, Unknown::NothingMeasured);
    let text = |text: Option<&str>| known(text.map(|text| Scalar::Text(text.into())));
    let count = |count: u64| known(Some(Scalar::Count(count)));
    let is_client = own == session.client;
    let stream = session.completed();
    let name = stream.as_ref().and_then(|stream| stream.name.as_deref());
    Box::new([
        text(Some(if is_client { "client" } else { "server" })),
        text(session.user_agent.as_deref()),
        text(session.server.as_deref()),
        text(session.path.as_deref()),
        text(session.title.as_deref()),
        text(name),
        known(Some(records(stream.iter(), own, now))),
        text(transport(&session.media)),
        text(ports(session, |one| one.transport?.client_ports).as_deref()),
        text(ports(session, |one| one.transport?.server_ports).as_deref()),
        count(session.requests),
        count(session.answers),
        count(*session.packets.of(own)),
        count(*session.packets.of(own.other())),
    ])
}

/// How the first media that is set up is carried.
fn transport(media: &[SetUp]) -> Option<&'static str> {
    let transport = media.iter().find_map(|one| one.transport)?;
    Some(match transport.interleaved {
        Some(_) => "interleaved",
        None if transport.is_multicast => "multicast",
        None => "udp",
    })
}

fn ports(session: &Session, of: impl Fn(&SetUp) -> Option<(u16, u16)>) -> Option<String> {
    let ports: Vec<_> =
        session.media.iter().filter_map(of).map(|(first, _)| first.to_string()).collect();
    (!ports.is_empty()).then(|| ports.join(","))
}

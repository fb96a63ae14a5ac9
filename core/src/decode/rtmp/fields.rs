//! The fields of the protocol, and their values as one end has them.

use crate::decode::media::{STREAMS, records};
use crate::decode::{Side, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown, Words};

use super::session::Session;

/// A field of the protocol.
macro_rules! field {
    ($name:literal, $kind:expr, $meaning:literal, $origin:literal) => {
        field(concat!("rtmp.", $name), $kind, $meaning, concat!("RTMP: ", $origin))
    };
}

/// In the order of [`values`].
pub(super) static FIELDS: &[FieldSpec] = &[
    field!(
        "role",
        Kind::Text,
        "Whether this end is the client, which opens streams, or the server.",
        "which end begins the handshake"
    )
    .words(Words::List(&["client", "server"])),
    field!("handshake", Kind::Time, "When the handshake was over.", "handshake"),
    field!(
        "handshake_kind",
        Kind::Text,
        "Whether the handshake is plain, has a digest, or begins encryption (RTMPE).",
        "version and first bytes"
    )
    .words(Words::List(&["plain", "digest", "encrypted"])),
    field!("app", Kind::Text, "Application that the client connects to.", "connect"),
    field!("tc_url", Kind::Text, "URL of the application.", "connect"),
    field!("swf_url", Kind::Text, "URL of the player.", "connect"),
    field!("page_url", Kind::Text, "URL of the page that the player is on.", "connect"),
    field!("user_agent", Kind::Text, "Software of the client.", "flashVer of connect"),
    field!("server", Kind::Text, "Software of the server.", "fmsVer of the answer to connect"),
    field!(
        "client_id",
        Kind::Text,
        "Id by which the server names the client.",
        "clientid of onStatus"
    ),
    field!("stream", Kind::Text, "Name of the first stream.", "publish, play"),
    field!("streams", Kind::List(&STREAMS), "Publications and playbacks.", "publish, play"),
    field!(
        "messages_sent",
        Kind::Count,
        "Messages this end sent, without audio and video.",
        "complete messages"
    ),
    field!(
        "messages_received",
        Kind::Count,
        "Messages this end received, without audio and video.",
        "complete messages"
    ),
    field!(
        "media_messages_sent",
        Kind::Count,
        "Messages of audio and video this end began to send.",
        "message headers"
    ),
    field!(
        "media_messages_received",
        Kind::Count,
        "Messages of audio and video this end began to receive.",
        "message headers"
    ),
    field!(
        "searches",
        Kind::Count,
        "How often the begin of a chunk was guessed, because bytes before it were missing.",
        "headers that follow from each other"
    ),
    field!(
        "streams_refused",
        Kind::Count,
        "Streams that are not listed because there are too many.",
        "publish, play"
    ),
];

/// The values as the end that sends `own` has them.
pub(super) fn values(session: &Session, own: Side, now: Moment) -> Box<[Known<Scalar>]> {
    let known =
        |value: Option<Scalar>| Known::from_option(value, Source::Wire, Unknown::NothingMeasured);
    let text = |text: Option<&str>| known(text.map(|text| Scalar::Text(text.into())));
    let texts = &session.texts;
    let count = |count: u64| known(Some(Scalar::Count(count)));
    let is_client = own == session.client;
    let handshake = session.handshakes.of(session.client);
    let kind = match handshake.version() {
        _ if session.is_encrypted() => Some("encrypted"),
        None => None,
        Some(_) if handshake.has_digest() => Some("digest"),
        Some(_) => Some("plain"),
    };
    let streams: Vec<_> = session
        .streams
        .iter()
        .map(|one| {
            let mut stream = one.stream.clone();
            // What a server does not send is not dropped by the client.
            if let Some(playback) = &one.playback
                && stream.sender == own
            {
                playback.complete(&mut stream);
            }
            stream
        })
        .collect();
    let name = streams.iter().find_map(|stream| stream.name.as_deref());
    let other = own.other();
    Box::new([
        text(Some(if is_client { "client" } else { "server" })),
        known(session.handshake_at.map(|at| Scalar::Time(at.wall_us))),
        text(kind),
        text(texts.app.as_deref()),
        text(texts.tc_url.as_deref()),
        text(texts.swf_url.as_deref()),
        text(texts.page_url.as_deref()),
        text(texts.user_agent.as_deref()),
        text(texts.server.as_deref()),
        text(texts.client_id.as_deref()),
        text(name),
        known(Some(records(streams.iter(), own, now))),
        count(*session.messages.of(own)),
        count(*session.messages.of(other)),
        count(*session.media_messages.of(own)),
        count(*session.media_messages.of(other)),
        count(Side::ALL.iter().filter_map(|side| session.reader(*side)).map(|one| one.found).sum()),
        count(session.streams_refused),
    ])
}

//! HTTP/1 (RFC 9110, RFC 9112): the heads of requests and answers. Bodies are passed over; of heads nothing is
//! kept but what the fields name.

mod head;
mod message;
mod session;

use crate::model::{FieldSpec, Kind};

use super::{Opening, Probe, ProtocolSpec, StreamProtocol, field};
use head::{Begin, begin};
use session::{MAX_MEMORY, Session};

/// The declaration of the protocol.
pub(super) static HTTP: ProtocolSpec = ProtocolSpec {
    name: "http",
    meaning: "HTTP/1",
    fields: FIELDS,
    ports: &[80],
    stream: Some(StreamProtocol {
        probe,
        decoder: |opening| Box::new(Session::new(opening)),
        max_memory: MAX_MEMORY,
    }),
    datagram: None,
};

/// In the order of [`Session::values`](super::Decoder::values).
static FIELDS: &[FieldSpec] = &[
    field("http.method", Kind::Text, "Method of the last request.", "request line"),
    field(
        "http.host",
        Kind::Text,
        "Host that the last request names the server by, without port.",
        "Host",
    )
    .names_server(),
    field("http.status", Kind::Count, "Status of the last answer.", "status line"),
    field("http.server", Kind::Text, "Software that the server names.", "Server"),
    field("http.requests", Kind::Count, "Requests that were seen.", "heads"),
    field("http.answers", Kind::Count, "Answers that were seen.", "heads"),
    field(
        "http.first_byte_time",
        Kind::Duration,
        "From the head of the last answered request to the first byte of its answer.",
        "heads",
    ),
    field(
        "http.upgrade",
        Kind::Text,
        "Protocol that it was upgraded to; `connect` for a tunnel.",
        "Upgrade, CONNECT",
    ),
    field(
        "http.proxied_host",
        Kind::Text,
        "Host that a proxy is asked to reach, without port.",
        "Host",
    ),
];

fn probe(opening: &Opening<'_>) -> Probe {
    // A connection that is joined late may begin with an answer, or within a body.
    match begin(opening.of(opening.first).bytes) {
        Begin::Request | Begin::Answer => Probe::Certain,
        Begin::NeedMore => Probe::NeedMore,
        Begin::Other => Probe::NotMine,
    }
}

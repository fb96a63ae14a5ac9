//! DNS (RFC 1035) over UDP and TCP: queries, their answers, and which addresses have which names.

mod message;
mod session;

use crate::model::{FieldSpec, Kind};

use super::{
    Datagram, DatagramProtocol, Ends, Opening, Probe, ProtocolSpec, StreamProtocol, field,
};
use message::Message;
use session::{MAX_MEMORY, Session};

/// The declaration of the protocol.
pub(super) static DNS: ProtocolSpec = ProtocolSpec {
    name: "dns",
    meaning: "names and addresses",
    fields: FIELDS,
    ports: &[53],
    stream: Some(StreamProtocol {
        probe,
        decoder: |_| Box::new(Session::over_stream()),
        max_memory: MAX_MEMORY,
    }),
    datagram: Some(DatagramProtocol {
        probe: probe_datagram,
        decoder: |_| Box::new(Session::over_datagrams()),
        max_memory: MAX_MEMORY,
    }),
};

/// In the order of [`Session::values`](super::Decoder::values).
static FIELDS: &[FieldSpec] = &[
    field("dns.queries", Kind::Count, "Queries.", "messages, RFC 1035 section 4.1"),
    field("dns.answers", Kind::Count, "Answers to them.", "messages"),
    field("dns.query", Kind::Text, "Name that the last query asks for.", "question section"),
    field("dns.query_type", Kind::Text, "Type of the last query: A, AAAA, ...", "question section"),
    field(
        "dns.answer_code",
        Kind::Text,
        "Code of the last answer: NOERROR, NXDOMAIN, ...",
        "RCODE, IANA DNS parameters",
    ),
    field(
        "dns.answer_time",
        Kind::Duration,
        "From the last answered query to its answer.",
        "messages",
    ),
];

const PORT: u16 = 53;

fn has_port(ends: Ends) -> bool {
    [ends.local, ends.remote].iter().flatten().any(|end| end.port == PORT)
}

fn probe_datagram(datagram: &Datagram<'_>) -> Probe {
    match Message::read(datagram.bytes) {
        Some(message) if has_port(datagram.ends) || message.is_response => {
            if has_port(datagram.ends) { Probe::Certain } else { Probe::NotMine }
        }
        // Few other datagrams are a whole query by chance.
        Some(_) => Probe::Maybe,
        None => Probe::NotMine,
    }
}

/// Over TCP the length is before each message (RFC 1035 section 4.2.2).
fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    let has_port = has_port(opening.ends);
    let Some((length, message)) = prefix.bytes.split_first_chunk::<2>() else {
        return Probe::NeedMore;
    };
    match message.get(..usize::from(u16::from_be_bytes(*length))) {
        _ if !prefix.is_from_start => Probe::NotMine,
        Some(message) => match Message::read(message) {
            Some(_) if has_port => Probe::Certain,
            Some(message) if !message.is_response => Probe::Maybe,
            _ => Probe::NotMine,
        },
        None if has_port && !prefix.is_complete => Probe::NeedMore,
        // The first message of a connection is a query, which is short.
        None if length[0] == 0 && !prefix.is_complete => Probe::NeedMore,
        None => Probe::NotMine,
    }
}

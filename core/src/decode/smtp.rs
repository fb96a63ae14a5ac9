//! SMTP (RFC 5321), by the line that a server sends first, and what STARTTLS begins. Mail is not read.

use crate::model::FieldSpec;

use super::banner;
use super::first_words::{FirstWords, text_field};
use super::starttls::{self, MAX_MEMORY, StartTls};
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static SMTP: ProtocolSpec = ProtocolSpec {
    name: "smtp",
    meaning: "mail transfer",
    fields: FIELDS,
    ports: &[25, 587, 2525],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "smtp.banner",
    "Greeting of the server: its name and software.",
    "reply 220, RFC 5321 section 4.3.1",
)];

fn probe(opening: &Opening<'_>) -> Probe {
    banner::probe(opening, b"SMTP", &[25, 587, 2525])
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    let banner = FirstWords::new(opening.first, &[0], |server, _| banner::read(server));
    Box::new(StartTls::new(banner, opening.first.other(), starttls::line))
}

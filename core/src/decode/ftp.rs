//! FTP (RFC 959), by the line that a server sends first, and what AUTH TLS begins. Commands and files are not read.

use crate::model::FieldSpec;

use super::banner;
use super::first_words::{FirstWords, text_field};
use super::starttls::{self, MAX_MEMORY, StartTls};
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static FTP: ProtocolSpec = ProtocolSpec {
    name: "ftp",
    meaning: "file transfer",
    fields: FIELDS,
    ports: &[21],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "ftp.banner",
    "Greeting of the server: mostly its software.",
    "reply 220, RFC 959 section 5.4",
)];

fn probe(opening: &Opening<'_>) -> Probe {
    banner::probe(opening, b"FTP", &[21])
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    let banner = FirstWords::new(opening.first, &[0], |server, _| banner::read(server));
    Box::new(StartTls::new(banner, opening.first.other(), starttls::line))
}

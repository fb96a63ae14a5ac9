//! TLS (RFC 8446, RFC 5246): what the hellos state in clear. The rest is not read.

mod hello;

use crate::model::{FieldSpec, Kind, Known, Moment, Part, Scalar, Source, Unknown};

use super::{BothSides, Decoder, Opening, Probe, ProtocolSpec, Side, StreamProtocol, Want};
use hello::{Begin, ClientHello, Hello, MAX_HELLO, ServerHello};

/// The declaration of the protocol.
pub(super) static TLS: ProtocolSpec = ProtocolSpec {
    name: "tls",
    meaning: "transport layer security",
    fields: FIELDS,
    stream: Some(StreamProtocol {
        probe,
        decoder: |_| Box::new(Session::default()),
        // A hello of each side, whose buffer may have grown to twice of what it needs, and what it states.
        max_memory: 4 * MAX_HELLO as u64 + 8192,
    }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[
    field(
        "tls.sni",
        Kind::Text,
        "Name of the server that the client asks for.",
        "server_name, RFC 6066 section 3",
    ),
    field("tls.version", Kind::Text, "Version that the server chose.", "ServerHello"),
    field(
        "tls.cipher",
        Kind::Text,
        "Cipher suite that the server chose, by its IANA name.",
        "ServerHello",
    ),
    field(
        "tls.alpn",
        Kind::Text,
        "Application protocol that the server chose; encrypted in TLS 1.3.",
        "ServerHello, RFC 7301",
    ),
    field(
        "tls.alpn_offered",
        Kind::Text,
        "Application protocols that the client offers, with commas between.",
        "ClientHello, RFC 7301",
    ),
    field(
        "tls.hello_time",
        Kind::Duration,
        "From the client's hello to the answer of the server.",
        "ClientHello, ServerHello",
    ),
    field(
        "tls.alert",
        Kind::Count,
        "Number of the alert that was sent in place of a hello.",
        "Alert, RFC 8446 section 6",
    ),
];

const fn field(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    origin: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, kind, meaning, origin).part(Part::Application).on_request()
}

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    if !prefix.is_from_start {
        return Probe::NotMine;
    }
    match hello::begin(prefix.bytes) {
        Begin::ClientHello => Probe::Certain,
        Begin::NeedMore => Probe::NeedMore,
        Begin::Other => Probe::NotMine,
    }
}

/// One connection.
#[derive(Debug, Default)]
struct Session {
    sides: BothSides<Reading>,
    client: Option<(Box<ClientHello>, Moment)>,
    server: Option<(Box<ServerHello>, Moment)>,
    alert: Option<u8>,
}

/// The first message of a side.
#[derive(Debug, Default)]
struct Reading {
    bytes: Vec<u8>,
    is_done: bool,
    is_missed: bool,
}

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let reading = self.sides.of_mut(side);
        if reading.is_done {
            return;
        }
        let room = MAX_HELLO.saturating_sub(reading.bytes.len());
        reading.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        match hello::read(&reading.bytes) {
            Hello::NeedMore if reading.bytes.len() < MAX_HELLO => return,
            Hello::NeedMore | Hello::Other => reading.is_missed = true,
            Hello::Client(hello) => self.client = Some((Box::new(hello), at)),
            Hello::Server(hello) => self.server = Some((Box::new(hello), at)),
            Hello::Alert(description) => self.alert = Some(description),
        }
        reading.is_done = true;
        reading.bytes = Vec::new();
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, side: Side, _bytes: u64, _at: Moment) {
        let reading = self.sides.of_mut(side);
        if !reading.is_done {
            *reading = Reading { bytes: Vec::new(), is_done: true, is_missed: true };
        }
    }

    fn want(&self, side: Side) -> Want {
        if self.sides.of(side).is_done { Want::NoMore } else { Want::Whole }
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let is_missed = self.sides.sent.is_missed || self.sides.received.is_missed;
        let missing =
            if is_missed { Unknown::SourceDoesNotReport } else { Unknown::NothingMeasured };
        let known = |scalar| Known::Value(scalar, Source::Wire);
        // What a hello may lack does not apply if it does.
        let optional = |hello: bool, value: Option<Scalar>| match (hello, value) {
            (_, Some(scalar)) => known(scalar),
            (true, None) => Known::NotApplicable,
            (false, None) => Known::Unknown(missing),
        };
        let client = self.client.as_ref().map(|(hello, _)| hello);
        let server = self.server.as_ref().map(|(hello, _)| hello);
        let text = |text: &String| Scalar::Text(text.as_str().into());
        let alpn = match server {
            Some(server) if server.encrypts_extensions => {
                Known::Unknown(Unknown::SourceDoesNotReport)
            }
            server => {
                optional(server.is_some(), server.and_then(|hello| hello.alpn.as_ref()).map(text))
            }
        };
        let hello_time = match (&self.client, &self.server) {
            (Some((_, asked)), Some((_, answered))) => {
                let micros = answered.monotonic_us.saturating_sub(asked.monotonic_us);
                Known::Value(Scalar::Micros(micros), Source::Derived)
            }
            _ => Known::Unknown(missing),
        };
        Box::new([
            optional(client.is_some(), client.and_then(|hello| hello.sni.as_ref()).map(text)),
            optional(false, server.map(|hello| text(&hello.version))),
            optional(false, server.map(|hello| text(&hello.cipher))),
            alpn,
            optional(client.is_some(), client.and_then(|hello| hello.alpn.as_ref()).map(text)),
            hello_time,
            optional(server.is_some(), self.alert.map(|number| Scalar::Count(number.into()))),
        ])
    }

    fn memory(&self) -> u64 {
        let buffers = self.sides.sent.bytes.capacity() + self.sides.received.bytes.capacity();
        let client = self.client.as_ref().map_or(0, |(hello, _)| hello.memory());
        let server = self.server.as_ref().map_or(0, |(hello, _)| hello.memory());
        (size_of::<Self>() + buffers + client + server) as u64
    }
}

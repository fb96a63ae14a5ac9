//! Application protocols: each is declared once, with its fields and how it is recognised and decoded.
//! From the declaration its fields appear in filters, columns, sorting, JSON, CSV, the API's schemas
//! and the field reference.
//!
//! A protocol adds a folder here and a line in `BUILT_IN`. [`Streams`] drives them: it gets what a
//! source sees of each connection, and holds every bound.

pub mod assembly;
mod banner;
mod bittorrent;
mod budget;
mod credentials;
mod datagram;
mod decoder;
mod dns;
mod ends;
mod expected;
mod first_words;
mod flv;
mod ftp;
mod http;
mod http2;
mod layer_values;
mod levin;
mod link;
mod media;
mod mqtt;
mod mysql;
mod named;
mod postgresql;
mod quic;
mod recognition;
mod redis;
mod rtmp;
mod rtp;
mod rtsp;
mod side;
mod smtp;
mod srt;
mod ssh;
mod start_line;
mod starttls;
mod stream;
mod streams;
mod text;
mod tls;
mod ts;
mod websocket;
mod written_file;

pub use budget::DecodeCounts;
pub use credentials::show_credentials;
pub use datagram::{Datagram, DatagramProtocol};
pub use decoder::{Decoder, Inner, Opening, Prefix, Probe, StreamProtocol};
pub use ends::Ends;
pub use expected::{ExpectedFlow, FlowEnd};
pub use layer_values::LayerValues;
pub use levin::{LEVIN, ReportedPeer, SIGNATURE as LEVIN_SIGNATURE, is_handshake_missing};
pub use link::link_application;
pub use media::{MEDIA_COLUMNS, MediaStream, Publications};
pub use recognition::MAX_PREFIX_BYTES;
pub use rtmp::RTMP;
pub use side::{BothSides, Side, Want};
pub use streams::{
    Limits, MAX_DECODER_MEMORY, MAX_RECOGNITION_MEMORY, MAX_STREAMS, MAX_UNTAKEN_NAMES, Steering,
    Streams,
};

pub use written_file::{FileFacts, WRITTEN_FILE, without_number};

use std::sync::OnceLock;

use crate::model::{FieldSpec, Kind, Part};

/// The declaration of a protocol.
#[derive(Debug)]
pub struct ProtocolSpec {
    /// Its name in lower case, as in `app == levin`, and the prefix of its fields.
    pub name: &'static str,
    /// What it is, in a phrase.
    pub meaning: &'static str,
    /// Its fields, in the order of [`Layer::values`](crate::model::Layer::values). Their names are
    /// qualified: `levin.height`.
    pub fields: &'static [FieldSpec],
    /// Ports of its servers, by which connections are named that began before they were seen. Empty if
    /// others use them too.
    pub ports: &'static [u16],
    /// How it is recognised and decoded over TCP; `None` if it is not, or only reported.
    pub stream: Option<StreamProtocol>,
    /// How it is recognised and decoded over UDP; `None` if it is not.
    pub datagram: Option<DatagramProtocol>,
}

/// A field of a protocol. Records have it only if it is named: of all connections of other protocols it would be null.
const fn field(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    origin: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, kind, meaning, origin).part(Part::Application).on_request()
}

/// The protocols of this crate.
const BUILT_IN: &[&ProtocolSpec] = &[
    &levin::LEVIN,
    &tls::TLS,
    &quic::QUIC,
    &rtmp::RTMP,
    &rtmp::RTMPT,
    &rtsp::RTSP,
    &rtp::RTP,
    &ts::TS,
    &flv::FLV,
    &srt::SRT,
    &http::HTTP,
    &http2::HTTP2,
    &websocket::WEBSOCKET,
    &ssh::SSH,
    &dns::DNS,
    &postgresql::POSTGRESQL,
    &mysql::MYSQL,
    &redis::REDIS,
    &mqtt::MQTT,
    &smtp::SMTP,
    &ftp::FTP,
    &bittorrent::BITTORRENT,
    &bittorrent::DHT,
    &written_file::WRITTEN_FILE,
    &link::LINK,
];

static EXTRA: OnceLock<&'static [&'static ProtocolSpec]> = OnceLock::new();

/// Registers protocols that are declared outside of this crate.
///
/// # Errors
/// [`AlreadyRead`] if the registry was read, or extended, before: the catalogue of fields is made
/// once.
pub fn register(protocols: &'static [&'static ProtocolSpec]) -> Result<(), AlreadyRead> {
    EXTRA.set(protocols).map_err(|_| AlreadyRead)
}

/// The registry is fixed once it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot register protocols: the registry was read or extended before")]
pub struct AlreadyRead;

/// Every protocol.
pub fn registry() -> impl Iterator<Item = &'static ProtocolSpec> {
    let extra = EXTRA.get_or_init(|| &[]);
    BUILT_IN.iter().chain(extra.iter()).copied()
}

/// Whether a protocol is never decoded from bytes, and only reported by the owner of a socket.
pub(crate) fn protocol_is_reported_only(name: &str) -> bool {
    name == link::LINK.name
}

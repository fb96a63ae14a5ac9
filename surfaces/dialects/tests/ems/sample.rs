//! Sockets of a media server, and updates with them.

use std::sync::Arc;

use bytes::Bytes;
use conns_core::decode::{ProtocolSpec, RTMP, registry};
use conns_core::model::{
    Application, Certainty, ClosedConnection, Connection, Kind, Known, Layer, LayerOrigin, Moment,
    Protocol, Rates, Record, Scalar, Source, State, TcpInfo, Unknown, Update,
};
use conns_core::query::Filter;
use conns_dialects::ems::{DEFAULT_STREAMS, Options, Server};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, ResponseCache};
use conns_fixtures::{Tcp, known, with_cookie};
use http::{Request, Response};

/// When the samples were taken, in microseconds: 1795314225419.738 ms.
pub(crate) const NOW: Moment =
    Moment { monotonic_us: 5_000_000_000, wall_us: 1_795_314_225_419_738 };

/// A socket, seen for the first time just now, of which only protocol, state and ends are known.
pub(crate) fn socket(
    serial: u64,
    protocol: Protocol,
    state: State,
    near: &str,
    far: Option<&str>,
) -> Connection {
    let socket = conns_fixtures::socket(protocol, state, near, far);
    let mut made = conns_fixtures::connection(with_cookie(serial, socket));
    made.stats.serial = serial;
    made.stats.first_seen = NOW;
    made
}

/// An established TCP connection with these bytes received and sent.
pub(crate) fn stream(serial: u64, near: &str, far: &str, bytes: (u64, u64)) -> Connection {
    let mut made = socket(serial, Protocol::Tcp, State::Established, near, Some(far));
    made.socket.tcp = tcp_info(bytes);
    made
}

/// `tcp_info` with bytes received and sent.
pub(crate) fn tcp_info((bytes_received, bytes_sent): (u64, u64)) -> Known<TcpInfo> {
    Tcp { bytes_received, bytes_sent, ..Tcp::ZERO }.known()
}

pub(crate) fn with_rates(mut connection: Connection, received: f64, sent: f64) -> Connection {
    connection.stats.rates = known(Rates { out_bytes_per_s: sent, in_bytes_per_s: received });
    connection
}

pub(crate) fn owned_by(mut connection: Connection, process: &str) -> Connection {
    connection.owners = known([conns_fixtures::owner(100, process, 9)].into());
    connection
}

/// Names and values of a protocol, or columns and values of a stream.
pub(crate) type Values<'a> = &'a [(&'a str, Scalar)];

pub(crate) fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}

/// The values by name, in the order of the names; the others are unknown.
fn in_order<'a>(
    names: impl Iterator<Item = &'a str>,
    values: &[(&str, Scalar)],
) -> Box<[Known<Scalar>]> {
    let mut left: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    let value = |name: &str| {
        left.retain(|one| *one != name);
        let value = values.iter().find(|(one, _)| *one == name).map(|(_, value)| value.clone());
        Known::from_option(value, Source::Wire, Unknown::NothingMeasured)
    };
    let values = names.map(value).collect();
    assert!(left.is_empty(), "unknown names: {left:?}");
    values
}

/// A connection that carries a protocol with these values.
pub(crate) fn with_layer(
    connection: Connection,
    protocol: &'static ProtocolSpec,
    values: Values<'_>,
) -> Connection {
    let names = protocol.fields.iter().map(|field| {
        field
            .name
            .strip_prefix(protocol.name)
            .and_then(|name| name.strip_prefix('.'))
            .expect("a dot")
    });
    let values = in_order(names, values);
    let layer = Layer {
        protocol: protocol.name.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Seen,
        since: NOW,
        gap_bytes: 0,
        values,
    };
    Connection { application: known(Application { layers: [layer].into() }.into()), ..connection }
}

/// A connection that carries a protocol of this name, of which no value is known.
pub(crate) fn carrying(connection: Connection, protocol: &str) -> Connection {
    let spec = registry().find(|spec| spec.name == protocol).expect("a protocol");
    with_layer(connection, spec, &[])
}

/// A connection that carries RTMP with these values and streams.
pub(crate) fn with_rtmp(
    connection: Connection,
    values: Values<'_>,
    streams: &[Values<'_>],
) -> Connection {
    let field = RTMP.fields.iter().find(|field| field.name == "rtmp.streams").expect("a list");
    let Kind::List(list) = field.kind else { panic!("{field:?}") };
    let record = |values: &Values<'_>| Record {
        values: in_order(list.columns.iter().map(|column| column.key), values),
    };
    let streams = Scalar::List(streams.iter().map(record).collect());
    with_layer(connection, &RTMP, &[values, &[("streams", streams)]].concat())
}

/// The update of this number with these connections.
pub(crate) fn update(sequence: u64, connections: Vec<Connection>) -> Update {
    conns_fixtures::update(conns_fixtures::snapshot(sequence, NOW, connections))
}

/// The same with connections that closed, each with the first snapshot without it.
pub(crate) fn with_closed(mut update: Update, closed: Vec<(u64, Connection)>) -> Update {
    let at = update.snapshot.at;
    update.closed = closed
        .into_iter()
        .map(|(sequence, connection)| Arc::new(ClosedConnection { sequence, at, connection }))
        .collect();
    update
}

pub(crate) fn cache(connections: Vec<Connection>) -> ResponseCache {
    ResponseCache::new(Arc::new(update(1, connections)))
}

pub(crate) fn options(streams: &str, length_prefix: bool) -> Options {
    Options {
        streams: Filter::parse(streams).expect("a filter"),
        length_prefix,
        brand: "conns 0.1".to_owned(),
    }
}

pub(crate) fn server() -> Server {
    Server::new(options(DEFAULT_STREAMS, false))
}

/// What a line is answered, as text, and whether the connection is closed.
pub(crate) fn reply(
    dialect: &impl LineDialect,
    line: &str,
    cache: &ResponseCache,
) -> (String, bool) {
    let LineOutcome { chunks, close } = dialect.answer(line.as_bytes(), cache);
    (String::from_utf8(chunks.concat()).expect("text"), close)
}

/// What the JSON interface answers a fresh server's caller.
pub(crate) fn json(line: &str, cache: &ResponseCache) -> String {
    reply(&server().json_cli(), line, cache).0
}

/// What the interface for people answers.
pub(crate) fn printed(line: &str, cache: &ResponseCache) -> String {
    reply(&server().ascii_cli(), line, cache).0
}

/// What a request is answered; `None` if the connection is closed without a word.
pub(crate) fn asked(method: &str, uri: &str, cache: &ResponseCache) -> Option<Response<String>> {
    let request = Request::builder().method(method).uri(uri).body(Bytes::new()).expect("a request");
    match server().http().answer(&request, cache) {
        HttpOutcome::Answer(response) => {
            Some(response.map(|chunks| String::from_utf8(chunks.concat()).expect("text")))
        }
        HttpOutcome::Hangup => None,
    }
}

//! The one catalogue of fields. A field declared here, or by a protocol in `decode`, appears in
//! filters, sorting, columns, JSON, CSV, the API's schemas and the field reference; nothing else
//! knows a field by name.

mod application;
mod health;
mod identity;
mod lifecycle;
mod other;
mod owner;
mod socket;
mod stats;

use std::sync::LazyLock;

use crate::model::{
    Connection, FieldSpec, Kind, SocketMemory, Source, TCP_INFO_FIELDS, TcpInfoField, TcpInfoUnit,
    Unknown,
};

use super::field::Read;
use super::{Field, Value};
use application::fields_of_protocols;

/// Every field, in the order of the field reference and of JSON.
pub fn catalogue() -> &'static [Field] {
    &CATALOGUE
}

/// The field of this name, alias or key, in any case; `-` is `_`, as in headings of tables.
#[must_use]
pub fn find_field(name: &str) -> Option<&'static Field> {
    let plain = name.replace('-', "_");
    let same = |known: &str| known.eq_ignore_ascii_case(&plain);
    catalogue()
        .iter()
        .find(|field| same(field.name) || same(&field.key) || field.aliases.iter().any(|a| same(a)))
}

type ReadFn = for<'a> fn(&'a Connection) -> Value<'a>;
/// A declaration, and how it is read.
type Row = (FieldSpec, ReadFn);

static CATALOGUE: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let rows = [
        identity::ROWS,
        owner::ROWS,
        application::ROWS,
        health::ROWS,
        stats::ROWS,
        lifecycle::ROWS,
        socket::ROWS,
        other::ROWS,
    ];
    let rows = rows.into_iter().flatten();
    let mut fields: Vec<Field> =
        rows.map(|(spec, read)| Field::new(*spec, Read::Connection(*read))).collect();
    fields.extend(fields_of_protocols());
    for tcp in TCP_INFO_FIELDS {
        if fields.iter().all(|field| field.name != tcp.name) {
            fields.push(Field::new(spec_of(tcp), Read::TcpInfo(tcp)));
        }
    }
    fields
});

/// The declaration of a field of `tcp_info`. Its text lives as long as the catalogue: forever.
fn spec_of(tcp: &'static TcpInfoField) -> FieldSpec {
    let kind = match tcp.unit {
        TcpInfoUnit::Count => Kind::Count,
        TcpInfoUnit::Bytes => Kind::Bytes,
        TcpInfoUnit::BytesPerSecond => Kind::BytesPerSecond,
        TcpInfoUnit::Micros | TcpInfoUnit::Millis => Kind::Duration,
    };
    let origin = format!("tcp_info.tcpi_{}, Linux {}", tcp.name, tcp.since).leak();
    let drop_rank = match tcp.name {
        "pacing_rate" => Some(5),
        "min_rtt" => Some(6),
        "total_retrans" => Some(8),
        _ => None,
    };
    let aliases = aliases_of(tcp.name);
    FieldSpec { drop_rank, aliases, ..FieldSpec::new(tcp.name, kind, tcp.meaning, origin) }
}

/// Names of `ss` (iproute2, `misc/ss.c`) for fields of `tcp_info`.
fn aliases_of(name: &str) -> &'static [&'static str] {
    match name {
        "snd_cwnd" => &["cwnd"],
        "snd_ssthresh" => &["ssthresh"],
        "snd_mss" => &["mss"],
        "rcv_mss" => &["rcvmss"],
        "last_data_sent" => &["lastsnd"],
        "last_data_recv" => &["lastrcv"],
        "last_ack_recv" => &["lastack"],
        "min_rtt" => &["minrtt"],
        "notsent_bytes" => &["notsent"],
        "busy_time" => &["busy"],
        _ => &[],
    }
}

/// What the history keeps of no connection; `read` reads that of others.
fn unless_kept<'a>(c: &Connection, read: impl FnOnce() -> Value<'a>) -> Value<'a> {
    match c.socket.source {
        Source::History => Value::Unknown(Unknown::NotKept),
        _ => read(),
    }
}

/// A figure of the socket's memory, where the kernel reports it.
fn memory<'a>(c: &Connection, read: impl FnOnce(&SocketMemory) -> Option<Value<'a>>) -> Value<'a> {
    Value::known(c.socket.memory, |memory| {
        read(&memory).unwrap_or(Value::Unknown(Unknown::KernelDoesNotReport))
    })
}

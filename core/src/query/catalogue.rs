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
    Connection, FieldSpec, Kind, SocketMemory, TCP_INFO_FIELDS, TcpInfoField, TcpInfoUnit, Unknown,
};

use super::field::Read;
use super::{Field, Value};
use application::fields_of_protocols;

/// Every field, in the order of the field reference and of JSON.
pub fn catalogue() -> &'static [Field] {
    &CATALOGUE
}

/// The field of this name, alias or key, in any case.
#[must_use]
pub fn find_field(name: &str) -> Option<&'static Field> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
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
    FieldSpec { drop_rank, ..FieldSpec::new(tcp.name, kind, tcp.meaning, origin) }
}

/// A figure of the socket's memory, where the kernel reports it.
fn memory<'a>(c: &Connection, read: impl FnOnce(&SocketMemory) -> Option<Value<'a>>) -> Value<'a> {
    Value::known(c.socket.memory, |memory| {
        read(&memory).unwrap_or(Value::Unknown(Unknown::KernelDoesNotReport))
    })
}

//! The one catalogue of fields. A field added here appears in filters, sorting, columns, JSON and
//! the field reference, and nowhere else needs to know it.

mod course;
mod health;
mod identity;
mod owner;
mod socket;
mod stats;

use std::sync::LazyLock;

use crate::model::{Connection, SocketMemory, TCP_INFO_FIELDS, TcpInfoUnit, Unknown};

use super::field::Read;
use super::{Field, Kind, Value};

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
/// Name, aliases, type, meaning, origin, and how it is read.
type Row = (&'static str, &'static [&'static str], Kind, &'static str, &'static str, ReadFn);

static CATALOGUE: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields: Vec<Field> =
        [identity::ROWS, owner::ROWS, health::ROWS, stats::ROWS, course::ROWS, socket::ROWS]
            .concat()
            .into_iter()
            .map(|(name, aliases, kind, meaning, origin, read)| Field {
                name,
                aliases,
                key: Field::key_of(name, kind),
                kind,
                meaning,
                origin: origin.to_owned(),
                read: Read::Connection(read),
                of_process: owner::ROWS.iter().any(|row| row.0 == name && !row.2.is_list()),
            })
            .collect();
    for tcp in TCP_INFO_FIELDS {
        if fields.iter().any(|field| field.name == tcp.name) {
            continue;
        }
        let kind = match tcp.unit {
            TcpInfoUnit::Count => Kind::Count,
            TcpInfoUnit::Bytes => Kind::Bytes,
            TcpInfoUnit::BytesPerSecond => Kind::BytesPerSecond,
            TcpInfoUnit::Micros | TcpInfoUnit::Millis => Kind::Duration,
        };
        fields.push(Field {
            name: tcp.name,
            aliases: &[],
            key: Field::key_of(tcp.name, kind),
            kind,
            meaning: tcp.meaning,
            origin: format!("tcp_info.tcpi_{}, Linux {}", tcp.name, tcp.since),
            read: Read::TcpInfo(tcp),
            of_process: false,
        });
    }
    fields
});

/// A figure of the socket's memory, where the kernel told it.
fn memory<'a>(c: &Connection, read: impl FnOnce(&SocketMemory) -> Option<Value<'a>>) -> Value<'a> {
    Value::known(c.socket.memory, |memory| {
        read(&memory).unwrap_or(Value::Unknown(Unknown::KernelDoesNotTell))
    })
}

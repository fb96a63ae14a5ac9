//! A connection as a JSON object: the keys of the catalogue's fields and their values.
//!
//! Invariant: a key that is absent does not apply, a key that is `null` is unknown, and no key
//! is ever 0 for a value that is unknown. Keys and punctuation are prepared once, because a list has a
//! hundred thousand records of a hundred keys (docs/decisions/json-records.md has the profile).

use std::collections::HashMap;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use conns_core::model::{Connection, Endpoint, ListColumn, Process};
use conns_core::query::{Field, Kind, List, Value};
use serde::Serialize;

use crate::Stamp;
use crate::shapes::ExplainShape;

/// Writes records of one set of fields.
pub struct RecordWriter<'a> {
    /// What records begin with: entries, each behind a comma.
    start: Vec<u8>,
    /// Whether records end with `explain`.
    explains: bool,
    fields: Vec<(&'a Field, Key)>,
    /// What was written for a run of fields of processes, by process and place of the run, to be
    /// copied for their other sockets. A process stays where it is as long as its snapshot, and so
    /// does its address.
    written: HashMap<(*const Process, usize), Vec<u8>>,
}

/// Most processes whose text is kept, about 400 bytes each.
const PROCESSES_KEPT: usize = 4096;

/// What stands before a value: a comma and the key. Padded, because copying a known number of
/// bytes takes a few instructions, and copying an unknown number a call.
struct Key {
    padded: [u8; KEY_BYTES],
    length: usize,
}

/// Longer than any key of the catalogue with its punctuation; a test holds it to that.
const KEY_BYTES: usize = 48;

impl Key {
    fn of(field: &Field) -> Self {
        let mut text = vec![b','];
        json(&mut text, &field.key);
        text.push(b':');
        let length = text.len().min(KEY_BYTES);
        text.resize(KEY_BYTES, 0);
        let padded = text.first_chunk().copied().unwrap_or([0; KEY_BYTES]);
        Self { padded, length }
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.length;
        out.extend_from_slice(&self.padded);
        out.truncate(end);
    }
}

impl<'a> RecordWriter<'a> {
    /// A writer of records with `fields`, in their order.
    #[must_use]
    pub fn new(fields: &[&'a Field]) -> Self {
        Self {
            fields: fields.iter().map(|field| (*field, Key::of(field))).collect(),
            written: HashMap::new(),
            explains: false,
            start: Vec::new(),
        }
    }

    /// The same, whose records begin with time and host of their snapshot, if there is a `stamp`.
    #[must_use]
    pub fn stamped(self, stamp: Option<Stamp<'_>>) -> Self {
        let mut start = Vec::new();
        if let Some(Stamp { at_us, host }) = stamp {
            let [at_key, host_key] = Stamp::KEYS;
            entry(&mut start, at_key, &at_us);
            entry(&mut start, host_key, &host);
        }
        Self { start, ..self }
    }

    /// The same, whose records end with `explain`: the source of each value, and the reason of each
    /// that is unknown.
    #[must_use]
    pub fn explaining(self, explains: bool) -> Self {
        Self { explains, ..self }
    }

    fn explain(&self, out: &mut Vec<u8>, connection: &Connection) {
        let mut explain = ExplainShape::default();
        for (field, _) in &self.fields {
            match field.value(connection) {
                Value::NotApplicable => {}
                Value::Unknown(why) => explain.unknown.push((&field.key, why.to_string())),
                _ => {
                    let source = field.source(connection);
                    explain.sources.extend(source.map(|source| (&*field.key, source.to_string())));
                }
            }
        }
        entry(out, "explain", &explain);
    }

    /// Forgets what was written of processes. To be called before the connections of a process go
    /// away while the writer stays: another process may then be where the first was.
    pub fn forget(&mut self) {
        self.written.clear();
    }

    /// Appends `connection` behind the entries of an object that is open and has at least one.
    pub(crate) fn write_on(&mut self, out: &mut Vec<u8>, connection: &Connection) {
        self.write_on_with(out, connection, |_| {});
    }

    /// The same, to which `more` may add entries by [`entry`].
    pub(crate) fn write_on_with(
        &mut self,
        out: &mut Vec<u8>,
        connection: &Connection,
        more: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = out.len();
        self.write_with(out, connection, more);
        // The record's own brace becomes the comma, or goes if the record is empty.
        if out.get(start + 1) == Some(&b'}') {
            out.remove(start);
        } else if let Some(brace) = out.get_mut(start) {
            *brace = b',';
        }
    }

    /// Appends `connection` as one object.
    pub fn write(&mut self, out: &mut Vec<u8>, connection: &Connection) {
        self.write_with(out, connection, |_| {});
    }

    /// Appends `connection` as one object, to which `more` may add entries by [`entry`].
    pub(crate) fn write_with(
        &mut self,
        out: &mut Vec<u8>,
        connection: &Connection,
        more: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = out.len();
        out.extend_from_slice(&self.start);
        let process = connection.only_process().map(Arc::as_ptr);
        let mut rest = &*self.fields;
        while let Some(((field, key), after)) = rest.split_first() {
            if let Some(process) = process.filter(|_| field.of_process) {
                let count = rest.iter().take_while(|(field, _)| field.of_process).count();
                let (of_process, after) = rest.split_at(count);
                let run = (process, rest.len());
                match self.written.get(&run).filter(|_| of_process.len() > 1) {
                    Some(text) => out.extend_from_slice(text),
                    None => {
                        let before = out.len();
                        for (field, key) in of_process {
                            write_field(out, key, field, connection);
                        }
                        if self.written.len() < PROCESSES_KEPT && of_process.len() > 1 {
                            let text = out.get(before..).unwrap_or_default();
                            self.written.insert(run, text.to_vec());
                        }
                    }
                }
                rest = after;
                continue;
            }
            write_field(out, key, field, connection);
            rest = after;
        }
        if self.explains {
            self.explain(out, connection);
        }
        more(out);
        // The comma before the first key becomes the brace that opens the object.
        match out.get_mut(start) {
            Some(first) => *first = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }
}

/// Appends the key and value of one field, unless it does not apply.
fn write_field(out: &mut Vec<u8>, key: &Key, field: &Field, connection: &Connection) {
    // Most fields are plain numbers of `tcp_info`: they need no `Value` in between.
    if let (Some(number), Some(tcp)) = (field.tcp_info(), connection.tcp()) {
        if number.applies_to(tcp) {
            key.append_to(out);
            match number.scaled(tcp, connection.socket.age_ms()) {
                Ok(value) => unsigned(out, value),
                Err(_) => out.extend_from_slice(b"null"),
            }
        }
        return;
    }
    match field.value(connection) {
        Value::NotApplicable => {}
        value => {
            key.append_to(out);
            write_value(out, field.kind, &value);
        }
    }
}

/// The value of `field` of `connection` as JSON, as in records.
#[must_use]
pub fn field_json(field: &Field, connection: &Connection) -> String {
    let mut out = Vec::new();
    write_value(&mut out, field.kind, &field.value(connection));
    // What is written is text; an error would be one of this module.
    String::from_utf8(out).unwrap_or_else(|_| "null".to_owned())
}

/// Appends one more entry to an object that is being written.
pub(crate) fn entry(out: &mut Vec<u8>, key: &str, value: &impl Serialize) {
    out.push(b',');
    json(out, key);
    out.push(b':');
    json(out, value);
}

/// Appends the entries of a shape to an object that is being written.
pub(crate) fn entries(out: &mut Vec<u8>, shape: &impl Serialize) {
    let start = out.len();
    json(out, shape);
    // The shape's own brace becomes the comma.
    if let Some(brace) = out.get_mut(start) {
        *brace = b',';
    }
    out.pop();
}

/// Appends anything as JSON.
pub(crate) fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing to memory does not fail, and nothing here has keys that are not text.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"null");
    }
}

/// Appends a value: numbers in the unit of the key, text, or `null`.
fn write_value(out: &mut Vec<u8>, kind: Kind, value: &Value<'_>) {
    match value {
        Value::Text(text) => string(out, text),
        Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => unsigned(out, *n),
        Value::Port(port) => whole(out, *port),
        Value::BytesPerSecond(n) if *n >= 100.0 => {
            // Large rates are written as whole bytes a second; `as` saturates, so that the kernel's
            // "no limit" stays the largest number.
            whole(out, n.round() as u64);
        }
        Value::BytesPerSecond(n) => json(out, &((n * 1e3).round() / 1e3)),
        Value::Percent(0.0) => out.extend_from_slice(b"0.0"),
        Value::Percent(n) => json(out, &((n * 1e4).round() / 1e4)),
        Value::Address(address) => quoted(out, |out| write_address(out, *address)),
        Value::Endpoint(end) => quoted(out, |out| write_endpoint(out, *end)),
        Value::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Time(us) => whole(out, *us),
        Value::List(list) => match kind {
            Kind::List(spec) => records(out, spec.columns, *list),
            _ => out.extend_from_slice(b"null"),
        },
        // The type of a key does not depend on how many processes own the socket: the first is written here,
        // all of them under `owners`.
        Value::Several(values) => match values.first() {
            Some(first) => write_value(out, kind, first),
            None => out.extend_from_slice(b"null"),
        },
        Value::Unknown(_) | Value::NotApplicable => out.extend_from_slice(b"null"),
    }
}

/// Most numbers of a socket have one digit.
pub(crate) fn unsigned(out: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        _ => whole(out, number),
    }
}

pub(crate) fn whole(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        quoted(out, |out| out.extend_from_slice(text.as_bytes()));
    } else {
        json(out, text);
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            whole(out, a);
            for octet in [b, c, d] {
                out.push(b'.');
                whole(out, octet);
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

fn write_endpoint(out: &mut Vec<u8>, end: Endpoint) {
    let is_v6 = end.address.is_ipv6();
    if is_v6 {
        out.push(b'[');
    }
    write_address(out, end.address);
    if is_v6 {
        out.push(b']');
    }
    out.push(b':');
    whole(out, end.port);
}

/// Appends the records of a list; a column that does not apply to a record is absent from it.
fn records(out: &mut Vec<u8>, columns: &[ListColumn], list: List<'_>) {
    out.push(b'[');
    for row in 0..list.len() {
        out.extend_from_slice(if row == 0 { b"{" } else { b",{" });
        let start = out.len();
        for (at, column) in columns.iter().enumerate() {
            let value = list.value(row, at);
            if value != Value::NotApplicable {
                if out.len() > start {
                    out.push(b',');
                }
                string(out, column.key);
                out.push(b':');
                write_value(out, column.kind, &value);
            }
        }
        out.push(b'}');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use conns_core::query::catalogue;

    use super::*;

    #[test]
    fn every_key_fits() {
        for field in catalogue() {
            let mut whole = vec![b','];
            json(&mut whole, &field.key);
            whole.push(b':');
            let mut written = b"x".to_vec();
            Key::of(field).append_to(&mut written);
            assert_eq!(written.get(1..), Some(&*whole));
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        for text in ["plain", "", "a\"b\\c", "\u{1b}[31m\n\t", "päckchen \u{2028}"] {
            out.clear();
            string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        let mut out = Vec::new();
        for text in ["0.0.0.0", "255.1.20.3", "::", "::ffff:10.0.0.1", "2001:db8::1"] {
            let address: IpAddr = text.parse().unwrap();
            out.clear();
            write_address(&mut out, address);
            assert_eq!(out, address.to_string().as_bytes());
            out.clear();
            write_endpoint(&mut out, Endpoint { address, port: 443 });
            assert_eq!(out, std::net::SocketAddr::new(address, 443).to_string().as_bytes());
        }
    }
}

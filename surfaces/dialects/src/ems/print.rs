//! Writes values as EMS does: as compact JSON, or as the indented dump of the ASCII interface.
//!
//! Invariant: the form decides only how a value is written, so that all interfaces have the same
//! values. Callers write keys in ASCII order.

use std::io::Write as _;
use std::net::IpAddr;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Compact JSON.
    Json,
    /// `key: value` lines, two spaces deeper with each level, `-- ` before elements of an array; lines
    /// end in LF CR.
    Dump,
}

/// End of a line of the ASCII interface: LF CR, in this order.
pub(super) const LINE_END: &[u8] = b"\n\r";

/// Level of the outermost keys of a dump: they are indented by four spaces.
const FIRST_LEVEL: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Object,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    is_empty: bool,
}

/// Serializes values one after the other.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    bytes: Vec<u8>,
    open: Vec<Open>,
}

impl Printer {
    /// An empty printer with room for `capacity` bytes.
    pub(super) fn new(form: Form, capacity: usize) -> Self {
        Self { form, bytes: Vec::with_capacity(capacity), open: Vec::new() }
    }

    /// The bytes written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An object with the keys and values that `write` writes.
    pub(super) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.nested(Kind::Object, write);
    }

    /// An array of the values that `write` writes.
    pub(super) fn array(&mut self, write: impl FnOnce(&mut Self)) {
        self.nested(Kind::Array, write);
    }

    /// The key of the next value. It is not escaped.
    pub(super) fn key(&mut self, key: &'static str) {
        self.begin_item();
        match self.form {
            Form::Json => {
                self.bytes.push(b'"');
                self.bytes.extend_from_slice(key.as_bytes());
                self.bytes.extend_from_slice(b"\":");
            }
            Form::Dump => {
                self.bytes.extend_from_slice(key.as_bytes());
                self.bytes.extend_from_slice(b": ");
            }
        }
    }

    /// A string.
    pub(super) fn text(&mut self, text: &str) {
        self.begin_value();
        match self.form {
            Form::Json => self.string(text),
            Form::Dump => self.bytes.extend_from_slice(text.as_bytes()),
        }
        self.end_scalar();
    }

    /// An address, as a string.
    pub(super) fn address(&mut self, address: IpAddr) {
        self.begin_value();
        let quote: &[u8] = if self.form == Form::Json { b"\"" } else { b"" };
        self.bytes.extend_from_slice(quote);
        // A write to a vector does not fail, and an address needs no escapes.
        let _ = write!(self.bytes, "{address}");
        self.bytes.extend_from_slice(quote);
        self.end_scalar();
    }

    /// An integer.
    pub(super) fn unsigned(&mut self, number: u64) {
        self.begin_value();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.end_scalar();
    }

    /// A negative integer.
    pub(super) fn signed(&mut self, number: i64) {
        self.begin_value();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.end_scalar();
    }

    /// A number with four decimals.
    pub(super) fn double(&mut self, number: f64) {
        self.begin_value();
        // A write to a vector does not fail; JSON has no NaN and no infinity.
        if number.is_finite() {
            let _ = write!(self.bytes, "{number:.4}");
        } else {
            self.bytes.extend_from_slice(b"0.0000");
        }
        self.end_scalar();
    }

    /// Microseconds, as milliseconds with four decimals.
    pub(super) fn milliseconds(&mut self, us: i64) {
        self.begin_value();
        if us < 0 {
            self.bytes.push(b'-');
        }
        let us = us.unsigned_abs();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(us / 1000).as_bytes());
        // 10000 adds the leading zeros of the decimals.
        let decimals = 10_000 + us % 1000 * 10;
        let at = self.bytes.len();
        self.bytes.extend_from_slice(itoa::Buffer::new().format(decimals).as_bytes());
        if let Some(first) = self.bytes.get_mut(at) {
            *first = b'.';
        }
        self.end_scalar();
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, is: bool) {
        self.begin_value();
        self.bytes.extend_from_slice(if is { b"true" } else { b"false" });
        self.end_scalar();
    }

    /// No value: `null`, in a dump an empty line.
    pub(super) fn null(&mut self) {
        self.begin_value();
        if self.form == Form::Json {
            self.bytes.extend_from_slice(b"null");
        }
        self.end_scalar();
    }

    fn nested(&mut self, kind: Kind, write: impl FnOnce(&mut Self)) {
        self.begin_value();
        let (begin, end) = match kind {
            Kind::Array => (b'[', b']'),
            Kind::Object => (b'{', b'}'),
        };
        if self.form == Form::Json {
            self.bytes.push(begin);
        }
        self.open.push(Open { kind, is_empty: true });
        write(self);
        let is_empty = self.open.pop().is_none_or(|open| open.is_empty);
        match self.form {
            Form::Json => self.bytes.push(end),
            Form::Dump if is_empty => {
                if kind == Kind::Array {
                    self.bytes.extend_from_slice(b"[]");
                }
                self.bytes.extend_from_slice(LINE_END);
            }
            Form::Dump => {}
        }
    }

    /// Writes the separator before an element of an array.
    fn begin_value(&mut self) {
        if self.open.last().is_some_and(|open| open.kind == Kind::Array) {
            self.begin_item();
            if self.form == Form::Dump {
                self.bytes.extend_from_slice(b"-- ");
            }
        }
    }

    /// Writes the separator to the previous value or key.
    fn begin_item(&mut self) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else { return };
        let is_first = std::mem::replace(&mut open.is_empty, false);
        match self.form {
            Form::Json if is_first => {}
            Form::Json => self.bytes.push(b','),
            Form::Dump => {
                if is_first {
                    self.bytes.extend_from_slice(LINE_END);
                }
                for _ in 0..depth + FIRST_LEVEL {
                    self.bytes.extend_from_slice(b"  ");
                }
            }
        }
    }

    fn end_scalar(&mut self) {
        if self.form == Form::Dump {
            self.bytes.extend_from_slice(LINE_END);
        }
    }

    fn string(&mut self, text: &str) {
        self.bytes.push(b'"');
        escape(text, &mut self.bytes);
        self.bytes.push(b'"');
    }
}

/// Writes `text` as the contents of a JSON string; a slash is escaped too.
pub(super) fn escape(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, 0..=31 | b'"' | b'\\' | b'/')) {
        let (plain, special) = rest.split_at(at);
        bytes.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        let short = match byte {
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            b'"' | b'\\' | b'/' => *byte,
            _ => 0,
        };
        if short == 0 {
            // A write to a vector does not fail.
            let _ = write!(bytes, "\\u{byte:04x}");
        } else {
            bytes.extend_from_slice(&[b'\\', short]);
        }
        rest = after;
    }
    bytes.extend_from_slice(rest);
}

#[cfg(test)]
mod tests;

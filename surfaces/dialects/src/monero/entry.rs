//! Values of a request's JSON, and how the node writes them in its answers.
//!
//! The one idea: keys in the order of their bytes, line ends CR LF, text as it came but for the
//! escapes the node knows; so not every answer is UTF-8, as not every request was.

use std::collections::BTreeMap;

use super::number::{self, Number};

/// An object.
pub(super) type Section = BTreeMap<Vec<u8>, Entry>;

/// A value. There is no null: the node forgets it while reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Number(Number),
    Bool(bool),
    Text(Vec<u8>),
    Section(Section),
    /// All of one kind.
    Array(Vec<Entry>),
}

/// Most bytes one value may be written with. Only ids are echoed, and clients number their calls.
/// Without it a request of 1 MiB of nested keys had an answer of 30.
pub(super) const LONGEST: usize = 64 * 1024;

impl Entry {
    /// Writes it where keys stand `indent` steps deep; `None` if that takes more than [`LONGEST`].
    pub(super) fn written(&self, indent: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.write(&mut out, indent)?;
        (out.len() <= LONGEST).then_some(out)
    }

    fn write(&self, out: &mut Vec<u8>, indent: usize) -> Option<()> {
        // Looked at with each value, so that it passes the limit by one value at most.
        (out.len() <= LONGEST).then_some(())?;
        match self {
            Self::Number(Number::Unsigned(number)) => number::write_whole(out, *number),
            Self::Number(Number::Signed(number)) => number::write_whole(out, *number),
            Self::Number(Number::Double(number)) => number::write_double(out, *number),
            Self::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Text(text) => write_text(out, text),
            Self::Section(section) => write_section(out, section, indent)?,
            Self::Array(entries) => {
                out.push(b'[');
                for (at, entry) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    entry.write(out, indent)?;
                }
                out.push(b']');
            }
        }
        Some(())
    }
}

fn write_section(out: &mut Vec<u8>, section: &Section, indent: usize) -> Option<()> {
    out.extend_from_slice(b"{\r\n");
    for (at, (name, entry)) in section.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b",\r\n");
        }
        write_indent(out, indent + 1);
        write_text(out, name);
        out.extend_from_slice(b": ");
        entry.write(out, indent + 1)?;
    }
    if !section.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    write_indent(out, indent);
    out.push(b'}');
    Some(())
}

fn write_indent(out: &mut Vec<u8>, indent: usize) {
    out.resize(out.len() + 2 * indent, b' ');
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        let escape = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'"' | b'\\' | b'/' => *byte,
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escape]);
    }
    out.push(b'"');
}

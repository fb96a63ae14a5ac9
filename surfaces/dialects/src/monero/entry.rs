//! JSON values of a request, and how the node writes them in its answers.
//!
//! Keys are in byte order, lines end in CR LF, text is as received except for the escapes of the node.
//! An answer is UTF-8 only if the request was.

use std::collections::BTreeMap;

use super::number::{self, Number};

/// An object.
pub(super) type Section = BTreeMap<Vec<u8>, Entry>;

/// A value. There is no null: the node drops it while reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Number(Number),
    Bool(bool),
    Text(Vec<u8>),
    Section(Section),
    /// All of one kind.
    Array(Vec<Entry>),
}

/// Longest serialization of a value, bytes. Only ids are echoed, and real ones are short. Without the
/// limit, 1 MiB of nested keys has an answer of 30 MiB.
pub(super) const MAX_WRITTEN: usize = 64 * 1024;

impl Entry {
    /// Serializes it at depth `indent`; `None` if that takes more than [`MAX_WRITTEN`].
    pub(super) fn written(&self, indent: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.write(&mut out, indent)?;
        (out.len() <= MAX_WRITTEN).then_some(out)
    }

    fn write(&self, out: &mut Vec<u8>, indent: usize) -> Option<()> {
        // Checked with each value, so that the limit is exceeded by one value at most.
        (out.len() <= MAX_WRITTEN).then_some(())?;
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

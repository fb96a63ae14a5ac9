//! AMF 3 values.

use super::{MAX_DEPTH, MAX_TEXT, Value};

/// Most texts and classes that later values may refer to.
const MAX_REFERENCES: usize = 256;
/// Most names of a class.
const MAX_NAMES: usize = 256;

/// Reads from the front of what is left of a message. The tables of references begin with it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    values_left: usize,
    texts: Vec<String>,
    classes: Vec<Class>,
}

#[derive(Debug, Clone)]
struct Class {
    names: Vec<String>,
    is_dynamic: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], values_left: usize) -> Self {
        Self { bytes, values_left, texts: Vec::new(), classes: Vec::new() }
    }

    /// What is left: bytes, and how many values may follow.
    pub(super) fn rest(&self) -> (&'a [u8], usize) {
        (self.bytes, self.values_left)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*taken)
    }

    /// A number of at most 29 bits, in one to four bytes.
    fn u29(&mut self) -> Option<usize> {
        let mut number = 0;
        for at in 0..4 {
            let [byte] = self.array()?;
            if at == 3 {
                return Some(number << 8 | usize::from(byte));
            }
            number = number << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }

    fn text(&mut self) -> Option<String> {
        let head = self.u29()?;
        if head & 1 == 0 {
            return Some(self.texts.get(head >> 1).cloned().unwrap_or_default());
        }
        let bytes = self.take(head >> 1)?;
        let kept = bytes.get(..MAX_TEXT).unwrap_or(bytes);
        let text = String::from_utf8_lossy(kept).into_owned();
        if !bytes.is_empty() && self.texts.len() < MAX_REFERENCES {
            self.texts.push(text.clone());
        }
        Some(text)
    }

    pub(super) fn value(&mut self, depth: u8) -> Option<Value> {
        self.values_left = self.values_left.checked_sub(1)?;
        if depth >= MAX_DEPTH {
            return None;
        }
        let [marker] = self.array()?;
        Some(match marker {
            // undefined, null, false, true
            0x00..=0x03 => Value::Other,
            0x04 => {
                let number = self.u29()?;
                // The highest of the 29 bits is the sign.
                let signed = if number >= 1 << 28 {
                    number as f64 - f64::from(1 << 29)
                } else {
                    number as f64
                };
                Value::Number(signed)
            }
            0x05 => Value::Number(f64::from_be_bytes(self.array()?)),
            0x06 => Value::Text(self.text()?),
            // XML documents and byte arrays.
            0x07 | 0x0b | 0x0c => {
                let head = self.u29()?;
                if head & 1 == 1 {
                    self.take(head >> 1)?;
                }
                Value::Other
            }
            // A date.
            0x08 => {
                if self.u29()? & 1 == 1 {
                    self.take(8)?;
                }
                Value::Other
            }
            0x09 => self.list(depth)?,
            0x0a => self.object(depth)?,
            // Vectors of numbers: a flag, then their values.
            0x0d | 0x0e => self.vector(4)?,
            0x0f => self.vector(8)?,
            _ => return None,
        })
    }

    fn vector(&mut self, width: usize) -> Option<Value> {
        let head = self.u29()?;
        if head & 1 == 1 {
            self.take(1)?;
            self.take((head >> 1).checked_mul(width)?)?;
        }
        Some(Value::Other)
    }

    fn list(&mut self, depth: u8) -> Option<Value> {
        let head = self.u29()?;
        if head & 1 == 0 {
            return Some(Value::Other);
        }
        let named = self.named(depth)?;
        for _ in 0..head >> 1 {
            self.value(depth + 1)?;
        }
        Some(Value::Object(named))
    }

    /// Properties up to an empty name.
    fn named(&mut self, depth: u8) -> Option<Vec<(String, Value)>> {
        let mut properties = Vec::new();
        loop {
            let name = self.text()?;
            if name.is_empty() {
                return Some(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn object(&mut self, depth: u8) -> Option<Value> {
        let head = self.u29()?;
        if head & 1 == 0 {
            return Some(Value::Other);
        }
        let class = match head {
            _ if head & 2 == 0 => self.classes.get(head >> 2)?.clone(),
            // A class that writes itself in a form of its own.
            _ if head & 4 != 0 => return None,
            _ => {
                self.text()?;
                let count = head >> 4;
                let mut names = Vec::new();
                for _ in 0..count {
                    if names.len() >= MAX_NAMES {
                        return None;
                    }
                    names.push(self.text()?);
                }
                let class = Class { names, is_dynamic: head & 8 != 0 };
                if self.classes.len() < MAX_REFERENCES {
                    self.classes.push(class.clone());
                }
                class
            }
        };
        let mut properties = Vec::new();
        for name in class.names {
            properties.push((name, self.value(depth + 1)?));
        }
        if class.is_dynamic {
            properties.extend(self.named(depth)?);
        }
        Some(Value::Object(properties))
    }
}

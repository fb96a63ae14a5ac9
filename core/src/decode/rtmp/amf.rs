//! Values of the Action Message Format: AMF 0 (Adobe, December 2007) and AMF 3 (January 2013), as far as
//! commands and metadata of RTMP use them.
//!
//! What is read is bounded: depth, number of values, length of texts. A longer text is passed over.

mod amf3;

/// Most values inside each other.
const MAX_DEPTH: u8 = 16;
/// Most values of a message, nested ones counted.
const MAX_VALUES: usize = 2048;
/// Longest text that is kept, bytes. A longer one is cut.
const MAX_TEXT: usize = 1024;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::decode) enum Value {
    Number(f64),
    Text(String),
    /// An object or an array with names, in the order of the message.
    Object(Vec<(String, Value)>),
    /// A type of which nothing is read.
    Other,
}

impl Value {
    pub(in crate::decode) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::decode) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The last property of this name.
    pub(in crate::decode) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(properties) => {
                properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

/// The values of a message, in their order, up to the first one that is malformed or beyond the bounds.
pub(in crate::decode) fn values(bytes: &[u8]) -> Vec<Value> {
    let mut reader = Reader { bytes, values_left: MAX_VALUES };
    let mut values = Vec::new();
    while !reader.bytes.is_empty() {
        match reader.value(0) {
            Some(value) => values.push(value),
            None => break,
        }
    }
    values
}

/// Reads from the front of what is left of a message.
#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    values_left: usize,
}

impl<'a> Reader<'a> {
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

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<usize> {
        self.array().map(|bytes| u16::from_be_bytes(bytes).into())
    }

    fn u32(&mut self) -> Option<usize> {
        self.array().and_then(|bytes| u32::from_be_bytes(bytes).try_into().ok())
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let bytes = self.take(length)?;
        let kept = bytes.get(..MAX_TEXT).unwrap_or(bytes);
        Some(String::from_utf8_lossy(kept).into_owned())
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        self.values_left = self.values_left.checked_sub(1)?;
        if depth >= MAX_DEPTH {
            return None;
        }
        Some(match self.byte()? {
            0x00 => Value::Number(f64::from_be_bytes(self.array()?)),
            0x01 => {
                self.byte()?;
                Value::Other
            }
            0x02 => {
                let length = self.u16()?;
                Value::Text(self.text(length)?)
            }
            0x03 => self.object(depth)?,
            // null, undefined, unsupported
            0x05 | 0x06 | 0x0d => Value::Other,
            // A reference to an earlier object.
            0x07 => {
                self.u16()?;
                Value::Other
            }
            // An array with names; the number in front is a hint.
            0x08 => {
                self.u32()?;
                self.object(depth)?
            }
            0x0a => {
                for _ in 0..self.u32()? {
                    self.value(depth + 1)?;
                }
                Value::Other
            }
            // A date and its time zone.
            0x0b => {
                self.take(10)?;
                Value::Other
            }
            // A long text, or XML.
            0x0c | 0x0f => {
                let length = self.u32()?;
                Value::Text(self.text(length)?)
            }
            // An object of a class.
            0x10 => {
                let length = self.u16()?;
                self.take(length)?;
                self.object(depth)?
            }
            0x11 => {
                let mut reader = amf3::Reader::new(self.bytes, self.values_left);
                let value = reader.value(depth + 1)?;
                (self.bytes, self.values_left) = reader.rest();
                value
            }
            _ => return None,
        })
    }

    /// Properties up to an empty name and the end marker.
    fn object(&mut self, depth: u8) -> Option<Value> {
        let mut properties = Vec::new();
        loop {
            let length = self.u16()?;
            let name = self.text(length)?;
            if length == 0 && self.bytes.first() == Some(&0x09) {
                self.byte()?;
                return Some(Value::Object(properties));
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }
}

#[cfg(test)]
mod tests;

//! Strings, numbers and words of a request's JSON.
//!
//! A number or word ends before a byte that is not part of it, so that it cannot be the last bytes of
//! a body.

use crate::monero::entry::Entry;
use crate::monero::number;

/// The body is not JSON, not even to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::monero) struct NotJson;

/// A value that is no object and no array.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    Entry(Entry),
    Null,
}

/// Bytes and the position in them.
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads the next byte.
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// The number of bytes read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Whether only white space follows from `start` to the end.
    pub(super) fn is_white_from(&self, start: usize) -> bool {
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
    }

    /// The value that starts with `first`, which has been read.
    pub(super) fn scalar(&mut self, first: u8) -> Result<Scalar, NotJson> {
        Ok(Scalar::Entry(match first {
            b'"' => Entry::Text(self.string()?),
            b'-' | b'0'..=b'9' => {
                Entry::Number(number::read(self.token(number::is_part)?).ok_or(NotJson)?)
            }
            _ if first.is_ascii_alphabetic() => {
                let word = self.token(|byte| byte.is_ascii_alphabetic())?;
                match word {
                    _ if word.eq_ignore_ascii_case(b"true") => Entry::Bool(true),
                    _ if word.eq_ignore_ascii_case(b"false") => Entry::Bool(false),
                    _ if word.eq_ignore_ascii_case(b"null") => return Ok(Scalar::Null),
                    _ => return Err(NotJson),
                }
            }
            _ => return Err(NotJson),
        }))
    }

    /// The byte just read and those after it for which `part` holds; another byte must follow.
    fn token(&mut self, part: impl Fn(u8) -> bool) -> Result<&'a [u8], NotJson> {
        let rest = self.bytes.get(self.at - 1..).unwrap_or_default();
        let length = rest.iter().skip(1).position(|byte| !part(*byte)).ok_or(NotJson)?;
        self.at += length;
        rest.get(..=length).ok_or(NotJson)
    }

    /// The text between a quote, which has been read, and the next.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, NotJson> {
        let mut text = Vec::new();
        loop {
            match self.next().ok_or(NotJson)? {
                b'"' => return Ok(text),
                b'\\' => self.escape(&mut text)?,
                byte => text.push(byte),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), NotJson> {
        text.push(match self.next().ok_or(NotJson)? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'u' => {
                let mut utf8 = [0; 4];
                text.extend_from_slice(self.character()?.encode_utf8(&mut utf8).as_bytes());
                return Ok(());
            }
            // Unknown escapes stand for the letter itself, as those of quote and slash do.
            byte => byte,
        });
        Ok(())
    }

    /// The character of `\u` and its digits, or of a pair of them (RFC 8259 section 7).
    fn character(&mut self) -> Result<char, NotJson> {
        let high = self.unit()?;
        let is_pair = (0xd800..0xdc00).contains(&high);
        let low = match is_pair {
            true if self.next() != Some(b'\\') || self.next() != Some(b'u') => return Err(NotJson),
            true => Some(self.unit()?),
            false => None,
        };
        let mut characters = char::decode_utf16(std::iter::once(high).chain(low));
        characters.next().and_then(Result::ok).ok_or(NotJson)
    }

    fn unit(&mut self) -> Result<u16, NotJson> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next().ok_or(NotJson)?).to_digit(16).ok_or(NotJson)?;
            unit = unit << 4 | u16::try_from(digit).map_err(|_| NotJson)?;
        }
        Ok(unit)
    }
}

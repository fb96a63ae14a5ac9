//! Cursors: the place in a list where the next page begins. Opaque to clients, and never trusted: a
//! forged one only names another place.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePlace {
    /// Behind the connection with this serial number, and no further than the one that was newest
    /// when the first page was written: paging ends, however many connections open meanwhile.
    Serial {
        /// The serial number.
        after: u64,
        /// The newest serial number.
        newest: u64,
    },
    /// At this place of an order that was kept under this number.
    Order {
        /// The number of the order.
        number: u64,
        /// The place.
        at: u64,
    },
    /// An order of windows that was kept under this number.
    Window {
        /// The number of the order.
        number: u64,
    },
    /// Behind the process with this pid.
    Pid {
        /// The pid.
        after: u64,
    },
}

/// A place, and what it is a place of. Its text is base64 (RFC 4648 section 5) without padding; each
/// cursor has one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The instance of the agent.
    pub instance: u64,
    /// A digest of what was asked.
    pub question: u64,
    /// The place.
    pub place: PagePlace,
}

/// Bytes of a cursor before encoding.
const LENGTH: usize = 33;

/// A text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, first, second) = match self.place {
            PagePlace::Serial { after, newest } => (b's', after, newest),
            PagePlace::Order { number, at } => (b'w', number, at),
            PagePlace::Window { number } => (b'v', number, 0),
            PagePlace::Pid { after } => (b'p', after, 0),
        };
        let mut bytes = vec![kind];
        for number in [self.instance, self.question, first, second] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > 2 * LENGTH {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        parse(&bytes).ok_or(CursorError)
    }
}

fn parse(bytes: &[u8]) -> Option<Cursor> {
    let (kind, rest) = bytes.split_first()?;
    let mut numbers = rest.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
    let mut next = || numbers.next().map(u64::from_be_bytes);
    let (instance, question, first, second) = (next()?, next()?, next()?, next()?);
    if bytes.len() != LENGTH {
        return None;
    }
    let place = match (kind, second) {
        (b's', newest) => PagePlace::Serial { after: first, newest },
        (b'w', at) => PagePlace::Order { number: first, at },
        (b'v', 0) => PagePlace::Window { number: first },
        (b'p', 0) => PagePlace::Pid { after: first },
        _ => return None,
    };
    Some(Cursor { instance, question, place })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_from_its_text(
            instance: u64,
            question: u64,
            first: u64,
            second: u64,
            kind in 0..4,
        ) {
            let place = match kind {
                0 => PagePlace::Serial { after: first, newest: second },
                1 => PagePlace::Order { number: first, at: second },
                2 => PagePlace::Window { number: first },
                _ => PagePlace::Pid { after: first },
            };
            let cursor = Cursor { instance, question, place };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "c", "cw", "c3d4", &"A".repeat(44), &"c".repeat(1000), "=", "p\u{e9}"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}

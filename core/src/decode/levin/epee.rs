//! A reader of epee's portable storage (`portable_storage_from_bin.h`) that gets the bytes as they
//! come, and keeps of them no more than the value it is in.

use std::fmt;

/// `PORTABLE_STORAGE_SIGNATUREA`, `B` and the format version.
const SIGNATURE: [u8; 9] = [0x01, 0x11, 0x01, 0x01, 0x01, 0x01, 0x02, 0x01, 0x01];
/// Deepest nesting. A node permits 100; its own messages have four levels.
const MAX_DEPTH: usize = 8;
/// First bytes of a text that are kept: names of networks and ids have up to 32.
const HEAD_BYTES: usize = 32;
/// Last bytes of a text that are kept: the last of a list of ids.
const TAIL_BYTES: usize = 32;
/// Longest token, bytes: a name.
const MAX_TOKEN: usize = 255;

const TYPE_TEXT: u8 = 10;
const TYPE_SECTION: u8 = 12;
const ARRAY_FLAG: u8 = 0x80;

/// What is wrong with a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// A value of a section, or one of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry<'a> {
    /// The name of the section it is in; `None` in the root, and if the name is not among those
    /// searched for.
    pub(super) section: Option<&'static str>,
    /// Its name, if it is among those searched for.
    pub(super) name: &'static str,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Unsigned(u64),
    Text {
        length: u64,
        /// The first 32 bytes, or all.
        head: &'a [u8],
        /// The last 32 bytes, or all.
        tail: &'a [u8],
    },
}

/// Reads one storage.
pub(super) struct Reader {
    /// The names whose values are reported.
    names: &'static [&'static str],
    step: Step,
    token: [u8; MAX_TOKEN],
    token_length: usize,
    stack: [Level; MAX_DEPTH],
    depth: usize,
    text: Text,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Signature,
    /// How many entries the section has.
    EntryCount,
    NameLength,
    Name(u8),
    Type,
    /// How many values of this type the array has.
    ArrayCount(u8),
    /// A number of this many bytes, and whether it is unsigned.
    Number(u8, bool),
    TextLength,
    /// That many bytes are left of the text.
    Text(u64),
    /// Bytes of no interest.
    Skip(u64),
    Done,
}

/// A section or an array.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// Entries or values not begun yet.
    left: u64,
    /// The type of the values; `None` is a section.
    array_type: Option<u8>,
    /// The name of the entry that is read.
    entry: Option<&'static str>,
}

/// The text that is read.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    length: u64,
    head: [u8; HEAD_BYTES],
    head_length: usize,
    tail: [u8; TAIL_BYTES],
    tail_length: usize,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("step", &self.step).field("depth", &self.depth).finish()
    }
}

impl Reader {
    /// Reports the values of these names.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            step: Step::Signature,
            token: [0; MAX_TOKEN],
            token_length: 0,
            stack: [Level::default(); MAX_DEPTH],
            depth: 0,
            text: Text::default(),
        }
    }

    /// Whether the root section is complete. What follows is ignored, as a node does.
    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// How many of the next bytes are of no interest.
    pub(super) fn skippable(&self) -> u64 {
        match self.step {
            Step::Skip(left) => left,
            Step::Text(left) if self.text.head_length == HEAD_BYTES => {
                left.saturating_sub(TAIL_BYTES as u64)
            }
            Step::Done => u64::MAX,
            _ => 0,
        }
    }

    /// Passes over bytes, at most [`Self::skippable`].
    pub(super) fn skip(&mut self, bytes: u64) {
        match &mut self.step {
            Step::Skip(left) => *left = left.saturating_sub(bytes),
            Step::Text(left) => {
                *left = left.saturating_sub(bytes);
                self.text.tail_length = 0;
            }
            _ => {}
        }
    }

    /// Reads the bytes that follow.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        sink: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(), Malformed> {
        loop {
            match self.step {
                Step::Done => return Ok(()),
                Step::Skip(left) => {
                    let taken = take(&mut bytes, left);
                    self.step = Step::Skip(left - taken.len() as u64);
                    if left > taken.len() as u64 {
                        return Ok(());
                    }
                    self.next_value()?;
                }
                Step::Text(left) => {
                    let taken = take(&mut bytes, left);
                    self.text.add(taken);
                    self.step = Step::Text(left - taken.len() as u64);
                    if left > taken.len() as u64 {
                        return Ok(());
                    }
                    let text = self.text;
                    self.report(text.value(), sink);
                    self.next_value()?;
                }
                _ => {
                    if !self.gather(&mut bytes) {
                        return Ok(());
                    }
                    self.token_read(sink)?;
                    self.token_length = 0;
                }
            }
        }
    }

    /// Takes bytes of the token; whether it is complete.
    fn gather(&mut self, bytes: &mut &[u8]) -> bool {
        loop {
            let missing = self.token_bytes().saturating_sub(self.token_length);
            if missing == 0 {
                return true;
            }
            let taken = take(bytes, missing as u64);
            let end = self.token_length + taken.len();
            if let Some(room) = self.token.get_mut(self.token_length..end) {
                room.copy_from_slice(taken);
            }
            self.token_length = end;
            if taken.is_empty() {
                return false;
            }
        }
    }

    /// How many bytes the token has, as far as is known.
    fn token_bytes(&self) -> usize {
        match self.step {
            Step::Signature => SIGNATURE.len(),
            Step::NameLength | Step::Type => 1,
            Step::Name(length) => length.into(),
            Step::Number(width, _) => width.into(),
            // The lowest two bits of the first byte give the width.
            Step::EntryCount | Step::ArrayCount(_) | Step::TextLength => match self.token {
                [first, ..] if self.token_length > 0 => 1 << (first & 3),
                _ => 1,
            },
            Step::Text(_) | Step::Skip(_) | Step::Done => 0,
        }
    }

    fn token_read(&mut self, sink: &mut dyn FnMut(Entry<'_>)) -> Result<(), Malformed> {
        let token = self.token.get(..self.token_length).ok_or(Malformed)?;
        let [first, ..] = self.token;
        match self.step {
            Step::Signature if token == SIGNATURE => self.push(None)?,
            Step::Signature => return Err(Malformed),
            Step::EntryCount => {
                let left = number(token) >> 2;
                self.level()?.left = left;
                self.next_value()?;
            }
            Step::NameLength if first == 0 => return Err(Malformed),
            Step::NameLength => self.step = Step::Name(first),
            Step::Name(_) => {
                let name = self.names.iter().find(|name| name.as_bytes() == token).copied();
                self.level()?.entry = name;
                self.step = Step::Type;
            }
            Step::Type if first & ARRAY_FLAG != 0 => {
                self.step = Step::ArrayCount(first & !ARRAY_FLAG);
            }
            Step::Type => self.begin(first)?,
            Step::ArrayCount(of) => {
                let count = number(token) >> 2;
                match width(of) {
                    Some((bytes, _)) => {
                        self.step = Step::Skip(count.checked_mul(bytes.into()).ok_or(Malformed)?);
                    }
                    None => {
                        self.push(Some(of))?;
                        self.level()?.left = count;
                        self.next_value()?;
                    }
                }
            }
            Step::Number(_, is_unsigned) => {
                if is_unsigned {
                    self.report(Value::Unsigned(number(token)), sink);
                }
                self.next_value()?;
            }
            Step::TextLength => {
                let length = number(token) >> 2;
                self.text = Text { length, ..Text::default() };
                self.step = Step::Text(length);
            }
            Step::Text(_) | Step::Skip(_) | Step::Done => {}
        }
        Ok(())
    }

    /// Begins a value of this type.
    fn begin(&mut self, of: u8) -> Result<(), Malformed> {
        match (of, width(of)) {
            (_, Some((bytes, is_unsigned))) => self.step = Step::Number(bytes, is_unsigned),
            (TYPE_TEXT, None) => self.step = Step::TextLength,
            (TYPE_SECTION, None) => self.push(None)?,
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Begins a section, or an array of a type.
    fn push(&mut self, array_type: Option<u8>) -> Result<(), Malformed> {
        if array_type.is_some_and(|of| of != TYPE_TEXT && of != TYPE_SECTION) {
            return Err(Malformed);
        }
        let level = self.stack.get_mut(self.depth).ok_or(Malformed)?;
        *level = Level { left: 0, array_type, entry: None };
        self.depth += 1;
        self.step = Step::EntryCount;
        Ok(())
    }

    /// Goes on after a value.
    fn next_value(&mut self) -> Result<(), Malformed> {
        while let Some(level) = self.depth.checked_sub(1).and_then(|top| self.stack.get_mut(top)) {
            if level.left == 0 {
                self.depth -= 1;
                continue;
            }
            level.left -= 1;
            match level.array_type {
                None => self.step = Step::NameLength,
                Some(TYPE_TEXT) => self.step = Step::TextLength,
                Some(_) => self.push(None)?,
            }
            return Ok(());
        }
        self.step = Step::Done;
        Ok(())
    }

    /// The section or array that is read.
    fn level(&mut self) -> Result<&mut Level, Malformed> {
        let top = self.depth.checked_sub(1).ok_or(Malformed)?;
        self.stack.get_mut(top).ok_or(Malformed)
    }

    /// Reports a value if its name is among those searched for.
    fn report(&self, value: Value<'_>, sink: &mut dyn FnMut(Entry<'_>)) {
        let levels = self.stack.get(..self.depth).unwrap_or_default().iter().rev();
        let mut sections = levels.filter(|level| level.array_type.is_none());
        if let Some(name) = sections.next().and_then(|level| level.entry) {
            let section = sections.next().and_then(|level| level.entry);
            sink(Entry { section, name, value });
        }
    }
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if let Some(room) = self.head.get_mut(self.head_length..) {
            let taken = take(&mut rest, room.len() as u64);
            room.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
            self.head_length += taken.len();
        }
        let new = bytes.len().min(TAIL_BYTES);
        let kept = self.tail_length.min(TAIL_BYTES - new);
        self.tail.copy_within(self.tail_length - kept..self.tail_length, 0);
        let last = bytes.get(bytes.len() - new..).unwrap_or_default();
        let room = self.tail.iter_mut().skip(kept);
        room.zip(last).for_each(|(to, from)| *to = *from);
        self.tail_length = kept + new;
    }

    fn value(&self) -> Value<'_> {
        Value::Text {
            length: self.length,
            head: self.head.get(..self.head_length).unwrap_or_default(),
            tail: self.tail.get(..self.tail_length).unwrap_or_default(),
        }
    }
}

/// The next bytes, at most `most`.
fn take<'a>(bytes: &mut &'a [u8], most: u64) -> &'a [u8] {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

/// Width of a number in bytes, and whether it is unsigned; `None` if the type is not of numbers.
fn width(of: u8) -> Option<(u8, bool)> {
    Some(match of {
        1 | 9 => (8, false),
        2 => (4, false),
        3 => (2, false),
        4 | 11 => (1, false),
        5 => (8, true),
        6 => (4, true),
        7 => (2, true),
        8 => (1, true),
        _ => return None,
    })
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

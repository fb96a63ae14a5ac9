//! Parses a request's body as the node does, which differs from RFC 8259.
//!
//! A state machine with a stack of its own reads the bytes once. Members before the end count, even
//! if no object was closed; bytes after the closed object are ignored. Only the id, the method and
//! the version are stored, the rest is only checked.

mod tokens;

use super::entry::{Entry, MAX_WRITTEN, Section};
use super::number::Number;
use tokens::{NotJson, Scalar, Tokens};

/// Deepest nesting of objects, the outermost included, as in the node.
const MAX_DEPTH: usize = 100;

/// The stored members of a body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Body {
    pub(super) id: Option<Entry>,
    pub(super) method: Option<Entry>,
    pub(super) jsonrpc: Option<Entry>,
}

/// Reads a body.
pub(super) fn read(bytes: &[u8]) -> Result<Body, NotJson> {
    let mut reader = Reader { tokens: Tokens::new(bytes), around: Vec::new(), room: MAX_WRITTEN };
    let mut call = Frame { state: State::Opened, ..Frame::new(Keep::Call, false, 0) };
    reader.read(&mut call)?;
    reader.end(&mut call)?;
    let mut take = |name: &[u8]| call.kept.remove(name);
    Ok(Body { id: take(b"id"), method: take(b"method"), jsonrpc: take(b"jsonrpc") })
}

/// What an object expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opened,
    Name,
    Separator,
    Value,
    AfterValue,
    FirstElement,
    AfterElement(Kind),
    Element(Kind),
}

/// The kind of a value. All elements of an array have one; sign and point decide that of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Section,
    Text,
    Bool,
    Unsigned,
    Signed,
    Double,
}

impl Kind {
    fn of(entry: &Entry) -> Option<Self> {
        Some(match entry {
            Entry::Number(Number::Unsigned(_)) => Self::Unsigned,
            Entry::Number(Number::Signed(_)) => Self::Signed,
            Entry::Number(Number::Double(_)) => Self::Double,
            Entry::Bool(_) => Self::Bool,
            Entry::Text(_) => Self::Text,
            Entry::Section(_) => Self::Section,
            Entry::Array(_) => return None,
        })
    }
}

/// What is stored of an object or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It is the call: its id, method and version.
    Call,
    /// It is the id, or part of it.
    All,
    /// Its type, and its text if it has one: the method, the version.
    Plain,
    Nothing,
}

/// An object being read.
#[derive(Debug)]
struct Frame {
    state: State,
    /// The latest key.
    name: Vec<u8>,
    keep: Keep,
    /// Whether it is an element of an array.
    is_element: bool,
    /// The position after the opening brace.
    start: usize,
    kept: Section,
}

impl Frame {
    fn new(keep: Keep, is_element: bool, start: usize) -> Self {
        let (name, kept) = (Vec::new(), Section::new());
        Self { state: State::Name, name, keep, is_element, start, kept }
    }

    /// What is stored of the value of its latest key.
    fn keep_of_value(&self) -> Keep {
        match (self.keep, self.name.as_slice()) {
            // The node does not store a value without a name.
            (_, b"") => Keep::Nothing,
            (Keep::Call, b"id") | (Keep::All, _) => Keep::All,
            (Keep::Call, b"method" | b"jsonrpc") => Keep::Plain,
            _ => Keep::Nothing,
        }
    }
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    /// The objects around the one being read, outermost first.
    around: Vec<Frame>,
    /// The remaining limit of the id, in serialized bytes.
    room: usize,
}

impl Reader<'_> {
    /// Reads to the end of the bytes or of the outermost object. `frame` is the object being read.
    fn read(&mut self, frame: &mut Frame) -> Result<(), NotJson> {
        while let Some(byte) = self.tokens.next() {
            match (frame.state, byte) {
                (State::Opened, b'{') | (State::AfterValue, b',') => frame.state = State::Name,
                (State::Name, b'"') => {
                    frame.name = self.tokens.string()?;
                    frame.state = State::Separator;
                }
                (State::Separator, b':') => frame.state = State::Value,
                (State::Name | State::AfterValue, b'}') => {
                    let Some(parent) = self.around.pop() else { return Ok(()) };
                    let child = std::mem::replace(frame, parent);
                    attach(frame, child);
                }
                (State::Value, b'[') => frame.state = State::FirstElement,
                (State::Value, b'{') => self.open(frame, None)?,
                (State::FirstElement | State::AfterElement(_), b']') => {
                    frame.state = State::AfterValue;
                }
                (State::FirstElement | State::Element(Kind::Section), b'{') => {
                    let is_first = frame.state == State::FirstElement;
                    self.open(frame, Some(is_first))?;
                }
                (State::AfterElement(kind), b',') => frame.state = State::Element(kind),
                (_, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) => {}
                (State::Value | State::FirstElement | State::Element(_), _) => {
                    let scalar = self.tokens.scalar(byte)?;
                    self.put(frame, scalar)?;
                }
                _ => return Err(NotJson),
            }
        }
        Ok(())
    }

    /// Handles the end of the bytes, perhaps within `frame`. The node then re-reads the bytes after
    /// the opening brace of the unclosed object as if it were closed, and accepts only white space.
    fn end(&mut self, frame: &mut Frame) -> Result<(), NotJson> {
        let Some(parent) = self.around.pop() else { return Ok(()) };
        if !self.around.is_empty() || !self.tokens.is_white_from(frame.start) {
            return Err(NotJson);
        }
        let child = std::mem::replace(frame, parent);
        attach(frame, child);
        Ok(())
    }

    /// Starts an object: a value, or an element, the first of its array or a later one.
    fn open(&mut self, frame: &mut Frame, is_first: Option<bool>) -> Result<(), NotJson> {
        if frame.name.is_empty() || self.around.len() + 1 >= MAX_DEPTH {
            return Err(NotJson);
        }
        let keep = frame.keep_of_value();
        self.spend(keep, frame.name.len())?;
        let mut child = Frame::new(keep, is_first.is_some(), self.tokens.position());
        match is_first {
            // Two objects of one key are merged.
            None => {
                if let Some(Entry::Section(earlier)) = frame.kept.get_mut(&frame.name) {
                    child.kept = std::mem::take(earlier);
                }
                frame.state = State::AfterValue;
            }
            Some(is_first) => {
                if is_first && keep != Keep::Nothing {
                    frame.kept.insert(frame.name.clone(), Entry::Array(Vec::new()));
                }
                frame.state = State::AfterElement(Kind::Section);
            }
        }
        let parent = std::mem::replace(frame, child);
        self.around.push(parent);
        Ok(())
    }

    /// Stores a value that is no object and no array.
    fn put(&mut self, frame: &mut Frame, scalar: Scalar) -> Result<(), NotJson> {
        let entry = match (scalar, frame.state) {
            (Scalar::Entry(entry), _) => entry,
            // Dropped, so that the key keeps an earlier value.
            (Scalar::Null, State::Value) => {
                frame.state = State::AfterValue;
                return Ok(());
            }
            (Scalar::Null, _) => return Err(NotJson),
        };
        let kind = Kind::of(&entry).ok_or(NotJson)?;
        let keep = frame.keep_of_value();
        let text = if let Entry::Text(text) = &entry { text.len() } else { 0 };
        self.spend(keep, frame.name.len() + text)?;
        match frame.state {
            State::Element(expected) if expected != kind => return Err(NotJson),
            State::Element(_) => {
                if let Some(Entry::Array(entries)) = frame.kept.get_mut(&frame.name) {
                    entries.push(entry);
                }
                frame.state = State::AfterElement(kind);
            }
            State::FirstElement if frame.name.is_empty() => return Err(NotJson),
            State::FirstElement => {
                if keep != Keep::Nothing {
                    frame.kept.insert(frame.name.clone(), Entry::Array(vec![entry]));
                }
                frame.state = State::AfterElement(kind);
            }
            _ => {
                if keep != Keep::Nothing {
                    frame.kept.insert(frame.name.clone(), entry);
                }
                frame.state = State::AfterValue;
            }
        }
        Ok(())
    }

    /// Counts a value of the id against the limit: its key, its text and two bytes.
    fn spend(&mut self, keep: Keep, bytes: usize) -> Result<(), NotJson> {
        if keep == Keep::All {
            self.room = self.room.checked_sub(bytes + 2).ok_or(NotJson)?;
        }
        Ok(())
    }
}

/// Stores a closed object in its parent.
fn attach(parent: &mut Frame, child: Frame) {
    if child.keep == Keep::Nothing {
        return;
    }
    let entry = Entry::Section(child.kept);
    if !child.is_element {
        parent.kept.insert(parent.name.clone(), entry);
    } else if let Some(Entry::Array(entries)) = parent.kept.get_mut(&parent.name) {
        entries.push(entry);
    }
}

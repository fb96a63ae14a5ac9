//! One side of a connection, cut into messages. Bodies are read as they come and not kept.

use super::facts::{Body, Facts};
use super::header::{HEADER_BYTES, Header, SIGNATURE};

/// Bytes that are searched for the next header after a gap, or after what is no header: the longest
/// body without a limit of its own is left after at most that many.
const MAX_SEARCH: u64 = 128 << 20;

/// A message, once its body is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) header: Header,
    /// `None` if bytes of it are missing or malformed.
    pub(super) facts: Option<Facts>,
}

/// Cuts one side.
#[derive(Debug)]
pub(super) struct Frames {
    step: Step,
    /// Whether the handshake is not complete, so that bodies are short.
    pub(super) is_first: bool,
    /// What fragments contain, between the first and the last.
    fragments: Option<Box<Self>>,
    /// Whether this is what fragments contain.
    is_inner: bool,
    /// Headers and bodies refused.
    pub(super) refused: u64,
}

#[derive(Debug)]
enum Step {
    Header(PartialHeader),
    Body {
        header: Header,
        left: u64,
        body: Body,
    },
    /// The signature is searched: how many of its bytes match, and how many bytes were searched.
    Search {
        matching: usize,
        searched: u64,
    },
    /// Nothing is read any more.
    Done,
}

#[derive(Debug)]
struct PartialHeader {
    bytes: [u8; HEADER_BYTES],
    length: usize,
    /// Whether it was searched for: then a header that is not valid was none.
    was_searched: bool,
}

impl PartialHeader {
    fn new() -> Self {
        Self { bytes: [0; HEADER_BYTES], length: 0, was_searched: false }
    }

    /// After a signature that was searched for.
    fn found() -> Self {
        let mut bytes = [0; HEADER_BYTES];
        bytes.iter_mut().zip(SIGNATURE).for_each(|(to, from)| *to = from);
        Self { bytes, length: SIGNATURE.len(), was_searched: true }
    }
}

impl Frames {
    /// From a header on, or from anywhere.
    pub(super) fn new(is_from_header: bool) -> Self {
        Self {
            step: if is_from_header { Step::header() } else { Step::search() },
            is_first: is_from_header,
            fragments: None,
            is_inner: false,
            refused: 0,
        }
    }

    /// Reads the bytes that follow.
    pub(super) fn data(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Message)) {
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Done => return,
                Step::Search { matching, searched } => {
                    let found = search(matching, &mut bytes);
                    if found {
                        self.step = Step::Header(PartialHeader::found());
                    } else {
                        *searched += bytes.len() as u64;
                        if *searched > MAX_SEARCH {
                            self.step = Step::Done;
                        }
                        return;
                    }
                }
                Step::Header(partial) => {
                    let missing = HEADER_BYTES.saturating_sub(partial.length).min(bytes.len());
                    let (taken, rest) = bytes.split_at(missing);
                    let end = partial.length + taken.len();
                    if let Some(room) = partial.bytes.get_mut(partial.length..end) {
                        room.copy_from_slice(taken);
                    }
                    partial.length = end;
                    bytes = rest;
                    if partial.length == HEADER_BYTES {
                        self.begin(sink);
                    }
                }
                Step::Body { left, body, .. } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (taken, rest) = bytes.split_at(length);
                    self.refused += u64::from(body.read(taken).is_err());
                    if let Some(inner) = &mut self.fragments {
                        inner.data(taken, sink);
                    }
                    *left -= length as u64;
                    bytes = rest;
                    if *left == 0 {
                        self.finish(sink);
                    }
                }
            }
        }
    }

    /// Begins a body.
    fn begin(&mut self, sink: &mut dyn FnMut(Message)) {
        let Step::Header(partial) = &self.step else { return };
        let header = Header::read(&partial.bytes).filter(|header| header.is_valid(self.is_first));
        let header = header.filter(|header| !(self.is_inner && header.is_fragment()));
        let Some(header) = header else {
            self.refused += u64::from(!partial.was_searched);
            self.step = if self.is_inner { Step::Done } else { Step::search() };
            return;
        };
        if header.begins_fragments() {
            let inner = Self { is_inner: true, is_first: self.is_first, ..Self::new(true) };
            self.fragments = Some(Box::new(inner));
        }
        let body = if header.is_fragment() { Body::Ignored } else { Body::new(header.command) };
        self.step = Step::Body { header, left: header.length, body };
        if header.length == 0 {
            self.finish(sink);
        }
    }

    /// Ends a body.
    fn finish(&mut self, sink: &mut dyn FnMut(Message)) {
        // Of fragments one message is read; zeros follow it.
        let next = if self.is_inner { Step::Done } else { Step::header() };
        let Step::Body { header, body, .. } = std::mem::replace(&mut self.step, next) else {
            return;
        };
        if header.ends_fragments()
            && let Some(inner) = self.fragments.take()
        {
            self.refused += inner.refused;
        }
        if !header.is_fragment() {
            // An answer without a body, as it is sent on errors, is complete too.
            let facts = if header.length == 0 {
                Some(Facts::default())
            } else {
                body.facts(header.command)
            };
            sink(Message { header, facts });
        }
    }

    /// That many of the next bytes are of no interest.
    pub(super) fn skippable(&self) -> u64 {
        match &self.step {
            // At the end of the body there is something to do.
            Step::Body { left, body, .. } if self.fragments.is_none() => body.skippable(*left),
            _ => 0,
        }
    }

    /// Whether nothing is read any more.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// Passes over bytes, at most [`Self::skippable`].
    pub(super) fn skip(&mut self, bytes: u64, sink: &mut dyn FnMut(Message)) {
        if let Step::Body { left, body, .. } = &mut self.step {
            body.skip(bytes);
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                self.finish(sink);
            }
        }
    }

    /// Bytes are missing. Within a body the next header is known; else it is searched.
    pub(super) fn gap(&mut self, bytes: u64, sink: &mut dyn FnMut(Message)) {
        // The handshake may be among them.
        self.is_first = false;
        match &mut self.step {
            Step::Done => {}
            Step::Body { left, body, .. } => {
                body.gap();
                if let Some(inner) = &mut self.fragments {
                    inner.step = Step::Done;
                }
                let is_within = bytes <= *left;
                *left = left.saturating_sub(bytes);
                if *left == 0 {
                    self.finish(sink);
                }
                if !is_within {
                    self.step = Step::search();
                }
            }
            Step::Header(_) | Step::Search { .. } => self.step = Step::search(),
        }
        if !self.is_inner && matches!(self.step, Step::Search { .. }) {
            self.fragments = None;
        }
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        let body = if let Step::Body { body, .. } = &self.step { body.memory() } else { 0 };
        let inner = self.fragments.as_ref();
        body + inner.map_or(0, |inner| size_of::<Self>() + inner.memory())
    }
}

impl Step {
    fn header() -> Self {
        Self::Header(PartialHeader::new())
    }

    fn search() -> Self {
        Self::Search { matching: 0, searched: 0 }
    }
}

/// Searches the signature, of which `matching` bytes came before, and removes what is before its end;
/// whether it was found.
fn search(matching: &mut usize, bytes: &mut &[u8]) -> bool {
    for (at, byte) in bytes.iter().enumerate() {
        *matching = match (SIGNATURE.get(*matching) == Some(byte), *byte) {
            (true, _) => *matching + 1,
            // The bytes before are 01 once more than 01 21 needs.
            (false, 0x21) if *matching >= 3 => 2,
            (false, 0x01) => 1,
            (false, _) => 0,
        };
        if *matching == SIGNATURE.len() {
            *bytes = bytes.get(at + 1..).unwrap_or_default();
            return true;
        }
    }
    false
}

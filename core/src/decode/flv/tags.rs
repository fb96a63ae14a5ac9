//! Where a stream is in its tags (E.3, E.4.1), and where the next one is behind a gap.

/// The begin of a stream, version included.
pub(super) const SIGNATURE: &[u8] = b"FLV\x01";
/// Signature, version, flags, and where the tags begin.
const FILE_HEADER: usize = 9;
/// Type, length, timestamp, and a number that is 0.
const TAG_HEADER: usize = 11;
/// The length of the tag before, its header included.
const TRAILER: usize = 4;
/// Most bytes of a tag that are kept: decoder configurations and metadata are shorter.
const MAX_KEPT: usize = 16 * 1024;
/// Most bytes in which a tag is searched for.
const MAX_SEARCHED: usize = 16 * 1024;

/// What a tag is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    Audio,
    Video,
    Script,
}

/// The header of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: TagKind,
    pub(super) length: u32,
    pub(super) timestamp_ms: u32,
}

impl Tag {
    /// `None` if no tag begins so. Encrypted tags do not.
    fn read(header: &[u8; TAG_HEADER]) -> Option<Self> {
        let [kind, l0, l1, l2, t0, t1, t2, t3, 0, 0, 0] = *header else { return None };
        let kind = match kind {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            _ => return None,
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let timestamp_ms = u32::from_be_bytes([t3, t0, t1, t2]);
        Some(Self { kind, length, timestamp_ms })
    }
}

/// What comes of a stream.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A tag is complete; of its body the begin was kept.
    Complete(Tag, &'a [u8]),
    /// Bytes of a tag's body.
    Carried(Tag, u64),
}

/// The position in a stream.
#[derive(Debug)]
pub(super) struct Tags {
    position: Position,
    /// Bytes of what is under way.
    kept: Vec<u8>,
    /// How often a tag had to be searched for.
    pub(super) searches: u64,
}

#[derive(Debug, Clone, Copy)]
enum Position {
    FileHeader,
    /// Length of the tag before, then a header.
    TagHeader,
    Body {
        tag: Tag,
        left: u32,
        /// Whether all bytes up to here are kept.
        is_kept: bool,
    },
    Lost,
}

impl Tags {
    /// From the begin of a stream, or from anywhere.
    pub(super) fn new(is_from_start: bool) -> Self {
        let position = if is_from_start { Position::FileHeader } else { Position::Lost };
        Self { position, kept: Vec::new(), searches: 0 }
    }

    /// Takes bytes.
    pub(super) fn data(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        self.read(bytes, sink);
        while matches!(self.position, Position::Lost) {
            let Some(at) = find_tag(&self.kept) else {
                let surplus = self.kept.len().saturating_sub(MAX_SEARCHED);
                self.kept.drain(..surplus);
                self.kept.shrink_to(2 * MAX_SEARCHED);
                return;
            };
            // The header of a tag is read with the length of the one before.
            let mut kept = std::mem::take(&mut self.kept);
            kept.drain(..at);
            kept.splice(..0, [0; TRAILER]);
            self.position = Position::TagHeader;
            self.read(&kept, sink);
        }
    }

    fn read(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        while !bytes.is_empty() {
            match self.position {
                Position::FileHeader => {
                    if self.fill(&mut bytes, FILE_HEADER) {
                        let is_stream = self.kept.starts_with(SIGNATURE);
                        self.kept.clear();
                        self.position =
                            if is_stream { Position::TagHeader } else { Position::Lost };
                    }
                }
                Position::TagHeader => {
                    if self.fill(&mut bytes, TRAILER + TAG_HEADER) {
                        self.tag(sink);
                    }
                }
                Position::Body { tag, left, is_kept } => {
                    let length = (left as usize).min(bytes.len());
                    let (part, rest) = bytes.split_at(length);
                    bytes = rest;
                    let room = MAX_KEPT.saturating_sub(self.kept.len()).min(part.len());
                    if is_kept {
                        self.kept.extend_from_slice(part.get(..room).unwrap_or_default());
                    }
                    let is_kept = is_kept && room == part.len();
                    self.advance(tag, left, length as u32, is_kept, sink);
                }
                Position::Lost => {
                    self.kept.extend_from_slice(bytes);
                    bytes = &[];
                }
            }
        }
    }

    /// Keeps bytes up to that many; whether they are there.
    fn fill(&mut self, bytes: &mut &[u8], length: usize) -> bool {
        let missing = length.saturating_sub(self.kept.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.kept.extend_from_slice(taken);
        *bytes = rest;
        self.kept.len() >= length
    }

    fn tag(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let header = self.kept.get(TRAILER..).and_then(|header| header.first_chunk());
        match header.and_then(Tag::read) {
            Some(tag) => {
                self.kept.clear();
                self.advance(tag, tag.length, 0, true, sink);
            }
            None => {
                self.position = Position::Lost;
                self.searches += 1;
            }
        }
    }

    /// Bytes of a body passed.
    fn advance(
        &mut self,
        tag: Tag,
        left: u32,
        passed: u32,
        is_kept: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let left = left.saturating_sub(passed);
        if passed > 0 {
            sink(Event::Carried(tag, passed.into()));
        }
        if left > 0 {
            self.position = Position::Body { tag, left, is_kept };
            return;
        }
        sink(Event::Complete(tag, &self.kept));
        self.kept.clear();
        self.position = Position::TagHeader;
    }

    /// How many bytes need not be read.
    pub(super) fn skippable(&self) -> u64 {
        match self.position {
            Position::Body { left, is_kept, .. } if !is_kept || self.kept.len() >= MAX_KEPT => {
                left.into()
            }
            _ => 0,
        }
    }

    /// Bytes were passed over, or are missing.
    pub(super) fn skip(&mut self, bytes: u64, sink: &mut dyn FnMut(Event<'_>)) {
        match (self.position, u32::try_from(bytes)) {
            (Position::Body { tag, left, .. }, Ok(bytes)) if bytes <= left => {
                self.advance(tag, left, bytes, false, sink);
            }
            _ => {
                self.kept.clear();
                self.position = Position::Lost;
                self.searches += 1;
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }
}

/// Where a tag begins that is followed by its length and the header of another one.
pub(super) fn find_tag(bytes: &[u8]) -> Option<usize> {
    let tag = |at: usize| Tag::read(bytes.get(at..)?.first_chunk()?);
    let is_begin = |at: &usize| {
        let Some(length) = tag(*at).map(|tag| tag.length + TAG_HEADER as u32) else { return false };
        let end = at + length as usize;
        let trailer = bytes.get(end..).and_then(|rest| rest.first_chunk());
        let is_length = trailer.is_some_and(|trailer| u32::from_be_bytes(*trailer) == length);
        is_length && tag(end + TRAILER).is_some()
    };
    (0..bytes.len()).find(is_begin)
}

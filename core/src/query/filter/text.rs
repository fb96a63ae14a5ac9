//! Text compared without regard to case, and patterns. Prepared once, so that a row costs no
//! allocation.

use regex_lite::{Regex, RegexBuilder};

/// Text to be compared with, in lower case too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) text: Box<str>,
    lower: Box<str>,
}

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), lower: text.to_lowercase().into() }
    }

    /// Whether `value` is this text.
    pub(super) fn equals(&self, value: &str) -> bool {
        if value.is_ascii() {
            return value.eq_ignore_ascii_case(&self.lower);
        }
        value.chars().flat_map(char::to_lowercase).eq(self.lower.chars())
    }

    /// Whether this text stands somewhere in `value`.
    pub(super) fn is_in(&self, value: &str) -> bool {
        if !value.is_ascii() {
            return value.to_lowercase().contains(&*self.lower);
        }
        let wanted = self.lower.as_bytes();
        wanted.is_empty()
            || value.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
    }
}

/// A regular expression; equal to another if it was written the same.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// The pattern as plain text, where it is no more than that: found many times faster.
    plain: Option<Folded>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// Most memory one compiled pattern may take: hundreds of times what patterns over names need, and
/// with [`MAX_PATTERNS`](super::MAX_PATTERNS) of them a filter stays small.
const PATTERN_BYTES: usize = 256 * 1024;
/// Deepest nesting within a pattern; its compiler is recursive.
const PATTERN_DEPTH: u32 = 32;

impl Pattern {
    /// Compiles `text`; the reason in words if it is no pattern.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .case_insensitive(!has_upper_case(text))
            .size_limit(PATTERN_BYTES)
            .nest_limit(PATTERN_DEPTH)
            .build()
            .map_err(|error| error.to_string())?;
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_/ ".contains(&b);
        let plain = text.bytes().all(is_plain).then(|| Folded::new(text));
        Ok(Self { regex, plain })
    }

    pub(super) fn text(&self) -> &str {
        self.regex.as_str()
    }

    pub(super) fn is_in(&self, value: &str) -> bool {
        match &self.plain {
            Some(plain) => plain.is_in(value),
            None => self.regex.is_match(value),
        }
    }
}

/// Whether a letter of the pattern is in upper case; letters of classes such as `\S` do not count.
fn has_upper_case(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c.is_uppercase() {
            return true;
        }
    }
    false
}

//! Case-insensitive text comparison and patterns, prepared once, so that evaluation does not
//! allocate.

use regex_lite::{Regex, RegexBuilder};

/// Text to compare with, and its lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) text: Box<str>,
    lower: Box<str>,
}

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), lower: text.to_lowercase().into() }
    }

    /// Whether `value` equals this text.
    pub(super) fn equals(&self, value: &str) -> bool {
        if value.is_ascii() {
            return value.eq_ignore_ascii_case(&self.lower);
        }
        value.chars().flat_map(char::to_lowercase).eq(self.lower.chars())
    }

    /// Whether `value` contains this text.
    pub(super) fn is_in(&self, value: &str) -> bool {
        if !value.is_ascii() {
            return value.to_lowercase().contains(&*self.lower);
        }
        let lower = self.lower.as_bytes();
        lower.is_empty()
            || value.as_bytes().windows(lower.len()).any(|part| part.eq_ignore_ascii_case(lower))
    }
}

/// A regular expression; equal to another with the same text.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// The pattern as plain text, if it has no special characters: many times faster.
    plain: Option<Folded>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// Maximum memory of one compiled pattern: hundreds of times what patterns for names need.
const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// Maximum nesting within a pattern; its compiler is recursive.
const MAX_PATTERN_DEPTH: u32 = 32;

impl Pattern {
    /// Compiles `text`; the error is the reason.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .case_insensitive(!has_upper_case(text))
            .size_limit(MAX_PATTERN_BYTES)
            .nest_limit(MAX_PATTERN_DEPTH)
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

/// Whether the pattern contains an upper-case letter; letters of classes such as `\S` do not count.
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

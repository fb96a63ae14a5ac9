//! Versions of the format: a query names the range that its sender reads, and the answer is in the
//! newest version that both ends know.

use std::fmt;
use std::str::FromStr;

/// Versions from the oldest to the newest, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    oldest: u32,
    newest: u32,
}

impl VersionRange {
    /// The versions that this program reads and writes.
    pub const SUPPORTED: Self = Self { oldest: 1, newest: 1 };

    /// The range from `oldest` to `newest`; `None` if it is empty.
    #[must_use]
    pub fn new(oldest: u32, newest: u32) -> Option<Self> {
        (oldest <= newest).then_some(Self { oldest, newest })
    }

    /// Whether `version` is in it.
    #[must_use]
    pub fn contains(self, version: u32) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }

    /// The newest version that is in both.
    #[must_use]
    pub fn newest_common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl Default for VersionRange {
    fn default() -> Self {
        Self::SUPPORTED
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { oldest, newest } if oldest == newest => write!(f, "{oldest}"),
            Self { oldest, newest } => write!(f, "{oldest}-{newest}"),
        }
    }
}

/// A text is no range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRangeError;

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    fn from_str(text: &str) -> Result<Self, VersionRangeError> {
        let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| digits.parse().ok()).flatten().ok_or(VersionRangeError)
        };
        Self::new(number(oldest)?, number(newest)?).ok_or(VersionRangeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_chosen() {
        let range = |oldest, newest| VersionRange::new(oldest, newest).unwrap();
        assert_eq!(range(1, 2).newest_common(range(1, 1)), Some(1));
        assert_eq!(range(1, 2).newest_common(range(2, 3)), Some(2));
        assert_eq!(range(1, 1).newest_common(range(2, 3)), None);
        assert_eq!(VersionRange::new(2, 1), None);
    }

    #[test]
    fn a_range_is_read_from_its_text() {
        for text in ["1", "1-3"] {
            assert_eq!(text.parse::<VersionRange>().unwrap().to_string(), text);
        }
        for text in ["", "-", "3-1", "+1", "1-2-3", "4294967296"] {
            assert_eq!(text.parse::<VersionRange>(), Err(VersionRangeError), "{text}");
        }
    }
}

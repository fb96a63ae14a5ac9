//! The place in an agent's updates and events up to which a reader has read: one type and one text
//! for the id of server-sent events, `Last-Event-ID`, `since` and the `after` of snapshot polling.

use std::fmt;
use std::str::FromStr;

use conns_core::model::Update;

/// Everything up to this snapshot and this event has been read.
///
/// Its text is `<instance>-<sequence>-<serial>`: 16 hexadecimal digits in lower case, and two decimal
/// numbers without leading zeros. Each place has one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumeId {
    /// Which start of which agent: [`Update::instance`].
    pub instance: u64,
    /// The sequence number of the snapshot; 0 is before the first.
    pub sequence: u64,
    /// The serial number of the event; 0 is before the first.
    pub serial: u64,
}

impl ResumeId {
    /// The place behind the snapshot of `update` and the event `serial`.
    #[must_use]
    pub fn new(update: &Update, serial: u64) -> Self {
        Self { instance: update.instance, sequence: update.snapshot.sequence, serial }
    }

    /// Whether it is of another start of an agent than `update`.
    #[must_use]
    pub fn is_of_other_instance(&self, update: &Update) -> bool {
        self.instance != update.instance
    }
}

impl fmt::Display for ResumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, sequence, serial } = self;
        write!(f, "{instance:016x}-{sequence}-{serial}")
    }
}

/// A text is no resume id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a resume id is INSTANCE-SEQUENCE-SERIAL: 16 hexadecimal digits in lower case and two decimal \
     numbers"
)]
pub struct ResumeIdError;

impl FromStr for ResumeId {
    type Err = ResumeIdError;

    fn from_str(text: &str) -> Result<Self, ResumeIdError> {
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or(ResumeIdError);
        let id = Self {
            instance: instance(next()?)?,
            sequence: number(next()?)?,
            serial: number(next()?)?,
        };
        if parts.next().is_some() { Err(ResumeIdError) } else { Ok(id) }
    }
}

fn instance(digits: &str) -> Result<u64, ResumeIdError> {
    let is_canonical =
        digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parsed = is_canonical.then(|| u64::from_str_radix(digits, 16).ok());
    parsed.flatten().ok_or(ResumeIdError)
}

fn number(digits: &str) -> Result<u64, ResumeIdError> {
    let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let parsed = is_canonical.then(|| digits.parse().ok());
    parsed.flatten().ok_or(ResumeIdError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_read_from_its_text(instance: u64, sequence: u64, serial: u64) {
            let id = ResumeId { instance, sequence, serial };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn a_text_that_is_read_is_the_one_that_is_written(text in "[0-9a-fA-F+-]{0,60}") {
            if let Ok(id) = text.parse::<ResumeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "7",
            "feed000000000001-2",
            "feed000000000001-2-",
            "feed000000000001--3",
            "feed000000000001-2-3-4",
            "FEED000000000001-2-3",
            "+eed000000000001-2-3",
            "feed000000000001-02-3",
            "feed000000000001-2-+3",
            "feed000000000001-2-18446744073709551616",
            "feed000000000001-2-3 ",
        ] {
            assert_eq!(text.parse::<ResumeId>(), Err(ResumeIdError), "{text}");
        }
    }
}

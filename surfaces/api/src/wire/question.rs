//! A question as the query of a URL: written by the client, read by the agent.

use std::fmt::Write;
use std::time::Duration;

use conns_core::model::Update;

use super::{Mark, watched};
use crate::agent::{Ask, View};

/// Most namespaces in one question; more than anybody types.
const NAMES_MAX: usize = 256;

/// What a `Agent` elsewhere asks of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Which connections.
    pub ask: Ask,
    /// The snapshot the asker has: the agent waits for a newer one, and tells the changes alone
    /// where it still knows them.
    pub after: Option<Mark>,
    /// The agent waits until it has been watching for so long.
    pub span: Duration,
}

/// Why a query is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// A parameter nobody knows.
    #[error(
        "no parameter `{0}`; there are view, tcp, udp, ipv4, ipv6, netns, after, and span_us or (of events) wait_us"
    )]
    Parameter(String),
    /// `view` is none.
    #[error("view is connections, listening or all")]
    View,
    /// A yes or no that is neither.
    #[error("{0} is 0 or 1")]
    Flag(&'static str),
    /// `after` is no mark.
    #[error("after is INSTANCE-SEQUENCE, two whole numbers")]
    Mark,
    /// `after` of events is none.
    #[error("after is now, kept or INSTANCE-SERIAL, two whole numbers")]
    From,
    /// `span_us` or `wait_us` is no number.
    #[error("span_us and wait_us are whole numbers of microseconds")]
    Span,
    /// More namespaces than any question has.
    #[error("at most {NAMES_MAX} parameters netns")]
    Names,
    /// What the percent signs encode is no text.
    #[error("the query is not UTF-8 in percent encoding (RFC 3986 section 2.1)")]
    Encoding,
}

impl Question {
    /// The question as a query, without the question mark.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = write_ask(&self.ask);
        if let Some(mark) = self.after {
            query.push_str(&format!("&after={mark}"));
        }
        if !self.span.is_zero() {
            query.push_str(&format!("&span_us={}", self.span.as_micros()));
        }
        query
    }

    /// The question that `query` is.
    ///
    /// # Errors
    /// [`QuestionError`] if it is none.
    pub fn from_query(query: &str) -> Result<Self, QuestionError> {
        let mut question = Self::default();
        for (key, value) in pairs(query) {
            let value = decode(value)?;
            match key {
                "after" => question.after = Some(value.parse()?),
                "span_us" => {
                    let us = value.parse().map_err(|_| QuestionError::Span)?;
                    question.span = Duration::from_micros(us);
                }
                key => read_ask(&mut question.ask, key, value)?,
            }
        }
        Ok(question)
    }

    /// Whether `update` is what the question waits for.
    #[must_use]
    pub fn is_due(&self, update: &Update) -> bool {
        watched(update) >= self.span && self.after != Some(Mark::of(update))
    }
}

/// The parameters that say which connections are asked about.
pub(super) fn write_ask(ask: &Ask) -> String {
    let Ask { view, tcp, udp, ipv4, ipv6, namespaces } = ask;
    let mut query = format!("view={}", view_name(*view));
    for (name, yes) in [("tcp", tcp), ("udp", udp), ("ipv4", ipv4), ("ipv6", ipv6)] {
        if !yes {
            query.push_str(&format!("&{name}=0"));
        }
    }
    for name in namespaces {
        query.push_str("&netns=");
        encode(&mut query, name);
    }
    query
}

/// Reads one of those parameters.
pub(super) fn read_ask(ask: &mut Ask, key: &str, value: String) -> Result<(), QuestionError> {
    match key {
        "view" => ask.view = view_named(&value).ok_or(QuestionError::View)?,
        "tcp" => ask.tcp = flag("tcp", &value)?,
        "udp" => ask.udp = flag("udp", &value)?,
        "ipv4" => ask.ipv4 = flag("ipv4", &value)?,
        "ipv6" => ask.ipv6 = flag("ipv6", &value)?,
        "netns" if ask.namespaces.len() < NAMES_MAX => ask.namespaces.push(value),
        "netns" => return Err(QuestionError::Names),
        _ => return Err(QuestionError::Parameter(decode(key)?)),
    }
    Ok(())
}

/// Keys and values, both as they stand in the query.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn view_name(view: View) -> &'static str {
    match view {
        View::Connections => "connections",
        View::Listening => "listening",
        View::All => "all",
    }
}

fn view_named(name: &str) -> Option<View> {
    [View::Connections, View::Listening, View::All].into_iter().find(|v| view_name(*v) == name)
}

fn flag(name: &'static str, value: &str) -> Result<bool, QuestionError> {
    match value {
        "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        _ => Err(QuestionError::Flag(name)),
    }
}

/// Everything but the unreserved characters (RFC 3986 section 2.3) as percent signs.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing to memory does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

pub(super) fn decode(text: &str) -> Result<String, QuestionError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => {
                    u8::try_from(high * 16 + low).map_err(|_| QuestionError::Encoding)?
                }
                _ => return Err(QuestionError::Encoding),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| QuestionError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_question_survives_its_query(
            view in prop::sample::select(vec![View::Connections, View::Listening, View::All]),
            [tcp, udp, ipv4, ipv6] in any::<[bool; 4]>(),
            namespaces in prop::collection::vec(".{0,12}", 0..4),
            after in any::<Option<(u64, u64)>>(),
            span_us in any::<u64>(),
        ) {
            let question = Question {
                ask: Ask { view, tcp, udp, ipv4, ipv6, namespaces },
                after: after.map(|(instance, sequence)| Mark { instance, sequence }),
                span: Duration::from_micros(span_us),
            };
            let query = question.to_query();
            prop_assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert_eq!(Question::from_query(&query), Ok(question));
        }

        #[test]
        fn any_query_is_a_question_or_refused(query in ".{0,80}") {
            // A query that is read must also be the one that is written.
            if let Ok(question) = Question::from_query(&query) {
                prop_assert_eq!(Question::from_query(&question.to_query()), Ok(question));
            }
        }
    }

    #[test]
    fn an_empty_query_asks_for_the_plain_list() {
        assert_eq!(Question::from_query(""), Ok(Question::default()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (query, expected) in [
            ("view=some", QuestionError::View),
            ("tcp=yes", QuestionError::Flag("tcp")),
            ("tcp", QuestionError::Flag("tcp")),
            ("after=7", QuestionError::Mark),
            ("after=7-", QuestionError::Mark),
            ("after=-1-7", QuestionError::Mark),
            ("span_us=5s", QuestionError::Span),
            ("span_us=99999999999999999999", QuestionError::Span),
            ("netns=%", QuestionError::Encoding),
            ("netns=%+1", QuestionError::Encoding),
            ("netns=%ff", QuestionError::Encoding),
            ("fields=pid", QuestionError::Parameter("fields".to_owned())),
            (&"netns=a&".repeat(NAMES_MAX + 1), QuestionError::Names),
        ] {
            assert_eq!(Question::from_query(query), Err(expected), "{query}");
        }
    }
}
